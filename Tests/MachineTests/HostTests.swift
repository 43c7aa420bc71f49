// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import FermataTestSupport
import Foundation
import Glibc
import StorageTestSupport
import SystemPackage
import Testing

/// Every command acts on a machine from processes of its own, whoever hosts the machine.
@Suite(.serialized) struct HostTests {
    /// A command, its exit code, and the state of the machine behind it.
    private struct Step {
        let words: [String]
        var code: Int32 = 0
        let state: String

        init(_ line: String, code: Int32 = 0, _ state: String) {
            words = line.split(separator: " ").map(String.init)
            self.code = code
            self.state = state
        }
    }

    /// From off and back to off, through every state.
    private static let steps: [Step] = [
        Step("vm pause web", code: 1, "off"), Step("checkpoint create web cold", "off"),
        Step("vm start web", "running"),
        Step("vm start web", code: 1, "running"), Step("vm delete web --discard", code: 1, "running"),
        Step("checkpoint create web hot", "running"), Step("checkpoint create web hot", code: 1, "running"),
        Step("checkpoint create web hot --replace", "running"), Step("vm pause web", "paused"),
        Step("vm pause web", code: 1, "paused"), Step("checkpoint create web still", "paused"),
        Step("vm resume web", "running"), Step("vm save web", "saved"), Step("vm save web", code: 1, "saved"),
        Step("checkpoint create web kept", "saved"), Step("vm start web", "running"),
        Step("checkpoint apply web still --discard", "paused"), Step("checkpoint apply web hot", code: 2, "paused"),
        Step("checkpoint apply web hot --checkpoint-first before", "running"),
        Step("checkpoint revert web --discard --paused", "paused"), Step("vm resume web", "running"),
        Step("checkpoint apply web kept --discard", "saved"), Step("vm start web", "running"),
        Step("vm reset web --discard", "running"), Step("checkpoint apply web hot --off --discard", "off"),
        Step("checkpoint apply web hot --discard", "running"), Step("checkpoint apply web cold --discard", "off"),
        Step("vm start web", "running"), Step("vm turn-off web", code: 2, "running"),
        Step("vm turn-off web --discard", "off"), Step("vm turn-off web --discard", "off"),
    ]

    private func create(_ lab: FilePath) async throws {
        let guest = try TinyGuest.find()
        let result = try await BuiltProgram.run(
            "fermata",
            [
                "vm", "create", "web", "--memory", "128M", "--disk", "16M", "--disk", "data=16M", "--kernel",
                guest.kernel.string, "--initrd", guest.initrd.string, "--arguments", TinyGuest.arguments, "--store",
                lab.string,
            ])
        #expect(result.code == 0, "\(result)")
    }

    private func fermata(_ words: [String], in lab: FilePath) async throws -> BuiltProgram.Result {
        try await BuiltProgram.run("fermata", words + ["--store", lab.string], mayLeaveHost: true)
    }

    private func drive(_ lab: FilePath) async throws {
        for step in Self.steps {
            let result = try await fermata(step.words + ["--json"], in: lab)
            #expect(result.code == step.code, "\(step.words) \(result)")
            #expect(result.code == 0 || result.messages.split(separator: "\n").count == 1, "\(step.words) \(result)")
            let show = try await fermata(["vm", "show", "web", "--json"], in: lab).json
            #expect(show["state"]?.text == step.state, "\(step.words)")
        }
        let tree = try await fermata(["checkpoint", "tree", "web", "--json"], in: lab).json
        #expect(
            tree["checkpoints"]?.elements.compactMap { $0["name"]?.text } == ["cold", "hot", "still", "kept", "before"])
        #expect(tree["checkpoints"]?.elements.map { $0["memory"] } == [false, true, true, true, true])
    }

    /// The processes that host machines of a lab.
    private func hosts(of lab: FilePath) -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { id in
            let words = FileManager.default.contents(atPath: "/proc/\(id)/cmdline")?.split(separator: 0) ?? []
            return words.contains { String(decoding: $0, as: UTF8.self) == lab.string }
        }
    }

    @Test func `every command works on a machine that was left running`() async throws {
        let folder = try TemporaryFolder()
        let lab = folder.appending("lab")
        try await create(lab)
        try await drive(lab)
        // A host lets go of the machine before its last client ends, and ends itself a moment later.
        #expect(!LabFolder(lab).machine("web").isInUse)
        #expect(try await fermata(["vm", "start", "web"], in: lab).code == 0)
        for signal in [SIGKILL, SIGTERM] {
            let host = try #require(hosts(of: lab).first)
            #expect(kill(host, signal) == 0)
            // It takes its process with it, whose end nobody can wait for but by asking.
            let states = try await untilOff(lab)
            #expect(states == "off")
            #expect(try await fermata(["vm", "start", "web", "--json"], in: lab).json["state"]?.text == "running")
        }
        // Two at once: one starts the machine, the other is told that it runs.
        #expect(try await fermata(["vm", "turn-off", "web", "--discard"], in: lab).code == 0)
        async let one = fermata(["vm", "start", "web"], in: lab)
        async let other = fermata(["vm", "start", "web"], in: lab)
        #expect(try await Set([one.code, other.code]) == [0, 1])
        #expect(try await fermata(["vm", "turn-off", "web", "--discard"], in: lab).code == 0)
        #expect(try await fermata(["vm", "delete", "web", "--discard"], in: lab).code == 0)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: lab.appending(".cache").string).allSatisfy {
                $0.hasPrefix("zero-")
            })
    }

    private func untilOff(_ lab: FilePath) async throws -> String? {
        let limit = ContinuousClock.now + .seconds(30)
        while true {
            let state = try await fermata(["vm", "show", "web", "--json"], in: lab).json["state"]?.text
            if state == "off" || ContinuousClock.now > limit { return state }
        }
    }

    @Test func `every command works on a machine that a run hosts`() async throws {
        let folder = try TemporaryFolder()
        let lab = folder.appending("lab")
        let guest = try TinyGuest.find()
        let machine = """
            { memory = "128M", disks = { disk { "system", size = "16M" }, disk { "data", size = "16M" } },
              boot = kernel { "\(guest.kernel)", initrd = "\(guest.initrd)", arguments = "\(TinyGuest.arguments)" } }
            """
        let recipe = folder.appending("recipe.lua")
        try """
        local web = machine "web" \(machine)
        local other = machine "other" \(machine)
        other:start()
        other:wait_for_console("never said", { within = "1h" })

        """.write(toFile: recipe.string, atomically: true, encoding: .utf8)
        let (waits, waiting) = AsyncStream.makeStream(of: Void.self)
        let run = try BuiltProgram("fermata", ["run", recipe.string, "--store", lab.string, "--json"]) { _, line in
            if line.contains("\"operationStarted\""), line.contains("\"WaitForConsole\"") { waiting.yield() }
        }
        for await _ in waits { break }
        let host = hosts(of: lab)
        #expect(host.count == 1)
        try await drive(lab)
        #expect(hosts(of: lab) == host)
        #expect(try await fermata(["vm", "turn-off", "other", "--discard"], in: lab).code == 0)
        // What the run waited for cannot come any more.
        #expect(try await run.result().code == 1)
        #expect(!LabFolder(lab).machine("web").isInUse && !LabFolder(lab).machine("other").isInUse)
    }
}
