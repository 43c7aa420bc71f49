// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine

/// Trees of every shape: whatever is done to one checkpoint, all others and now stay what they were.
struct TreeTests {
    static let isLong = ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] != nil

    @Test(arguments: SeededGenerator.seeds(isLong ? 8 : 2))
    func `random operations leave every other checkpoint as it was`(seed: UInt64) async throws {
        let model = try TreeModel(seed: seed)
        var done: [String] = []
        for number in 0..<(Self.isLong ? 300 : 25) {
            done.append(try await model.act(atMost: 30))
            let comment = "FERMATA_SEED=\(seed), \(number): \(done.suffix(3).joined(separator: "; "))"
            // What was read the last time is read again every now and then.
            try await model.check(comment, sample: Self.isLong || number % 10 == 9 ? nil : 2)
            if number % 12 == 11, Tool("7zz").isInstalled { try await model.checkOutside(comment) }
        }
        try await expectAllReclaimed(model, "FERMATA_SEED=\(seed)")
    }

    @Test(.enabled(if: isLong, "the long tests alone"), arguments: SeededGenerator.seeds(1))
    func `a tree of 200 checkpoints is one, too`(seed: UInt64) async throws {
        let model = try TreeModel(seed: seed)
        for number in 0..<900 {
            let done = try await model.act(atMost: 200)
            try await model.check("FERMATA_SEED=\(seed), \(number): \(done)", sample: 5)
        }
        try await model.check("FERMATA_SEED=\(seed), the end")
        try await expectAllReclaimed(model, "FERMATA_SEED=\(seed)")
    }

    /// Without checkpoints, a machine that is off has one file for each disk.
    private func expectAllReclaimed(_ model: TreeModel, _ comment: String) async throws {
        while model.now.state != .off { _ = try await model.power() }
        _ = try await model.delete(Set(model.nodes.keys))
        try await model.check("\(comment), all deleted")
        let record = try MachineRecord(reading: model.host.folder)
        #expect(try record.diskFiles(of: record.now).allSatisfy { $0.chain.count == 1 }, "\(comment)")
        let files = try FileManager.default.subpathsOfDirectory(atPath: model.host.folder.path.string)
        let disks = files.filter { [".vhd", ".vhdx", ".avhd", ".avhdx"].contains(where: $0.hasSuffix) }
        #expect(disks.count == TreeModel.definition.disks.count, "\(comment): \(disks)")
    }
}
