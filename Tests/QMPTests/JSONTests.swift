// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import StorageTestSupport
import Testing

@testable import QMP

@Suite struct JSONTests {
    @Test func `values are read back as they were written`() throws {
        let value: JSONValue = [
            "text": "a \"quoted\" \\ line\n\u{1}\u{7F} é \u{1F600}", "list": [1, -2, true, .null, .number(0.5)],
            "large": .integer(.min), "empty": [:], "none": [],
        ]
        let bytes = Array(value.description.utf8)
        #expect(JSONValue(text: bytes) == value)
        #expect(!bytes.contains(UInt8(ascii: "\n")), "a message is one line")
    }

    static let allowed: [(text: String, value: JSONValue)] = [
        ("\"\\ud83d\\ude00\\u0041\\/\"", .string("\u{1F600}A/")),
        (" [ 1 , 2.5e1, 1.0, 2.5 ] ", .array([1, 25, 1, .number(2.5)])),
        ("[0, 1, true, false, null]", [0, 1, true, false, .null]), ("-9223372036854775808", .integer(.min)),
        ("9223372036854775807", .integer(.max)), ("9223372036854775808", .number(9_223_372_036_854_775_808)),
        ("18446744073709551615", .number(18_446_744_073_709_551_616)), ("1e300", .number(1e300)),
        ("{\"a\":1,\"a\":2}", .object(["a": 2])),
    ]

    @Test(arguments: allowed) func `what the standard allows is read`(text: String, value: JSONValue) {
        #expect(JSONValue(text: Array(text.utf8)) == value)
    }

    static let forbidden: [String] = [
        "", " ", "{",
        "[1,", "{\"a\"}", "{\"a\":}", "{a:1}", "tru", "nul", "\"", "\"\\x\"", "\"\\u12\"", "\"\n\"",
        "1 2", "+1", "-", "1e", "--1", "{} x", "\"\\ud83d x\"", "1e999", "-1e99999999999999999999",
        String(repeating: "[", count: 100_000), String(repeating: "{\"a\":", count: 100_000),
        String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000),
        String(repeating: "9", count: 100_000),
    ]

    @Test(arguments: forbidden) func `what the standard forbids is refused`(text: String) {
        #expect(JSONValue(text: Array(text.utf8)) == nil)
    }

    @Test(arguments: [[0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xC3]])
    func `what is not UTF-8 is refused`(bytes: [UInt8]) {
        #expect(JSONValue(text: bytes) == nil)
    }

    @Test func `nesting that is read is written too`() throws {
        let text = String(repeating: "[{\"a\":", count: 200) + "1" + String(repeating: "}]", count: 200)
        #expect(JSONValue(text: Array(text.utf8))?.description == text)
    }

    @Test func `a number that is none is written as null`() {
        #expect(JSONValue.array([.number(.nan), .number(.infinity), 1]).description == "[null,null,1]")
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
