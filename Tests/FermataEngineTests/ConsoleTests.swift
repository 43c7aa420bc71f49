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
        console.begin(at: saved, because: EngineError(.reverted, "reverted"), telling: .restored("clean"))
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

    @Test func `anyone can read along, at any pace, over restores and to the end`() async throws {
        let folder = try TemporaryFolder()
        let console = try Self.console(folder)
        #expect(try await console.read().parts.isEmpty)
        console.begin(at: [], because: EngineError(.reverted, "started"), telling: .started)
        console.append(Array("one ".utf8))
        let first = try await console.read()
        #expect(first.parts == [.started, .text(Array("one ".utf8))])
        async let waited = console.read(from: first.next)
        console.append(Array("two".utf8))
        #expect(try await waited.parts == [.text(Array("two".utf8))])
        console.begin(at: [], because: EngineError(.reverted, "reverted"), telling: .restored("clean"))
        console.append(Array("three".utf8))
        let all = try await console.read(from: 0)
        #expect(
            all.parts == [
                .started, .text(Array("one two".utf8)), .restored("clean"), .text(Array("three".utf8)),
            ])
        let late = try await console.read(from: first.next - 2)
        #expect(late.parts.first == .text(Array("e two".utf8)))
        #expect(late.next == all.next)
        async let last = console.read(from: all.next)
        console.end(because: EngineError(.guest, "off"))
        #expect(try await last == ConsoleOutput(parts: [], next: all.next))
        #expect(try await console.read(from: 1 << 40).parts.isEmpty)
    }

    @Test func `a reader that is too slow is told what it has lost`() async throws {
        let folder = try TemporaryFolder()
        let console = try Self.console(folder)
        console.begin(at: [], because: EngineError(.reverted, "started"), telling: nil)
        let (count, size) = (300, 10_007)
        for index in 0..<count { console.append([UInt8](repeating: UInt8(index & 255), count: size)) }
        var (position, lost, read) = (0, 0, 0)
        while position < count * size {
            let output = try await console.read(from: position)
            for part in output.parts {
                switch part {
                case .lost(let count): lost += count
                case .text(let bytes):
                    #expect(bytes.first == UInt8((lost + read) / size & 255))
                    read += bytes.count
                default: Issue.record("\(part)")
                }
            }
            #expect(output.text.count <= ConsoleHistory.mostAtOnce)
            position = output.next
        }
        #expect(lost + read == count * size)
        #expect(read >= ConsoleHistory.limit && read <= 2 * ConsoleHistory.limit)
        for index in 0..<5000 {
            console.begin(at: [], because: EngineError(.reverted, ""), telling: .restored(CheckpointName("c\(index)")))
        }
        let restored = try await console.read(from: position)
        #expect(restored.parts.first == .lost(5000 - 1024))
    }

    @Test func `a reader's wait ends with its task`() async throws {
        let folder = try TemporaryFolder()
        let console = try Self.console(folder)
        console.begin(at: [], because: EngineError(.reverted, "started"), telling: nil)
        let wait = Task { try await console.read() }
        wait.cancel()
        await #expect(throws: CancellationError.self) { _ = try await wait.value }
    }
}
