// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import StorageTestSupport
import Testing

@testable import QMP

@Suite struct JSONTests {
    @Test func `values are read back as they were written, by Foundation too`() throws {
        let value: JSONValue = [
            "text": "a \"quoted\" \\ line\n\u{1}\u{7F} é \u{1F600}", "list": [1, -2, true, .null, .number(0.5)],
            "large": .integer(.min), "empty": [:], "none": [],
        ]
        let bytes = Array(value.description.utf8)
        #expect(JSONValue(text: bytes) == value)
        #expect(try JSONDecoder().decode(JSONValue.self, from: Data(bytes)) == value)
        #expect(JSONValue(text: Array(try JSONEncoder().encode(value))) == value)
    }

    @Test(arguments: [
        ("\"\\ud83d\\ude00\\u0041\\/\"", JSONValue.string("\u{1F600}A/")), ("\"\\ud83d x\"", .string("\u{FFFD} x")),
        (" [ 1 , 2.5e1 ] ", .array([1, .number(25)])), ("18446744073709551615", .number(18_446_744_073_709_551_616)),
        ("{\"a\":1,\"a\":2}", .object(["a": 2])),
    ])
    func `what the standard allows is read`(text: String, value: JSONValue) {
        #expect(JSONValue(text: Array(text.utf8)) == value)
    }

    @Test(arguments: [
        "", " ", "{",
        "[1,", "[1,]", "{\"a\"}", "{\"a\":}", "{a:1}", "tru", "nul", "\"", "\"\\x\"", "\"\\u12\"", "\"\n\"",
        "1 2", "+1", "-", "1e", "--1", "{} x", String(repeating: "[", count: 200), "\u{FEFF}1",
    ])
    func `what the standard forbids is refused`(text: String) {
        #expect(JSONValue(text: Array(text.utf8)) == nil)
    }

    @Test func `no bytes make the reader trap`() {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(seed: seed)
        let alphabet = Array("{}[]\",:\\u0123e+-.truefalsn \n".utf8) + [0, 0xFF, 0xC3]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<24, using: &generator)
            let bytes = (0..<count).map { _ in alphabet.randomElement(using: &generator) ?? 0 }
            if let value = JSONValue(text: bytes) {
                let again = JSONValue(text: Array(value.description.utf8))
                #expect(again == value, "bytes \(bytes), seed \(seed)")
            }
        }
    }
}
