// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

/// `fermata vm exec` and `fermata vm log`, each a process of its own, with a machine that another one hosts.
struct ExecuteCommandTests {
    /// Runs a line of the shell in which `fermata` is the program that was built, and `$S` the lab.
    private static func shell(_ line: String, in lab: FilePath) async throws -> Tool.Result {
        let tests = FilePath(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        let program = tests.removingLastComponent().appending("fermata")
        return try await Tool("sh").run([
            "-c",
            "fermata() { FERMATA_STORE='\(lab)' '\(program)' \"$@\"; }; G='\(try TinyGuest.find().folder)'; \(line)",
        ])
    }

    @Test func `a guest's command is like one of the shell's own`() async throws {
        let folder = try TemporaryFolder()
        let lab = folder.appending("lab")
        func shell(_ line: String) async throws -> Tool.Result { try await Self.shell(line, in: lab) }
        let made = try await shell(
            "fermata vm create web --memory 192M --disk 64M --kernel $G/vmlinuz --initrd $G/initrd.gz "
                + "--arguments '\(TinyGuest.arguments)' && fermata vm start web")
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
        let log = try await shell("fermata vm log web --lines 1")
        #expect(log.output.contains("fermata tiny guest ready"))

        let off = try await shell("fermata vm turn-off web --discard; fermata vm exec web -- true")
        #expect(off.code == 125)
        #expect(
            off.messages == "fermata: error: machine 'web' is off, but a command needs it running; start it first\n")
        #expect(try await shell("fermata vm exec wbe -- true").code == 2)
        #expect(try await shell("fermata vm list").output.hasPrefix("web  off  "))
    }
}
