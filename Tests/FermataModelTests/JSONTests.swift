// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import Testing

@Suite struct JSONTests {
    static let value: JSON = [
        "text": "a\"b\\c\n\r\t\u{1}\u{7F} é日🇩🇪\u{2028}", "empty": "", "list": [1, -2, true, false, .null, [], [:]],
        "large": .integer(UInt64.max), "small": .integer(Int64.min), "a.b": ["z": 1, "a": 2, "Z": 3],
    ]

    @Test func `a value that was written is read back`() throws {
        #expect(try JSON(parsing: JSONTests.value.pretty) == JSONTests.value)
        #expect(try JSON(parsing: JSONTests.value.compact) == JSONTests.value)
    }

    @Test func `another reader finds the same values`() throws {
        for text in [JSONTests.value.pretty, JSONTests.value.compact] {
            let object = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
            #expect(object["text"] as? String == "a\"b\\c\n\r\t\u{1}\u{7F} é日🇩🇪\u{2028}")
            #expect(object["large"] as? UInt64 == .max)
            #expect(object["small"] as? Int64 == .min)
            #expect((object["list"] as? [Any])?.count == 7)
            #expect(object["a.b"] as? [String: Int] == ["z": 1, "a": 2, "Z": 3])
            #expect(object.count == 6)
        }
    }

    @Test func `another writer's values are found`() throws {
        let object: [String: Any] = ["a/b": ["é\u{8}\u{C}", 1.5, true, NSNull()], "n": -7]
        let data = try JSONSerialization.data(withJSONObject: object, options: [.prettyPrinted])
        let half = try #require(JSON.Number(1.5))
        #expect(
            try JSON(parsing: String(decoding: data, as: UTF8.self))
                == ["a/b": ["é\u{8}\u{C}", .number(half), true, .null], "n": -7])
    }

    @Test func `keys are sorted by their bytes`() {
        let value: JSON = ["b": 1, "a": 2, "B": 3, "é": 4, "a0": 5]
        #expect(value.compact == #"{"B":3,"a":2,"a0":5,"b":1,"é":4}"#)
        #expect(JSON.members(["a": 1, "b": nil]).compact == #"{"a":1}"#)
    }

    @Test func `escapes are read`() throws {
        #expect(try JSON(parsing: #""\u0041\ud83d\ude00\/\b\f\u00e9""#) == "A😀/\u{8}\u{C}é")
    }

    static let numbers: [(text: String, written: String)] = [
        ("0", "0"), ("-0", "0"), ("1.0", "1"), ("1e2", "100"), ("0.1", "0.1"), ("-2.50", "-2.5"), ("1e300", "1e+300"),
        ("9223372036854775807", "9223372036854775807"), ("-9223372036854775808", "-9223372036854775808"),
        ("9223372036854775808", "9223372036854775808"), ("18446744073709551616", "18446744073709551616"),
        ("-170141183460469231731687303715884105728", "-170141183460469231731687303715884105728"),
    ]

    @Test(arguments: numbers) func `whole numbers keep their digits`(text: String, written: String) throws {
        let value = try JSON(parsing: text)
        #expect(value.compact == written)
        #expect(try JSON(parsing: written) == value)
    }

    @Test func `truth values are no numbers`() throws {
        #expect(try JSON(parsing: "[true, 1, false, 0]") == [true, 1, false, 0])
    }

    @Test func `of a key that stands twice the last value counts`() throws {
        #expect(try JSON(parsing: #"{"a": 1, "b": 2, "a": [3]}"#) == ["a": [3], "b": 2])
    }

    /// Texts that are not JSON.
    static let wrong: [String] = [
        "", "  ", "{} x", "{\"a\" 1}", "{\"a\": 1 \"b\"}", "{a: 1}", "[1, 2", "[01]", "[-]", "[1.]", "[1e+]", "[nul]",
        "\"a", "\"a\nb\"", "\"\\x\"", "\"\\", "\"\\u12g4\"", "\"\\u12", "\"\\ud800\"", "\"\\ud800\\u0041\"",
        "\"\\udc00\"", "{\n \"é\": 'x'}", "NaN", "/**/1", "1e999", "-1e99999999999999999999",
        String(repeating: "9", count: 100_000), String(repeating: "[", count: 100_000),
        String(repeating: "{\"a\":", count: 100_000),
        String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000),
    ]

    @Test(arguments: wrong) func `what is not JSON is refused with one sentence`(text: String) throws {
        let error = try #require(throws: DocumentError.self) { try JSON(parsing: text) }
        #expect(error.code == .syntax && error.path.isEmpty)
        #expect(error.description.hasPrefix("the text is not JSON"))
        #expect(error.description.utf8.count < 200 && !error.description.contains("\n"))
    }

    @Test func `nesting that is read is written too`() throws {
        let text = String(repeating: "[{\"a\":", count: 200) + "1" + String(repeating: "}]", count: 200)
        #expect(try JSON(parsing: text).compact == text)
    }
}
