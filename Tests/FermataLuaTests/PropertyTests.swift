// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataLua
import FermataModel
import Foundation
import StorageTestSupport
import Testing

/// Recipes at random: what is written as Lua is recorded as it was; what is damaged is refused in one line.
@Suite struct PropertyTests {
    /// One seed when `FERMATA_SEED` chooses it, else as many new ones as are asked for.
    private static func seeds(_ count: Int) -> [UInt64] {
        if let text = ProcessInfo.processInfo.environment["FERMATA_SEED"], let seed = UInt64(text) { return [seed] }
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in generator.next() }
    }

    @Test func `a recipe that is written as Lua is recorded as it was`() throws {
        for seed in Self.seeds(200) {
            var maker = RandomRecipe(generator: SeededGenerator(seed: seed))
            let recipe = maker.recipe()
            var printer = LuaPrinter(generator: maker.generator)
            let script = printer.print(recipe)
            let recorded = try LuaRecorder.record(source: script, chunkName: "random.lua")
            #expect(recorded.withoutLocations == recipe, "FERMATA_SEED=\(seed)\n\(script)")
            #expect(try LuaRecorder.record(source: script, chunkName: "random.lua") == recorded, "FERMATA_SEED=\(seed)")
        }
    }

    @Test func `two recipes that differ are recorded as different ones`() throws {
        for seed in Self.seeds(50) {
            var maker = RandomRecipe(generator: SeededGenerator(seed: seed))
            let recipe = maker.recipe()
            var other = recipe
            other.steps.append(Step(.revert(nil)))
            var printer = LuaPrinter(generator: maker.generator)
            let first = try LuaRecorder.record(source: printer.print(recipe), chunkName: "random.lua")
            let second = try LuaRecorder.record(source: printer.print(other), chunkName: "random.lua")
            #expect(first.withoutLocations != second.withoutLocations, "FERMATA_SEED=\(seed)")
        }
    }

    @Test func `a damaged script is a recipe or one line, and never the end of the host`() throws {
        let limits = LuaRecorder.Limits(instructions: 1_000_000, memory: 16 << 20)
        for seed in Self.seeds(300) {
            var maker = RandomRecipe(generator: SeededGenerator(seed: seed))
            var printer = LuaPrinter(generator: maker.generator)
            var bytes = Array(printer.print(maker.recipe()).utf8)
            for _ in 0..<Int.random(in: 1...4, using: &maker.generator) where !bytes.isEmpty {
                let place = Int.random(in: bytes.indices, using: &maker.generator)
                switch Int.random(in: 0..<3, using: &maker.generator) {
                case 0: bytes[place] = UInt8.random(in: 1..<128, using: &maker.generator)
                case 1: bytes.remove(at: place)
                default: bytes.removeSubrange(place..<min(bytes.count, place + 20))
                }
            }
            let script = String(decoding: bytes, as: UTF8.self)
            do {
                _ = try LuaRecorder.record(source: script, chunkName: "damaged.lua", limits: limits, print: { _ in })
            } catch {
                #expect(error.location?.file == "damaged.lua", "FERMATA_SEED=\(seed)\n\(script)\n\(error)")
                #expect(!error.description.contains("\n"), "FERMATA_SEED=\(seed)")
            }
        }
    }

    @Test func `scripts are recorded side by side`() async throws {
        let script = ExampleTests.script
        let alone = try LuaRecorder.record(source: script, chunkName: "lab.lua")
        try await withThrowingTaskGroup(of: Recipe.self) { group in
            for _ in 0..<16 { group.addTask { try LuaRecorder.record(source: script, chunkName: "lab.lua") } }
            for try await recipe in group { #expect(recipe == alone) }
        }
    }
}
