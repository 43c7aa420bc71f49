// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataEngine
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage

@testable import QEMUDriver

/// A folder with memory images and logs, and the machines that a test starts in it.
final class Lab: Sendable {
    static let memory: UInt64 = 128 << 20

    let folder: TemporaryFolder
    let driver: QEMUDriver

    init(driver: QEMUDriver = QEMUDriver()) throws {
        folder = try TemporaryFolder()
        self.driver = driver
    }

    /// A memory image of zeros.
    func emptyImage(_ name: String = "zero.bin", memory: UInt64 = Lab.memory) throws -> FilePath {
        let path = folder.appending(name)
        let file = try FileDescriptor.open(
            path, .readWrite, options: [.create, .truncate], permissions: .ownerReadWrite)
        try file.closeAfter { try file.resize(to: Int64(memory)) }
        return path
    }

    func launch(
        _ name: String = "web", image: FilePath? = nil, disks: [Launch.Disk] = [], boots: Bool = true,
        processors: Int = 1, hasEntropy: Bool = true, network: String? = nil, clock: Int64 = 1_767_225_600
    ) throws -> Launch {
        let guest = boots ? try TinyGuest.find() : nil
        return Launch(
            name: name,
            hardware: Hardware(
                memory: Lab.memory, processors: processors,
                boot: guest.map {
                    Hardware.Boot(kernel: $0.kernel, initrd: $0.initrd, arguments: TinyGuest.arguments)
                }, hasEntropy: hasEntropy, networkAddress: network),
            memoryImage: try image ?? emptyImage(), disks: disks, clockBase: clock,
            log: folder.appending("\(name).log"))
    }

    func start(_ launch: Launch) async throws -> QEMUMachine {
        let machine = try await driver.launch(launch)
        guard let machine = machine as? QEMUMachine else { throw Errno.invalidArgument }
        return machine
    }

    /// Starts a machine, and waits until its guest is there.
    func boot(disks: [Launch.Disk] = [], processors: Int = 1) async throws -> (QEMUMachine, ConsoleText) {
        let machine = try await start(launch(disks: disks, processors: processors))
        let console = ConsoleText(machine.console)
        _ = try await machine.resume()
        try await console.guest()
        return (machine, console)
    }
}

/// A machine's memory and devices at one moment.
struct HeldState: Sendable {
    var devices: [UInt8]
    /// The whole memory.
    var memory: [UInt8]
    /// What the console had said.
    var console: String
}

extension QEMUMachine {
    /// Every page, whether changed or not.
    func wholeMemory() throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(traits.memory))
        let runs = [PageRun(first: 0, count: bytes.count / PageRun.pageSize)]
        try unsafe bytes.withUnsafeMutableBytes { try unsafe readMemory(runs, into: $0) }
        return bytes
    }

    /// Holds the machine and takes its state.
    func hold(_ console: ConsoleText) async throws -> HeldState {
        _ = try await stop()
        let devices = try await saveDevices()
        let memory = try wholeMemory()
        return HeldState(devices: devices, memory: memory, console: console.text(to: console.mark))
    }

    /// Brings a state back in place, and returns the mark at which the console goes on.
    func bringBack(_ state: HeldState, _ console: ConsoleText, leavingOut stale: Int? = nil) async throws -> Int {
        _ = try await stop()
        let mark = console.mark
        let runs = try changedPages().flatMap { run in
            guard let stale, (run.first..<run.first + run.count).contains(stale) else { return [run] }
            return [
                PageRun(first: run.first, count: stale - run.first),
                PageRun(first: stale + 1, count: run.first + run.count - stale - 1),
            ].filter { $0.count > 0 }
        }
        var bytes: [UInt8] = []
        for run in runs {
            bytes += state.memory[run.first * PageRun.pageSize..<(run.first + run.count) * PageRun.pageSize]
        }
        try unsafe bytes.withUnsafeBytes { try unsafe writeMemory(runs, from: $0) }
        try await loadDevices(state.devices)
        return mark
    }
}

/// Whether two memories are equal; at the speed of the C library, in a debug build too.
func areEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
    unsafe one.withUnsafeBytes { one in
        unsafe other.withUnsafeBytes { other in
            guard one.count == other.count, let first = one.baseAddress, let second = other.baseAddress else {
                return one.count == other.count
            }
            return unsafe memcmp(first, second, one.count) == 0
        }
    }
}
