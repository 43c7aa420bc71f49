// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import Synchronization
import SystemPackage
import Testing

/// A run of a recipe is killed, and the same recipe runs again.
@Suite(.serialized) struct RunCrashTests {
    @Test func `a recipe whose runs were killed runs again to its end`() async throws {
        let place = try TemporaryFolder()
        let lab = place.appending("lab")
        let recipe = place.appending("two-branches.json")
        try ConformanceTests.recipe(guest: TinyGuest.find().folder).write(
            toFile: recipe.string, atomically: true, encoding: .utf8)
        let store = ["--store", lab.string, "--json"]
        // The first checkpoint is the origin; from the second run on the first restore is that to the origin.
        let points = CrashTests.isLong ? CrashTests.points + CrashTests.again : ["disks swapped", "before restore:2"]
        for point in points {
            let run = try await BuiltProgram.run(
                "fermata", ["run", recipe.string] + store, environment: ["FERMATA_FAULT_POINT": point])
            #expect(run.code == nil || point == "after machine" || point == "before machine", "\(point)")
            try await expectReadable(lab, store, point)
        }
        var seed = UInt64.random(in: 0...UInt64.max)
        if let text = ProcessInfo.processInfo.environment["FERMATA_TEST_SEED"] { seed = UInt64(text) ?? seed }
        print("random moments of runs: FERMATA_TEST_SEED=\(seed)")
        var random = SeededGenerator(seed: seed)
        for _ in 0..<(CrashTests.isLong ? 10 : 3) {
            // Two lines for each of the twelve steps after the boot; several steps are left at the latest.
            let (line, delay) = (Int.random(in: 0...16, using: &random), Int.random(in: 0...40, using: &random))
            let comment = "seed \(seed), \(delay) ms after line \(line) behind the boot"
            let left = Mutex<Int?>(nil)
            let run = try await BuiltProgram("fermata", ["run", recipe.string] + store) { program, text in
                let isTime = left.withLock { left in
                    left = left.map { $0 - 1 }
                    if text.contains("\"operationFinished\""), text.contains("\"WaitForConsole\"") { left = line }
                    return left == 0
                }
                guard isTime else { return }
                DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(delay)) { program.kill() }
            }.result()
            #expect(run.code == nil, "\(comment): it ended before")
            try await expectReadable(lab, store, comment)
        }
        let run = try await BuiltProgram.run("fermata", ["run", recipe.string] + store)
        #expect(run.code == 0, "\(run.lines.suffix(3)) \(run.messages)")
        let list = try await BuiltProgram.run("fermata", ["checkpoint", "list", "web"] + store).json
        #expect(list["checkpoints"]?.elements.compactMap { $0["name"]?.text } == ["clean", "other"])
    }

    /// Reading commands work before any recovery, and change nothing.
    private func expectReadable(_ lab: FilePath, _ store: [String], _ comment: String) async throws {
        let before = StoreFingerprint(of: lab)
        for command in [["vm", "list"], ["vm", "show", "web"], ["checkpoint", "list", "web"]] {
            let result = try await BuiltProgram.run("fermata", command + store)
            let isThere = FileManager.default.fileExists(atPath: lab.appending("web").string)
            #expect(result.code == 0 || !isThere, "\(command) \(result.messages) \(comment)")
        }
        #expect(before.changes(to: StoreFingerprint(of: lab)) == [], "\(comment)")
    }
}
