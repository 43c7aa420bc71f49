// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import Glibc
import Hashing
import QMP
import SystemPackage

/// What a QEMU offers, asked of it once: a process without a machine that answers and is ended.
struct Capabilities: Hashable, Sendable {
    /// `QEMU` and the version.
    var hypervisor: String
    /// What runs guests here.
    var accelerator: Accelerator
    /// The newest versioned machine type with PCI Express.
    var machineType: String
    /// The processor model, and a digest of all its features.
    var processor: String

    /// The processor model that every guest gets.
    static let processorModel = "max"

    /// Asks the QEMU of a program.
    static func ask(_ program: FilePath, wanted: Accelerator?) async throws(HypervisorError) -> Capabilities {
        let accelerator =
            switch wanted {
            case .some(let wanted): wanted
            case nil: await KVMTrial.works(program) ? Accelerator.kvm : .tcg
            }
        let probe = try await QEMUProcess.start(
            program, name: "the question what it offers", log: nil,
            arguments: ["-accel", accelerator.rawValue, "-machine", "none", "-S"], descriptors: [],
            handedOver: [], afterwards: { _ in })
        let answer: Result<Capabilities, QMPError>
        do throws(QMPError) {
            answer = .success(try await ask(probe.monitor, accelerator))
        } catch {
            answer = .failure(error)
        }
        await probe.end()
        switch answer {
        case .success(let capabilities): return capabilities
        case .failure(let error): throw probe.translate(error)
        }
    }

    private static func ask(_ monitor: QMPClient, _ accelerator: Accelerator) async throws(QMPError) -> Capabilities {
        let types = try await monitor.machineTypes()
        guard let type = newest(types) else {
            throw QMPError(.refused, command: "query-machines", detail: "this QEMU offers no q35 machine")
        }
        let features = try await monitor.processorFeatures(processorModel)
        let digest = SHA256.digest(of: features.description.utf8).description.prefix(16)
        return Capabilities(
            hypervisor: "QEMU \(monitor.version ?? "of unknown version")", accelerator: accelerator, machineType: type,
            processor: "\(processorModel) \(digest)")
    }

    /// The newest of the types `pc-q35-MAJOR.MINOR[.MICRO]`.
    static func newest(_ types: [String]) -> String? {
        let prefix = "pc-q35-"
        func version(_ type: String) -> [Int] {
            type.dropFirst(prefix.count).split(separator: ".").map { Int($0) ?? -1 }
        }
        return types.filter { $0.hasPrefix(prefix) && !version($0).contains(-1) }
            .max { version($0).lexicographicallyPrecedes(version($1)) }
    }
}
