// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension JSON {
    /// Reads one value and nothing after it.
    ///
    /// - Throws: ``DocumentError`` of code ``DocumentError/Code/syntax`` that names line and column.
    public init(parsing text: String) throws(DocumentError) {
        var parser = Parser(text)
        let value = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.atEnd else { throw parser.error("expected nothing after the value") }
        self = value
    }

    /// Reads one value after another from UTF-8.
    private struct Parser {
        /// The deepest nesting that is read; no document of ours comes near it.
        static let deepest: Int = 100

        let bytes: [UInt8]
        var position: Int = 0

        init(_ text: String) {
            bytes = Array(text.utf8)
        }

        var atEnd: Bool { position >= bytes.count }
        var next: UInt8? { atEnd ? nil : bytes[position] }

        mutating func skipSpace() {
            while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
        }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard next == UInt8(ascii: character) else { return false }
            position += 1
            return true
        }

        func error(_ message: String) -> DocumentError {
            let before = bytes.prefix(position)
            let line = before.count { $0 == 0x0A } + 1
            let start = (before.lastIndex(of: 0x0A) ?? -1) + 1
            let column = before[start...].count { $0 & 0xC0 != 0x80 } + 1
            return DocumentError(.syntax, path: "line \(line), column \(column)", message)
        }

        mutating func value(depth: Int) throws(DocumentError) -> JSON {
            guard depth <= Parser.deepest else { throw error("the document is nested too deeply") }
            skipSpace()
            guard let next else { throw error("the document ends where a value was expected") }
            switch next {
            case UInt8(ascii: "{"): return try object(depth: depth)
            case UInt8(ascii: "["): return try array(depth: depth)
            case UInt8(ascii: "\""): return .string(try string())
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
            default: return try word()
            }
        }

        mutating func word() throws(DocumentError) -> JSON {
            for (word, value) in [("true", true), ("false", false), ("null", .null)] as [(String, JSON)]
            where bytes[position...].starts(with: word.utf8) {
                position += word.utf8.count
                return value
            }
            throw error("expected a value")
        }

        mutating func array(depth: Int) throws(DocumentError) -> JSON {
            position += 1
            var elements: [JSON] = []
            skipSpace()
            if take("]") { return .array(elements) }
            while true {
                elements.append(try value(depth: depth + 1))
                skipSpace()
                if take("]") { return .array(elements) }
                guard take(",") else { throw error("expected ',' or ']'") }
            }
        }

        mutating func object(depth: Int) throws(DocumentError) -> JSON {
            position += 1
            var members: [String: JSON] = [:]
            skipSpace()
            if take("}") { return .object(members) }
            while true {
                skipSpace()
                guard next == UInt8(ascii: "\"") else { throw error("expected a key in quotation marks") }
                let start = position
                let key = try string()
                guard members[key] == nil else {
                    position = start
                    throw error("the key \"\(key.shortened(to: 40))\" stands twice")
                }
                skipSpace()
                guard take(":") else { throw error("expected ':'") }
                members[key] = try value(depth: depth + 1)
                skipSpace()
                if take("}") { return .object(members) }
                guard take(",") else { throw error("expected ',' or '}'") }
            }
        }

        mutating func digits() -> Int {
            let start = position
            while let byte = next, (0x30...0x39).contains(byte) { position += 1 }
            return position - start
        }

        mutating func number() throws(DocumentError) -> JSON.Number {
            let start = position
            _ = take("-")
            let leadingZero = next == UInt8(ascii: "0")
            let count = digits()
            guard count > 0, !(leadingZero && count > 1) else { throw error("expected a number") }
            if take("."), digits() == 0 { throw error("expected a digit after '.'") }
            if take("e") || take("E") {
                if !take("+") { _ = take("-") }
                if digits() == 0 { throw error("expected a digit in the exponent") }
            }
            return JSON.Number(verbatim: String(decoding: bytes[start..<position], as: UTF8.self))
        }

        mutating func string() throws(DocumentError) -> String {
            position += 1
            var content: [UInt8] = []
            while let byte = next {
                switch byte {
                case UInt8(ascii: "\""):
                    position += 1
                    return String(decoding: content, as: UTF8.self)
                case UInt8(ascii: "\\"):
                    position += 1
                    content.append(contentsOf: String(try escape()).utf8)
                case 0..<0x20: throw error("a control character must be escaped")
                default:
                    content.append(byte)
                    position += 1
                }
            }
            throw error("the document ends inside a text")
        }

        mutating func escape() throws(DocumentError) -> Unicode.Scalar {
            guard let byte = next else { throw error("the document ends inside a text") }
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return "\""
            case UInt8(ascii: "\\"): return "\\"
            case UInt8(ascii: "/"): return "/"
            case UInt8(ascii: "b"): return "\u{08}"
            case UInt8(ascii: "f"): return "\u{0C}"
            case UInt8(ascii: "n"): return "\n"
            case UInt8(ascii: "r"): return "\r"
            case UInt8(ascii: "t"): return "\t"
            case UInt8(ascii: "u"): return try unicode()
            default:
                position -= 1
                throw error("unknown escape")
            }
        }

        /// Reads `XXXX` or, for what lies beyond, the pair `XXXX\uXXXX`.
        mutating func unicode() throws(DocumentError) -> Unicode.Scalar {
            let high = try unit()
            if let scalar = Unicode.Scalar(high) { return scalar }
            guard (0xD800..<0xDC00).contains(high), take("\\"), take("u") else { throw error("half a surrogate pair") }
            let low = try unit()
            guard (0xDC00..<0xE000).contains(low),
                let scalar = Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
            else { throw error("half a surrogate pair") }
            return scalar
        }

        mutating func unit() throws(DocumentError) -> UInt32 {
            var value: UInt32 = 0
            for _ in 0..<4 {
                guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                    throw error("expected four hexadecimal digits")
                }
                value = value << 4 | UInt32(digit)
                position += 1
            }
            return value
        }
    }
}
