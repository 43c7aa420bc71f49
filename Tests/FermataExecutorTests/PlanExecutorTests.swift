// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataExecutor
import FermataModel
import FermataPlan
import FermataTestSupport
import StorageTestSupport
import Testing

@Suite struct PlanExecutorTests {
    /// The first lab in small: a checkpoint, destruction, revert, another branch, apply.
    static let recipe = TestLab.recipe([
        .start("web"), .ready, .sh("write 0 hello"), .sh("set count 7"),
        .hold("clean"),
        .sh("write 0 wiped; set count 8"), .sh("get count", Expectation(equals: "8")),
        .revert("web"),
        .sh("get count", Expectation(equals: "7")), .sh("read 0 5", Expectation(equals: "hello")),
        .sh("set count 9"), .hold("other"),
        .apply("clean", of: "web"),
        .sh("get count", Expectation(equals: "7")), .sh("read 0 5", Expectation(equals: "hello")),
    ])

    @Test func `a recipe runs to its end, and again`() async throws {
        let lab = try TestLab()
        for _ in 1...3 {
            let (events, error) = try await lab.run(Self.recipe)
            #expect(error == nil)
            guard case .finished(let outcome) = events.last?.kind else {
                Issue.record("the last event is \(String(describing: events.last))")
                return
            }
            let tree = try #require(outcome.machines.first).tree.listed
            let clean = try #require(tree.checkpoints.first { $0.name == "clean" })
            let other = try #require(tree.checkpoints.first { $0.name == "other" })
            #expect(tree.checkpoints.count == 2)
            #expect(clean.parent == nil && clean.hasMemory && other.parent == clean.id && tree.now == clean.id)
            #expect(lab.hypervisor.liveMachines == 0)
        }
        #expect(try lab.lab.inventory(for: Self.recipe, in: lab.folder.path).machines.first?.state == .off)
    }

