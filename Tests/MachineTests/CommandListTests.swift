// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

/// Every command that acts on a machine, each a process of its own, whoever hosts the machine.
@Suite(.serialized) struct CommandListTests {
    /// Takes every step, and compares all that it says and the state that it leaves with what is expected.
    ///
    /// - Parameter afterEach: told of the state after each step.
    private func take(
        _ steps: [CommandStep], in lab: CommandLab, afterEach: (CommandStep, MachineState) throws -> Void
    ) async throws {
        var state = MachineState.off
        for (step, next) in zip(steps, steps.dropFirst().map(Optional.some) + [nil]) {
            let result = try await lab.fermata(step.words)
            let transcript = try Transcript(of: lab.folder)
            #expect(result.code == step.code, "\(step): \(result)")
            #expect(transcript.text(result.messages.components(separatedBy: "\n")) == step.messages, "\(step)")
            switch step.output {
            case .text(let text): #expect(transcript.text(result.lines) == text, "\(step)")
            case .line(let line):
                #expect(
                    transcript.text(result.lines).components(separatedBy: "\n").contains(line), "\(step): \(result)")
            case .json(let expected):
                let found = try transcript.document(result.lines)
                #expect(found == expected, "\(step): expected \(expected.compact), found \(found.compact)")
            }
            state = step.state ?? state
            if step.isRemoval {
                #expect(try await lab.state() == nil, "\(step)")
                continue
            }
            // Of steps that leave the machine as it was, the last one shows it for all.
            guard step.state != nil || next.map({ $0.state != nil }) ?? true else { continue }
            #expect(try await lab.state() == state.rawValue, "\(step)")
            try afterEach(step, state)
        }
    }

    @Test func `every command works from processes of its own, and start leaves one behind`() async throws {
        let lab = try CommandLab()
        defer { lab.end() }
        for name in ["web", "other"] {
            #expect(try await lab.fermata(CommandLab.create(name)).messages.isEmpty)
        }
        #expect(try await lab.fermata("vm start other").code == 0)
        let web = lab.folder.machine("web")
        try await take(CommandSteps.all(), in: lab) { step, state in
            // Who hosts a machine lets go of it when it has no power any more.
            #expect(state.hasPower || !web.isInUse, "\(step)")
        }
        #expect(try await lab.fermata("vm turn-off other --discard").code == 0)
        #expect(try await lab.fermata("vm delete other --discard").code == 0)
        #expect(try await lab.fermata("vm list --json").json["machines"] == [])
        #expect(lab.sockets.isEmpty)
        let left = try FileManager.default.contentsOfDirectory(atPath: lab.folder.cache.string)
        #expect(left.allSatisfy { $0.hasPrefix("zero-") }, "\(left)")
    }

    @Test func `every command works from processes of its own while a run hosts the machine`() async throws {
        let lab = try CommandLab()
        defer { lab.end() }
        let run = try await running(in: lab)
        let hosts = lab.hosts
        #expect(hosts.count == 1)
        try await take(CommandSteps.all(whileRunOf: "commands"), in: lab) { step, _ in
            #expect(lab.hosts == hosts, "\(step)")
        }
        // The run may be over before the command is.
        let last = try await lab.fermata(["vm", "exec", "other", "--shell", "--", "echo enough > /dev/ttyS0"])
        #expect([0, 125].contains(last.code), "\(last)")
        let result = try await run.result()
        #expect(result.code == 0, "\(result.messages)")
        #expect(!lab.folder.machine("web").isInUse && !lab.folder.machine("other").isInUse)
        #expect(lab.sockets.isEmpty)
    }

    /// A run that hosts both machines, and waits until `other` has said something.
    private func running(in lab: CommandLab) async throws -> BuiltProgram {
        let guest = try TinyGuest.find()
        let machine = """
            { memory = "128M", disks = { disk { "system", size = "16M" }, disk { "data", size = "16M" } },
              boot = kernel { "\(guest.kernel)", initrd = "\(guest.initrd)", arguments = "\(TinyGuest.arguments)" } }
            """
        let recipe = lab.place.appending("commands.lua")
        try """
        local web = machine "web" \(machine)
        local other = machine "other" \(machine)
        other:start()
        other:wait_for_console("enough", { within = "1h" })

        """.write(toFile: recipe.string, atomically: true, encoding: .utf8)
        let (waits, waiting) = AsyncStream.makeStream(of: Void.self)
        let run = try lab.start(["run", recipe.string, "--json"]) { _, line in
            if line.contains("\"operationStarted\""), line.contains("\"WaitForConsole\"") { waiting.yield() }
            if line.contains("\"stopped\"") { waiting.finish() }
        }
        for await _ in waits { break }
        return run
    }
}
