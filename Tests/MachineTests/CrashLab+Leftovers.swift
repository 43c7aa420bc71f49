// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import SystemPackage
import Testing
import VirtualDisk

@testable import FermataEngine

extension CrashLab {
    /// Makes sure that the machine's folder holds what its configurations need and nothing else, once it was opened.
    func expectNothingLeftOver() throws {
        try Recovery(of: machineFolder).run()
        let record = try MachineRecord(reading: machineFolder)
        var expected = Set(["\(record.id)"])
        var disks: Set<String> = []
        for (id, configuration) in record.checkpoints {
            expected.formUnion(["\(id)", "\(id).xml"])
            for layer in try DiskFiles.layers(of: configuration, in: machineFolder).joined() { insert(layer.path) }
        }
        for layer in try DiskFiles.layers(of: record.now, in: machineFolder).joined() { insert(layer.path) }
        func insert(_ path: FilePath) { disks.insert(path.lastComponent?.string ?? "") }
        let entries = try Set(FileSystem.entries(of: machineFolder.snapshots))
        #expect(entries == expected)
        let found = try Set(FileSystem.entries(of: machineFolder.differencingDisks(of: record.id)))
        #expect(found == disks.filter { $0.contains(".avhd") })
        let saved = try Set(FileSystem.entries(of: machineFolder.savedFolder(of: record.id)))
        if case .own = record.now.saved {
            #expect(saved == ["\(record.id).bin", "\(record.id).vsv"])
        } else {
            #expect(saved.isEmpty)
            #expect(!FileSystem.exists(lab.flatImage(record.id)))
        }
        #expect(try FileSystem.entries(of: folder).allSatisfy { !$0.hasSuffix(".new") })
        #expect(try FileSystem.entries(of: lab.cache).allSatisfy { !$0.hasSuffix(".new") })
    }
}
