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
            // Terminals end lines with CR LF, which is one Character: as scalars, \n and $ find the line's end.
            let text = String(decoding: bytes, as: UTF8.self)
            guard let regex = try? Regex(pattern).matchingSemantics(.unicodeScalar),
                let match = try? regex.firstMatch(in: text)
            else { return nil }
            let matched = String(text[match.range])
            return (matched, text.utf8.distance(from: text.startIndex, to: match.range.upperBound))
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