    @Test func `events tell of every operation in order`() async throws {
        let lab = try TestLab()
        let (events, _) = try await lab.run(TestLab.recipe([.start("web"), .hold("clean"), .revert("web")]))
        let words = events.map { event -> String in
            guard case .object(let members) = event.jsonValue, case .string(let word)? = members["event"] else {
                return ""
            }
            #expect(members["format"] == "fermata-events" && members["version"] == 1)
            if case .string(let name)? = members["do"] { return "\(word) \(name)" }
            return word
        }
        let operations = ["createMachine", "createOrigin", "Start", "Checkpoint", "Revert", "TurnOff"]
        #expect(
            words == ["planned"] + operations.flatMap { ["operationStarted \($0)", "operationFinished \($0)"] }
                + ["finished"])
        #expect(events.map(\.time) == events.map(\.time).sorted())
    }

    @Test func `a restore tells its way and a checkpoint its pause`() async throws {
        let lab = try TestLab()
        let (events, _) = try await lab.run(TestLab.recipe([.start("web"), .hold("clean"), .revert("web")]))
        let details = events.compactMap { event -> OperationDetail? in
            if case .operationFinished(_, _, let detail) = event.kind { detail } else { nil }
        }
        #expect(details.contains { if case .checkpoint(let outcome) = $0 { outcome.name == "clean" } else { false } })
        #expect(details.contains { if case .restore(let outcome) = $0 { outcome.way == .inPlace } else { false } })
    }

    @Test(arguments: [
        (Action.sh("echo no", Expectation(contains: ["yes"])), "expected output that contains \"yes\"", "stdout", "no"),
        (.sh("warn broken; exit 3"), "expected exit code 0, got 3", "stderr", "broken"),
        (.sh("hang", within: .milliseconds(200)), "did not end within 200ms", "console", "simulated guest ready"),
        (
            .waitForConsole("web", .plain("never"), within: .milliseconds(200)),
            "\"never\" did not appear on the console within 200ms", "console", "simulated guest ready"
        ),
        (.sh("die"), "it was killed", "console", "simulated guest ready"),
    ])
    func `a step that fails says why and where`(
        _ action: Action, message: String, note: String, text: String
    ) async throws {
        let lab = try TestLab()
        let (events, error) = try await lab.run(TestLab.recipe([.start("web"), .ready, .hold("clean"), action]))
        let failure = try #require(error)
        #expect(failure.message.contains(message), "\(failure)")
        #expect(failure.message.hasPrefix("step 4, \(action.word)"))
        #expect(failure.description.hasPrefix("lab.lua:13: error: step 4"))
        #expect(failure.notes.contains { $0.title == note && $0.text.contains(text) }, "\(failure)")
        #expect(events.contains { if case .kept("web", _, nil) = $0.kind { true } else { false } })
        let kept = try lab.tree().checkpoints.first { $0.name.description == "failed: 4 \(action.word)" }
        #expect(kept?.owner?.recipe == "lab")
        #expect(lab.hypervisor.liveMachines == 0)
        // It fails again in the same way, and the newer failure takes the older one's place.
        let again = try await lab.run(TestLab.recipe([.start("web"), .ready, .hold("clean"), action]))
        #expect(again.error?.message == failure.message)
        let failed = try lab.tree().checkpoints.filter { $0.name.description.hasPrefix("failed: ") }
        #expect(failed.count == 1 && failed.first?.id != kept?.id)
    }

    @Test func `an interruption ends the run after the operation under way`() async throws {
        let lab = try TestLab()
        let recipe = TestLab.recipe([.start("web"), .sh("echo 1"), .sh("echo 2"), .hold("clean")])
        let executor = PlanExecutor(
            try lab.lab.plan(recipe, in: lab.folder.path), in: lab.lab, recipeFolder: lab.folder.path)
        let run = Task { try await executor.run() }
        var finished = 0
        for await event in executor.events {
            if case .operationStarted(let operation) = event.kind, operation.operation.step == 2 {
                executor.interrupt()
            }
            if case .operationFinished = event.kind { finished += 1 }
        }
        let error = await #expect(throws: RunError.self) { try await run.value }
        #expect(error?.code == .interrupted)
        #expect((4...5).contains(finished))
        #expect(lab.hypervisor.liveMachines == 0)
        #expect(try lab.tree().listed.checkpoints.isEmpty)
        #expect(try await lab.run(recipe).error == nil)
    }

    @Test func `steps of the whole lab act on all its machines at one moment, again and again`() async throws {
        let lab = try TestLab()
        let ready = Action.ConsoleText.plain("simulated guest ready")
        func both(_ line: String, equals: String? = nil) -> [Action] {
            ["web", "db"].map { (name: MachineName) -> Action in
                .run(name, .shell(line), expect: .init(equals: equals), within: .seconds(60))
            }
        }
        func hold(_ name: CheckpointName, of machine: MachineName? = nil) -> Action {
            .checkpoint(name, of: machine, replace: false, notes: nil)
        }
        var steps: [Action] = [.start("web"), .start("db")]
        for name in ["web", "db"] {
            steps.append(.waitForConsole(MachineName(name), ready, within: .seconds(60)))
        }
        steps += both("set count 1") + [hold("both")] + both("set count 2") + [hold("alone", of: "db"), .revert(nil)]
        steps += both("get count", equals: "1") + both("set count 3") + [hold("later"), .apply("both", of: nil)]
        steps += both("get count", equals: "1") + [.renameCheckpoint("later", of: nil, to: "last")]
        steps += [.apply("last", of: nil)] + both("get count", equals: "3")
        steps.append(.deleteCheckpoint("both", of: nil, .checkpoint))
        var recipe = TestLab.recipe(steps)
        recipe.machines.append(TestLab.machine("db"))
        for _ in 1...3 {
            let (events, error) = try await lab.run(recipe)
            #expect(error == nil)
            guard case .finished = events.last?.kind else {
                Issue.record("the last event is \(String(describing: events.last))")
                return
            }
            let record = try LabRecord(reading: LabFolder.open(lab.lab.folder.path))
            #expect(record.checkpoints.map(\.name) == ["last"])
            #expect(try lab.tree("web").listed.checkpoints.map(\.name) == ["last"])
            #expect(try lab.tree("db").listed.checkpoints.map(\.name).sorted() == ["alone", "last"])
        }
    }
}
