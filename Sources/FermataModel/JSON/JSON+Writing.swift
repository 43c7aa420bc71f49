// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension JSON {
    /// The value on several lines with sorted keys, indented by two spaces, without a newline at its end.
    public var pretty: String {
        var text = ""
        write(to: &text, indent: 0)
        return text
    }

    /// The value on one line with sorted keys and no white space.
    public var compact: String {
        var text = ""
        write(to: &text, indent: nil)
        return text
    }

    private func write(to text: inout String, indent: Int?) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .number(let number): text += number.text
        case .string(let string): JSON.write(string, to: &text)
        case .array(let elements):
            JSON.write(elements, between: "[", "]", to: &text, indent: indent) { element, text, indent in
                element.write(to: &text, indent: indent)
            }
        case .object(let members):
            let sorted = members.sorted { left, right in left.key.utf8.lexicographicallyPrecedes(right.key.utf8) }
            JSON.write(sorted, between: "{", "}", to: &text, indent: indent) { member, text, indent in
                JSON.write(member.key, to: &text)
                text += indent == nil ? ":" : ": "
                member.value.write(to: &text, indent: indent)
            }
        }
    }

    private static func write<Element>(
        _ elements: [Element], between open: String, _ close: String, to text: inout String, indent: Int?,
        element: (Element, inout String, Int?) -> Void
    ) {
        text += open
        let inner = indent.map { $0 + 2 }
        for (index, value) in elements.enumerated() {
            if index > 0 { text += "," }
            breakLine(in: &text, indent: inner)
            element(value, &text, inner)
        }
        if !elements.isEmpty { breakLine(in: &text, indent: indent) }
        text += close
    }

    private static func breakLine(in text: inout String, indent: Int?) {
        guard let indent else { return }
        text += "\n" + String(repeating: " ", count: indent)
    }

    private static func write(_ string: String, to text: inout String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{0}"..."\u{1F}", "\u{7F}":
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
