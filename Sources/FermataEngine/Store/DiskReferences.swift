// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VirtualDisk

/// Which disks of a lab its configurations need, and which disk grew from which.
struct DiskReferences {
    /// Every disk that a configuration reads, ancestors included.
    private(set) var needed: Set<FilePath> = []
    /// The disks that configurations name, with how many name them.
    private(set) var named: [FilePath: Int] = [:]
    /// The parent of each needed disk that has one.
    private(set) var parents: [FilePath: FilePath] = [:]

    init(of lab: LabFolder) throws(EngineError) {
        for folder in try lab.machines() {
            let record = try MachineRecord(reading: folder)
            for configuration in [record.now] + record.checkpoints.values {
                for chain in try DiskFiles.layers(of: configuration, in: folder) { add(chain.map(\.path)) }
            }
        }
    }

    private mutating func add(_ chain: [FilePath]) {
        if let leaf = chain.first { named[leaf, default: 0] += 1 }
        needed.formUnion(chain)
        for (child, parent) in zip(chain, chain.dropFirst()) { parents[child] = parent }
    }

    /// The disks that no configuration names and from which one other disk alone grew, with that one, in a fixed order.
    var unowned: [(disk: FilePath, child: FilePath)] {
        Dictionary(grouping: parents.keys) { parents[$0] ?? $0 }
            .compactMap { disk, children in
                guard let child = children.first, children.count == 1, named[disk] == nil else { return nil }
                return (disk, child)
            }
            .sorted { $0.disk.string < $1.disk.string }
    }

    /// Whether a disk is named by one configuration, and nothing grew from it.
    func isLeafOfOne(_ disk: FilePath) -> Bool {
        named[disk] == 1 && !parents.values.contains(disk)
    }
}
