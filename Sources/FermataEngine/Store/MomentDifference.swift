// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import VirtualDisk

/// In what two moments of a machine differ.
public struct MomentDifference: Hashable, Sendable {
    /// A field of the configuration that differs.
    public struct Field: Hashable, Sendable {
        /// Its name.
        public var name: String
        /// What the first moment has; nil for nothing.
        public var first: String?
        /// What the second moment has; nil for nothing.
        public var second: String?
    }

    /// A disk of both moments that reads differently.
    public struct Disk: Hashable, Sendable {
        /// The disk's name.
        public var name: String
        /// The runs of bytes that differ, in order and in whole sectors.
        public var extents: [Range<UInt64>]
        /// The sum of their lengths.
        public var bytes: UInt64 { extents.reduce(0) { $0 + UInt64($1.count) } }
    }

    /// The fields of the configuration that differ.
    public var configuration: [Field] = []
    /// The disks that differ, in the guest's order.
    public var disks: [Disk] = []
    /// How many pages of 4 KiB of the memory differ; nil unless both moments have memory.
    public var pages: Int?

    /// Whether the moments are alike.
    public var isEmpty: Bool { configuration.isEmpty && disks.isEmpty && (pages ?? 0) == 0 }
}

extension MachineRecord {
    /// Compares two moments of the machine; changes nothing.
    ///
    /// What both disks read from the same place of the same file, and pages that neither memory stores, are not read.
    ///
    /// - Parameter first: a checkpoint.
    /// - Parameter second: another; nil for now, whose process, if it has one, must have ended.
    public func difference(of first: GUID, from second: GUID?) throws -> MomentDifference {
        let (one, other) = (try configuration(of: first), try configuration(of: second))
        var difference = MomentDifference()
        let (left, right) = (one.fields, other.fields)
        let names = left.map(\.name) + right.map(\.name).filter { name in !left.contains { $0.name == name } }
        for name in names {
            let (before, after) = (left.first { $0.name == name }?.value, right.first { $0.name == name }?.value)
            guard before != after else { continue }
            difference.configuration.append(MomentDifference.Field(name: name, first: before, second: after))
        }
        let (chains, others) = (
            try DiskFiles.chains(of: one, in: folder), try DiskFiles.chains(of: other, in: folder)
        )
        for (disk, chain) in zip(one.disks, chains) {
            // A disk that only one moment has is told with the configuration.
            guard let index = other.disks.firstIndex(where: { $0.name == disk.name }) else { continue }
            let found = try DiskDifference(chain, others[index])
            if !found.isEmpty { difference.disks.append(MomentDifference.Disk(name: disk.name, extents: found.ranges)) }
        }
        if let memory = try memory(ofMoment: first, one), let others = try self.memory(ofMoment: second, other) {
            difference.pages = try memory.differingPages(from: others)
        }
        return difference
    }

    private func configuration(of moment: GUID?) throws(EngineError) -> Configuration {
        guard let moment else { return now }
        if let configuration = checkpoints[moment] { return configuration }
        throw EngineError(.notFound, "machine '\(folder.name)' has no checkpoint \(moment)")
    }

    private func memory(
        ofMoment moment: GUID?, _ configuration: Configuration
    ) throws(EngineError) -> MemoryImage? {
        if let moment {
            guard configuration.checkpoint?.hasMemory == true else { return nil }
            return try MemoryImage(reading: memory(of: moment, configuration).files.image)
        }
        return try configuration.saved.map { saved throws(EngineError) in
            try MemoryImage(reading: try memory(of: saved).files.image)
        }
    }
}

extension Configuration {
    /// What the machine is made of at that moment, and what it was doing; names, notes and policies aside.
    fileprivate var fields: [(name: String, value: String)] {
        let state = checkpoint?.state ?? (saved == nil ? .off : .saved)
        let fields: [(String, String?)] = [
            ("state", state.rawValue), ("memory", ByteSize(bytes: memory).description), ("processors", "\(processors)"),
            ("kernel", boot?.kernel), ("initrd", boot?.initrd), ("arguments", boot?.arguments),
            ("disks", disks.map(\.name).joined(separator: ", ")), ("entropy", devices.hasEntropy ? "yes" : "no"),
            ("network", devices.networkAddress), ("clock", clock.rawValue),
        ]
        return fields.compactMap { name, value in value.map { (name, $0) } }
    }
}
