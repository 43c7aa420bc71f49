// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Testing

@Suite struct ValueTests {
    @Test(
        arguments: [
            ("512", 512), ("0", 0), ("64K", 65536), ("64KiB", 65536), ("256M", 256 << 20), ("1G", 1 << 30),
            ("2TiB", 2 << 40),
        ] as [(String, UInt64)])
    func `sizes are powers of 1024`(text: String, bytes: UInt64) throws {
        #expect(try ByteSize(parsing: text).bytes == bytes)
    }

    @Test(arguments: [
        ("12 parsecs", "expected a size such as \"256M\", got \"12 parsecs\""),
        ("", "expected a size such as \"256M\", got \"\""),
        ("-1", "expected a size such as \"256M\", got \"-1\""),
        ("64MB", "size \"64MB\": MB is ambiguous; write M or MiB for powers of 1024"),
        ("18446744073709551615K", "size \"18446744073709551615K\" is larger than any disk"),
        ("99999999999999999999", "expected a size such as \"256M\", got \"99999999999999999999\""),
    ])
    func `other sizes are refused with a sentence`(text: String, message: String) {
        let error = #expect(throws: ValueError.self) { try ByteSize(parsing: text) }
        #expect(error?.description == message)
    }

    @Test(arguments: [("500ms", 500), ("60s", 60_000), ("2m", 120_000), ("1h", 3_600_000)] as [(String, UInt64)])
    func `durations have units`(text: String, milliseconds: UInt64) throws {
        let span = try TimeSpan(parsing: text)
        #expect(span.milliseconds == milliseconds)
        #expect(try TimeSpan(parsing: span.description) == span)
    }

    @Test(arguments: ["60", "1d", "", "s", "-1s", "1.5s", "9999999h", "99999999999999999999s"])
    func `other durations are refused`(text: String) {
        #expect(throws: ValueError.self) { try TimeSpan(parsing: text) }
    }

    @Test func `sums that are too large become the largest value`() {
        #expect(ByteSize.gibibytes(.max).bytes == .max)
        #expect(TimeSpan.hours(.max).milliseconds == .max)
        #expect(TimeSpan.hours(.max).duration == TimeSpan.longest.duration)
    }

    @Test(arguments: ["web", "0", "a.b_c-d", String(repeating: "x", count: 64)])
    func `names of machines that are allowed`(name: String) {
        #expect(MachineName(name).problem == nil)
    }

    @Test(arguments: ["", "-a", ".a", "_a", "a b", "a/b", "é", "Boot", "a\0", String(repeating: "x", count: 65)])
    func `names of machines that are not`(name: String) {
        #expect(MachineName(name).problem != nil)
    }

    @Test(arguments: ["clean", "failed: 7 Run", "日本", "..", String(repeating: "é", count: 100)])
    func `names of checkpoints that are allowed`(name: String) {
        #expect(CheckpointName(name).problem == nil)
    }

    @Test(arguments: ["", "a/b", "a\nb", "\u{7F}", String(repeating: "x", count: 101)])
    func `names of checkpoints that are not`(name: String) {
        #expect(CheckpointName(name).problem != nil)
    }

    @Test(
        arguments: [
            ("claen", "clean"), ("clea", "clean"), ("cleann", "clean"), ("CLEAN", "clean"), ("brokn", "broken"),
            ("wbe", "web"), ("zebra", nil), ("", nil), ("x", nil),
        ] as [(String, String?)])
    func `the nearest spelling is what was meant`(text: String, nearest: String?) {
        #expect(Spelling.nearest(to: text, among: ["web", "clean", "broken", "clone"]) == nearest)
    }

    @Test func `text is escaped and cut for one line`() {
        #expect("a\n\u{1B}[0m\tb".shortened(to: 100) == "a\\n\\u{1B}[0m\\tb")
        #expect("日本語".shortened(to: 2) == "日本…")
        #expect("日本".shortened(to: 2) == "日本")
    }

    @Test func `an identity is written in upper case and read in either`() throws {
        let text = "0123ABCD-4567-89EF-0123-456789ABCDEF"
        #expect(GUID(text)?.description == text)
        #expect(GUID(text.lowercased())?.description == text)
        #expect(GUID("{\(text)}") == nil && GUID(text + "0") == nil && GUID("") == nil)
        #expect(GUID.random() != GUID.random())
    }

    @Test func `lists leave origins out`() {
        func checkpoint(_ number: UInt8, parent: UInt8?, isOrigin: Bool = false) -> CheckpointTree.Checkpoint {
            CheckpointTree.Checkpoint(
                id: id(number), name: CheckpointName("c\(number)"), parent: parent.map(id), kind: .standard,
                hasMemory: false, time: 0,
                isOrigin: isOrigin)
        }
        func id(_ number: UInt8) -> GUID {
            GUID(bytes: [UInt8](repeating: number, count: 16)) ?? .random()
        }
        let tree = CheckpointTree(
            checkpoints: [
                checkpoint(1, parent: nil, isOrigin: true), checkpoint(2, parent: 1), checkpoint(3, parent: 2),
            ], now: id(1))
        #expect(tree.listed == CheckpointTree(checkpoints: [checkpoint(2, parent: nil), checkpoint(3, parent: 2)]))
    }
}
