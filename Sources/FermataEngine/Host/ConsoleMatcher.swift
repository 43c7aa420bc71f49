// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// What a wait looks for in console text.
struct ConsoleMatcher: Sendable {
    private enum Target {
        case plain([UInt8])
        case pattern(String)
    }

    private let target: Target

    /// Makes a matcher; a pattern must be a regular expression.
    init(_ text: Action.ConsoleText) throws(EngineError) {
        switch text {
        case .plain(let text): target = .plain(Array(text.utf8))
        case .pattern(let pattern):
            guard (try? Regex(pattern)) != nil else {
                throw EngineError(.wrongState, "\"\(pattern)\" is not a regular expression")
            }
            target = .pattern(pattern)
        }
    }

    /// The first match: its text and the offset behind it.
    func match(in bytes: [UInt8]) -> (text: String, end: Int)? {
        switch target {
        case .plain(let wanted):
            guard let start = Self.firstIndex(of: wanted, in: bytes) else { return nil }
            return (String(decoding: wanted, as: UTF8.self), start + wanted.count)
        case .pattern(let pattern):
            // Bytes that are no UTF-8 stand for one scalar each, so that a match's end is always an offset of bytes.
            let valid = String(validating: bytes, as: UTF8.self)
            let text = valid ?? String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
            // Terminals end lines with CR LF, which is one Character: as scalars, \n and $ find the line's end.
            guard let regex = try? Regex(pattern).matchingSemantics(.unicodeScalar),
                let match = try? regex.firstMatch(in: text)
            else { return nil }
            func offset(of index: String.Index) -> Int {
                valid == nil
                    ? text.unicodeScalars.distance(from: text.startIndex, to: index)
                    : text.utf8.distance(from: text.startIndex, to: index)
            }
            let range = offset(of: match.range.lowerBound)..<offset(of: match.range.upperBound)
            return (String(decoding: bytes[range], as: UTF8.self), range.upperBound)
        }
    }

    private static func firstIndex(of wanted: [UInt8], in bytes: [UInt8]) -> Int? {
        guard let first = wanted.first, bytes.count >= wanted.count else { return nil }
        for start in 0...(bytes.count - wanted.count) where bytes[start] == first {
            if bytes[start..<start + wanted.count].elementsEqual(wanted) { return start }
        }
        return nil
    }
}
