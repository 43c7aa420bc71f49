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

    /// Texts that are not JSON, with the place where that shows.
    static let wrong: [(text: String, message: String)] = [
        ("", "line 1, column 1: the document ends where a value was expected"),
        ("  ", "line 1, column 3: the document ends where a value was expected"),
        ("{} x", "line 1, column 4: expected nothing after the value"),
        ("{\"a\" 1}", "line 1, column 6: expected ':'"),
        ("{\"a\": 1,}", "line 1, column 9: expected a key in quotation marks"),
        ("{\"a\": 1 \"b\"}", "line 1, column 9: expected ',' or '}'"),
        ("{a: 1}", "line 1, column 2: expected a key in quotation marks"),
        ("{\"a\": 1, \"a\": 2}", "line 1, column 10: the key \"a\" stands twice"),
        ("[1, 2", "line 1, column 6: expected ',' or ']'"),
        ("[1,]", "line 1, column 4: expected a value"),
        ("[01]", "line 1, column 4: expected a number"),
        ("[-]", "line 1, column 3: expected a number"),
        ("[1.]", "line 1, column 4: expected a digit after '.'"),
        ("[1e+]", "line 1, column 5: expected a digit in the exponent"),
        ("[nul]", "line 1, column 2: expected a value"),
        ("\"a", "line 1, column 3: the document ends inside a text"),
        ("\"a\nb\"", "line 1, column 3: a control character must be escaped"),
        ("\"\\x\"", "line 1, column 3: unknown escape"),
        ("\"\\", "line 1, column 3: the document ends inside a text"),
        ("\"\\u12g4\"", "line 1, column 6: expected four hexadecimal digits"),
        ("\"\\u12", "line 1, column 6: expected four hexadecimal digits"),
        ("\"\\ud800\"", "line 1, column 8: half a surrogate pair"),
        ("\"\\ud800\\u0041\"", "line 1, column 14: half a surrogate pair"),
        ("\"\\udc00\"", "line 1, column 8: half a surrogate pair"),
        ("{\n \"é\": 'x'}", "line 2, column 7: expected a value"),
    ]

    @Test(arguments: wrong) func `what is not JSON is refused at its place`(text: String, message: String) {
        let error = #expect(throws: DocumentError.self) { try JSON(parsing: text) }
        #expect(error?.description == message)
        #expect(error?.code == .syntax)
    }

    @Test func `nesting has an end`() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try JSON(parsing: nested(100))
        #expect(throws: DocumentError.self) { try JSON(parsing: nested(102)) }
        #expect(throws: DocumentError.self) { try JSON(parsing: nested(1_000_000)) }
    }
}
