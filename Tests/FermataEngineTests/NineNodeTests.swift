// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import Testing

@testable import FermataEngine

/// A binary tree of nine checkpoints that is taken apart, as users of other programs do with theirs.
///
/// ```
/// 1 ─┬─ 2a ─┬─ 3a          each has a file of its own on the disk, and those of its ancestors
///    │      └─ 3b
///    └─ 2b ─┬─ 4a
///           └─ 4b ─┬─ 5a
///                  └─ 5b
/// ```
struct NineNodeTests {
    static let parents = [
        ("1", nil), ("2a", "1"), ("2b", "1"), ("3a", "2a"), ("3b", "2a"), ("4a", "2b"), ("4b", "2b"), ("5a", "4b"),
        ("5b", "4b"),
    ]

    @Test func `nine checkpoints are applied, renamed, deleted and made again`() async throws {
        let model = try TreeModel(seed: SeededGenerator.seeds(1)[0])
        var steps: [String] = []
        func id(_ name: String) throws -> GUID {
            try #require(model.nodes.first { $0.value.name == name }?.key, "\(name)")
        }
        func step(_ what: String, _ body: () async throws -> Void) async throws {
            try await body()
            try await model.check(what, sample: TreeTests.isLong ? nil : 2)
            if Tool("7zz").isInstalled { try await model.checkOutside(what) }
            let record = try MachineRecord(reading: model.host.folder)
            let files = try DiskReferences(of: record.folder.lab).needed.count
            steps.append("\(what)\n\(Self.drawing(record.tree))\n\(files) files of disks\n")
        }

        for (name, parent) in Self.parents {
            try await step("create \(name)") {
                if let parent { _ = try await model.apply(id(parent)) }
                _ = try await model.write()
                _ = try await model.checkpoint(named: name)
            }
        }
        try await step("apply 5b, across branches") { _ = try await model.apply(id("5b")) }
        try await step("delete 1, the root") { _ = try await model.delete([id("1")]) }
        try await step("apply 3a") { _ = try await model.apply(id("3a")) }
        try await step("delete 4b, which has two children") { _ = try await model.delete([id("4b")]) }
        try await step("apply 5b, whose parent is gone") { _ = try await model.apply(id("5b")) }
        try await step("delete 2a, in the other branch") { _ = try await model.delete([id("2a")]) }
        try await step("delete 2b, which has three children") { _ = try await model.delete([id("2b")]) }
        try await step("delete 5b, the parent of now") { _ = try await model.delete([id("5b")]) }
        try await step("create 4b, a name that was deleted") { _ = try await model.checkpoint(named: "4b") }
        try await step("rename 3b to 1") {
            let node = try id("3b")
            try await model.host.change(node, name: "1", notes: nil)
            model.renamed(node, to: "1")
        }
        try await step("delete 4a, a leaf") { _ = try await model.delete([id("4a")]) }
        try await step("delete 3a, a leaf") { _ = try await model.delete([id("3a")]) }
        try await step("apply 5a") { _ = try await model.apply(id("5a")) }
        try await step("delete 1, 4b and 5a together") {
            _ = try await model.delete([id("1"), id("4b"), id("5a")])
        }
        try await model.check("the end")
        try Golden.check(steps.joined(separator: "\n"), "FermataEngine/nine-nodes.txt")
    }

    private static func drawing(_ tree: CheckpointTree) -> String {
        let places = Dictionary(uniqueKeysWithValues: tree.checkpoints.enumerated().map { ($1.id, $0) })
        return TreeDrawing(
            labels: tree.checkpoints.map(\.name.description),
            parents: tree.checkpoints.map { $0.parent.flatMap { places[$0] } }, now: tree.now.flatMap { places[$0] }
        ).lines.map(\.text).joined(separator: "\n")
    }
}
