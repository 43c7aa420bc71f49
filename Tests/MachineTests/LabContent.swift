// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import Foundation
import Hashing
import StorageTestSupport
import SystemPackage
import VirtualDisk

@testable import FermataEngine

/// All that a lab says and holds, so that two labs can be compared: a line for each machine and each checkpoint.
///
/// What is new, and so has identities of its own in each lab, is known by its names alone.
struct LabContent: Hashable, Sendable {
    /// Configurations: what they say, without what they hold.
    private(set) var facts: [String: String] = [:]
    /// What disks and memory hold.
    private(set) var bytes: [String: String] = [:]

    /// Reads a lab.
    ///
    /// - Parameters:
    ///   - known: the identities that are known from before.
    ///   - isDeep: whether disks and memory are read.
    ///   - comparesNewMemory: whether new memory holds what it must hold each time.
    init(of lab: LabFolder, knowing known: Set<GUID>, isDeep: Bool, comparesNewMemory: Bool) throws {
        guard FileSystem.exists(lab.storeFile) else { return }
        let references = isDeep ? try DiskReferences(of: lab) : nil
        for machine in try lab.machines() {
            if let references {
                let isIndependent = references.foreignParents(in: machine).isEmpty
                bytes["\(machine.name)'s disks"] = isIndependent ? "its own" : "others', too"
            }
            let record = try MachineRecord(reading: machine)
            let reader = Reader(record: record, known: known, comparesNewMemory: comparesNewMemory)
            facts["\(machine.name)"] = reader.describe(record.now)
            if isDeep { bytes["\(machine.name)"] = try reader.content(of: record.now) }
            for (id, configuration) in record.checkpoints {
                let name = known.contains(id) ? "\(machine.name) \(id)" : "\(machine.name) new \(configuration.name)"
                facts[name] = reader.describe(configuration)
                if isDeep { bytes[name] = try reader.content(of: configuration, at: id) }
            }
        }
    }

    /// Adds a folder that was exported, if it is there.
    mutating func addExport(_ place: FilePath) throws {
        guard FileSystem.exists(place) else { return }
        let source = try ImportSource(folder: place)
        let lines = try zip(source.configuration.disks, source.chains).map { disk, chain in
            "\(disk.name) \(try chain.first.map { try Reader.digest(of: source.open($0)) } ?? "")"
        }
        facts["export"] = source.configuration.name
        bytes["export"] = (lines + [source.memory?.state.description.memoryDigest ?? "no memory"]).joined(
            separator: "\n")
    }

    /// What differs in another one.
    func differences(to other: LabContent) -> [String] {
        [(facts, other.facts), (bytes, other.bytes)].flatMap { one, other in
            Set(one.keys).union(other.keys).sorted().compactMap { key in
                one[key] == other[key] ? nil : "\(key): \(one[key] ?? "nothing") against \(other[key] ?? "nothing")"
            }
        }
    }

    private struct Reader {
        let record: MachineRecord
        let known: Set<GUID>
        let comparesNewMemory: Bool

        private func name(_ id: GUID?) -> String {
            guard let id else { return "nothing" }
            return known.contains(id) ? "\(id)" : "new \(record.checkpoints[id]?.name ?? "")"
        }

        func describe(_ configuration: Configuration) -> String {
            let isNow = configuration.checkpoint == nil
            var words = [
                name(configuration.machine), configuration.name, configuration.notes ?? "",
                "\(configuration.memory)", "\(configuration.processors)", "\(configuration.allowsCheckpoints)",
                configuration.boot.map { "\($0)" } ?? "no boot",
                configuration.disks.map(\.name).joined(separator: ","),
                "on \(name(record.parent(of: configuration)))",
            ]
            // A crash leaves the folder's name for the configuration's to follow.
            if isNow { words[1] = "now" }
            if known.contains(configuration.machine) { words.append(configuration.devices.networkAddress ?? "") }
            if let checkpoint = configuration.checkpoint { words.append("\(checkpoint.kind) \(checkpoint.state)") }
            if isNow { words.append(configuration.saved == nil ? "off" : "saved") }
            return words.joined(separator: " ")
        }

        func content(of configuration: Configuration, at id: GUID? = nil) throws -> String {
            let chains = try DiskFiles.chains(of: configuration, in: record.folder)
            var lines = try zip(configuration.disks, chains).map { "\($0.name) \(try Self.digest(of: $1))" }
            if let saved = configuration.saved {
                lines.append(try memory(record.memory(of: saved), isNew: true))
            } else if let id, configuration.checkpoint?.hasMemory == true {
                lines.append(try memory(record.memory(of: id, configuration), isNew: !known.contains(id)))
            }
            return lines.joined(separator: "\n")
        }

        private func memory(_ source: MemorySource, isNew: Bool) throws -> String {
            let image = try MemoryImage(reading: source.files.image)
            try image.check()
            let state = try SavedState(reading: source.files.devices)
            guard state.description.checkpoint == source.moment, state.description.machine == record.id,
                state.description.memoryDigest == image.digest.description
            else { throw EngineError(.damaged, "\(source.files.devices) is another moment's") }
            return isNew && !comparesNewMemory ? "memory" : "memory \(image.digest) \(state.devices)"
        }

        static func digest(of chain: DiskChain) throws -> String {
            SHA256.digest(of: try chain.bytes(at: 0, count: Int(chain.size))).description
        }
    }
}
