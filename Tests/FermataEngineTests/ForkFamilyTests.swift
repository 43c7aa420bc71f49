// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine

@Suite struct ForkFamilyTests {
    static let isLong = ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] != nil

    @Test(arguments: SeededGenerator.seeds(isLong ? 12 : 1))
    func `machines that are forked from each other never change each other`(seed: UInt64) async throws {
        let family = try ForkFamily(seed: seed)
        var done: [String] = []
        for number in 0..<(Self.isLong ? 150 : 20) {
            do {
                done.append(try await family.act())
            } catch {
                Issue.record("FERMATA_SEED=\(seed), \(number): \(error), after \(done.suffix(8))")
                return
            }
            try await family.check("FERMATA_SEED=\(seed), \(number), \(done.last ?? "")")
        }
        try await family.checkAll("FERMATA_SEED=\(seed)")
        // Only what some configuration reads is left, once everyone was opened again.
        for name in family.members.keys.sorted() { try await family.lab.with(name) { _ in } }
        let references = try DiskReferences(of: family.lab.lab)
        for name in family.members.keys {
            let folder = family.lab.lab.machine(name)
            for file in try family.lab.differencingDisks(name) {
                let path = folder.differencingDisks(of: try folder.identity()).appending(file)
                #expect(references.needed.contains(path), "FERMATA_SEED=\(seed): \(path)")
            }
        }
    }
}
