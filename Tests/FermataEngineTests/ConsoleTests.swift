// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine

struct ConsoleTests {
    static func console(_ folder: TemporaryFolder) throws -> Console {
        try Console(log: folder.path.appending("console"))
    }

    @Test func `a wait takes the text after the last match`() async throws {
        let folder = try TemporaryFolder()
        let console = try Self.console(folder)
        console.append(Array("ready one\r\nready".utf8))
        #expect(try await console.wait(for: ConsoleMatcher(.plain("ready"))) == "ready")
        #expect(try await console.wait(for: ConsoleMatcher(.pattern("r[a-z]+y$"))) == "ready")
        #expect(console.unmatched.isEmpty)
    }

    @Test func `a pattern finds the ends of a terminal's lines`() async throws {
        let folder = try TemporaryFolder()
        let console = try Self.console(folder)
        console.append(Array("one\r\ntwo\r\nthree".utf8))
        #expect(try await console.wait(for: ConsoleMatcher(.pattern("one\r\n"))) == "one\r\n")
        #expect(try await console.wait(for: ConsoleMatcher(.pattern("(?s)^.*\nthree"))) == "two\r\nthree")
    }

    @Test(arguments: [[0xFF], [0xC3], [0xE2, 0x82], [0x80, 0xFF, 0xFE], [0xC3, 0xA9]] as [[UInt8]])
    func `a pattern survives bytes that are no text`(noise: [UInt8]) async throws {
        let folder = try TemporaryFolder()
        let console = try Self.console(folder)
        console.append(noise + Array("ok".utf8) + noise + Array("rest".utf8))
        #expect(try await console.wait(for: ConsoleMatcher(.pattern("o."))) == "ok")
        #expect(console.unmatched == noise + Array("rest".utf8))
    }

    @Test func `a wait ends when its text arrives in pieces`() async throws {
        let folder = try TemporaryFolder()
        let console = try Self.console(folder)
        async let match = console.wait(for: ConsoleMatcher(.plain("login:")))
        for piece in ["lo", "gin", ": "] { console.append(Array(piece.utf8)) }
        #expect(try await match == "login:")
        #expect(console.unmatched == Array(" ".utf8))
    }

    @Test func `a restore rewinds the text and ends every wait`() async throws {
        let folder = try TemporaryFolder()
        let console = try Self.console(folder)
        console.append(Array("tick 1 ".utf8))
        let saved = console.unmatched
        console.append(Array("tick 2 ".utf8))
        let wait = Task { try await console.wait(for: ConsoleMatcher(.plain("never"))) }
        console.rewind(to: saved, because: EngineError(.reverted, "reverted"))
        console.append(Array("tick 2".utf8))
        #expect(console.unmatched == Array("tick 1 tick 2".utf8))
        wait.cancel()
        await #expect(throws: (any Error).self) { try await wait.value }
    }

    @Test func `unmatched text is bounded`() throws {
        let folder = try TemporaryFolder()
        let console = try Self.console(folder)
        for _ in 0..<40 { console.append([UInt8](repeating: 0x41, count: 100_000)) }
        #expect(console.unmatched.count == Console.savedLimit)
    }
}
