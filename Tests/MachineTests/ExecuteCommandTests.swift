// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import StorageTestSupport
import SystemPackage
import Testing

/// `fermata vm exec` and `fermata vm log`, each a process of its own, with a machine that another one hosts.
struct ExecuteCommandTests {
    @Test func `a guest's command is like one of the shell's own`() async throws {
        let folder = try TemporaryFolder()
        let lab = ShellLab(path: folder.appending("lab"))
        func shell(_ line: String) async throws -> Tool.Result { try await lab.run(line) }
        let made = try await lab.start("web")
        #expect(made.code == 0, "\(made.messages)")

        let apart = try await shell("echo word | fermata vm exec web -- sh -c 'cat; echo problem >&2; exit 7'")
        #expect(apart.code == 7)
        #expect(apart.output == "word\n")
        #expect(apart.messages == "problem\n")
        let bytes = try await shell(
            "cd '\(folder.path)' && head -c 300000 /dev/urandom > sent && fermata vm exec web -- cat < sent > received "
                + "&& cmp sent received")
        #expect(bytes.code == 0, "\(bytes.output)\(bytes.messages)")
        #expect(try await shell("fermata vm exec web -- yes | head -n 2").output == "y\ny\n")
        #expect(try await shell("fermata vm exec web --shell -- 'echo $((6 * 7))'").output == "42\n")
        #expect(try await shell("fermata vm exec web -- /no/such/program").code == 127)
        let late = try await shell("fermata vm exec web --within 200ms -- sleep 1000")
        #expect(late.code == 124)
        #expect(late.messages == "fermata: error: the command did not end within 200ms in machine 'web'\n")
        #expect(try await shell("fermata vm exec web").code == 2)

        // One that a revert overtakes is told so; the guest itself says when it has begun.
        let reverted = try await shell(
            "fermata checkpoint create web clean && fermata vm exec web -- mkfifo /tmp/begun && "
                + "{ fermata vm exec web --shell -- 'echo > /tmp/begun; sleep 4321' & } && "
                + "fermata vm exec web -- cat /tmp/begun && fermata checkpoint revert web --discard; wait $!")
        #expect(reverted.code == 125)
        #expect(reverted.messages == "fermata: error: machine 'web' was restored to a checkpoint meanwhile\n")
        #expect(try await shell("fermata vm log web").output.contains("fermata tiny guest ready"))
        let last = try await shell("fermata vm log web --lines 1")
        #expect(last.output.hasPrefix("--- restored to checkpoint 'clean', "))

        let off = try await shell("fermata vm turn-off web --discard; fermata vm exec web -- true")
        #expect(off.code == 125)
        #expect(
            off.messages == "fermata: error: machine 'web' is off, but a command needs it running; start it first\n")
        #expect(try await shell("fermata vm exec wbe -- true").code == 2)
        #expect(try await shell("fermata vm list").output.hasPrefix("web  off  "))
    }

    /// How much a command writes.
    static let size = ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] == nil ? 48 << 20 : 1 << 30

    @Test func `output of any length takes no memory of the host`() async throws {
        let folder = try TemporaryFolder()
        let lab = ShellLab(path: folder.appending("lab"))
        let made = try await lab.start("web")
        #expect(made.code == 0, "\(made.messages)")
        // The most that the host has had, in KiB.
        func most() async throws -> Int {
            let line =
                "sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$(pgrep -f 'vm hos[t] web --store \(lab.path)')/status"
            let result = try await lab.run(line)
            return try #require(Int(result.output.split(separator: "\n").first ?? ""), "\(result)")
        }
        #expect(try await lab.run("fermata vm exec web -- head -c 100000 /dev/zero | wc -c").output == "100000\n")
        let before = try await most()
        let result = try await lab.run("fermata vm exec web -- head -c \(Self.size) /dev/zero | wc -c")
        #expect(result.output == "\(Self.size)\n", "\(result.messages)")
        let grown = try await most() - before
        #expect(grown < 24 << 10, "the host took \(grown) KiB more")
        #expect(try await lab.run("fermata vm turn-off web --discard").code == 0)
    }
}
