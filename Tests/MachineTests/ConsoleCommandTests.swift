// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import StorageTestSupport
import SystemPackage
import Testing

/// `fermata vm console` on a terminal and without one, at a machine that another process hosts.
struct ConsoleCommandTests {
    /// Somebody on a terminal of their own, at the console of the machine `web`.
    private struct Seat {
        let terminal: PseudoTerminal
        let before: PseudoTerminal.Settings
        let program: PseudoTerminal.Program

        init(in lab: ShellLab) throws {
            terminal = try PseudoTerminal()
            before = terminal.settings
            program = try terminal.run(
                ShellLab.program, ["vm", "console", "web"], environment: ["FERMATA_STORE": lab.path.string])
        }

        /// Waits until the keys go to the guest.
        func isConnected() async -> Bool {
            await terminal.wait(for: "connected to machine 'web'; Ctrl-] detaches") && terminal.settings.isRaw
        }

        /// Runs a line in the guest's shell, which must then show a text that the line does not have.
        func shows(_ text: String, after line: String) async throws -> Bool {
            try terminal.type("\(line)\r")
            return await terminal.wait(for: text)
        }

        /// Waits for the end, after which the terminal must be what it was.
        func end() async -> Int32? {
            let code = await program.code()
            #expect(terminal.settings == before)
            return code
        }
    }

    @Test(.timeLimit(.minutes(10)))
    func `a terminal is at the console, and itself again whichever way that ends`() async throws {
        let folder = try TemporaryFolder()
        let lab = ShellLab(path: folder.appending("lab"))
        let made = try await lab.start("web")
        #expect(made.code == 0, "\(made.messages)")
        #expect(try await lab.run("fermata vm exec web -- true").code == 0)
        let copied = Task {
            try await lab.run(
                "cd '\(folder.path)'; echo 'echo piped-$((3 * 3))' | fermata vm console web > copied 2> told; echo $?; "
                    + "cat copied; echo; cat told")
        }
        let seat = try Seat(in: lab)
        #expect(await seat.isConnected())
        #expect(await seat.terminal.wait(for: "piped-9"))
        #expect(try await seat.shows("typed-42", after: "echo typed-$((6 * 7))"))
        seat.terminal.resize(columns: 132, rows: 50)
        #expect(try await seat.shows("resized-25", after: "echo resized-$((5 * 5))"))
        // The guest's shell ends its command, and this program does not end.
        #expect(try await seat.shows("begun-4", after: "echo begun-$((2 * 2)); sleep 1000"))
        let runs = try await lab.run("fermata vm exec web --shell -- 'until pidof sleep; do :; done'")
        #expect(runs.code == 0)
        try seat.terminal.type("\u{03}")
        #expect(try await seat.shows("after-36", after: "echo after-$((6 * 6))"))

        let reverted = try await lab.run(
            "fermata checkpoint create web clean && fermata checkpoint revert web --discard")
        #expect(reverted.code == 0, "\(reverted.messages)")
        #expect(await seat.terminal.wait(for: "machine 'web': restored to checkpoint 'clean'\r\n"))
        #expect(try await seat.shows("again-49", after: "echo again-$((7 * 7))"))
        try seat.terminal.type("\u{1D}")
        #expect(await seat.end() == 0)
        #expect(await seat.terminal.wait(for: "detached from machine 'web'\r\n"))

        let second = try Seat(in: lab)
        #expect(await second.isConnected())
        #expect(await second.terminal.wait(for: "again-49"))
        try await second.program.signal("TERM")
        #expect(await second.end() == 1)

        let third = try Seat(in: lab)
        #expect(await third.isConnected())
        #expect(try await lab.run("fermata vm turn-off web --discard").code == 0)
        #expect(await third.end() == 0)
        #expect(await third.terminal.wait(for: "machine 'web' is off\r\n"))

        let copy = try await copied.value.output
        #expect(copy.hasPrefix("0\n"))
        for text in ["piped-9", "typed-42", "again-49", "machine 'web': restored to checkpoint 'clean'\n"] {
            #expect(copy.contains(text), "\(text): \(copy)")
        }
        #expect(copy.hasSuffix("machine 'web' is off\n"))
        let log = try await lab.run("fermata vm log web").output
        #expect(log.contains("--- started, ") && log.contains("--- restored to checkpoint 'clean', "))

        let fourth = try Seat(in: lab)
        #expect(await fourth.end() == 1)
        #expect(
            await fourth.terminal.wait(
                for: "machine 'web' is off, but reading its console needs it running or paused; start it first\r\n"))
    }

    @Test(.timeLimit(.minutes(10)))
    func `a terminal is itself again when the host is killed`() async throws {
        let folder = try TemporaryFolder()
        let lab = ShellLab(path: folder.appending("lab"))
        let made = try await lab.start("web")
        #expect(made.code == 0, "\(made.messages)")
        let seat = try Seat(in: lab)
        #expect(await seat.isConnected())
        let killed = try await lab.run("pkill -KILL -f 'vm hos[t] web --store \(lab.path)'")
        #expect(killed.code == 0)
        #expect(await seat.end() == 1)
        #expect(await seat.terminal.wait(for: "the process that hosts machine 'web' ended"))
        #expect(try await lab.run("fermata vm list").output.hasPrefix("web  off  "))
    }
}
