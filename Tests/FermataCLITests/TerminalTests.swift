// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import StorageTestSupport
import Testing

@Suite struct TerminalTests {
    /// Runs a line of shell on a terminal of 80 columns; what it drew, piece by piece.
    private func draw(_ line: String, in folder: TestFolder) async throws -> [Substring]? {
        let tool = Tool("script")
        guard tool.isInstalled else {
            print("skipped: there is no script")
            return nil
        }
        let command = "cd \(folder.path); stty cols 80; unset NO_COLOR; export TERM=xterm; \(line)"
        let result = try await tool.run(["-qec", command, "/dev/null"])
        #expect(result.code == 0)
        return result.output.split { $0.isNewline || $0 == "\r" }
    }

    @Test func `a run draws one live line, in colours, within 80 columns`() async throws {
        let folder = try TestFolder()
        let run = "\(try Program.fermata.path) run still.lua"
        guard let pieces = try await draw(run, in: folder) else { return }
        let live = pieces.filter { $0.hasPrefix("\u{1B}[K") }
        #expect(live.contains { $0.contains("[6/6] Checkpoint 'third'") }, "\(pieces)")
        #expect(live.contains { $0.contains("\u{1B}[90m") })
        for piece in pieces {
            let visible = piece.replacing(/\u{1B}\[[0-9]*[mK]/, with: "")
            #expect(visible.count < 80, "\(visible)")
        }
        let plain = try #require(try await draw("NO_COLOR=1 \(run)", in: folder))
        #expect(plain.contains { $0.hasPrefix("\u{1B}[K") } && !plain.contains { $0.contains("\u{1B}[90m") })
        let dumb = try #require(try await draw("TERM=dumb \(run)", in: folder))
        #expect(!dumb.contains { $0.contains("\u{1B}") })
    }

    @Test func `a plan's tree is coloured on a terminal alone`() async throws {
        let folder = try TestFolder()
        let plan = "\(try Program.fermata.path) plan still.lua"
        guard let pieces = try await draw(plan, in: folder) else { return }
        #expect(pieces.contains { $0.hasPrefix("\u{1B}[32m") && $0.contains("clean") })
        #expect(try await !folder.fermata("plan", "still.lua").output.contains("\u{1B}"))
    }
}
