// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// How near two spellings are, for "did you mean".
package enum Spelling {
    /// The candidate that was probably meant; nil when none is near.
    ///
    /// Near is at most one slip (a letter too much, too few, another, or two swapped) for every three letters.
    package static func nearest(to text: String, among candidates: some Sequence<String>) -> String? {
        let letters = Array(text)
        guard letters.count <= 100 else { return nil }
        var best: (slips: Int, text: String)?
        for candidate in candidates where candidate != text && candidate.count <= 100 {
            let slips = distance(letters.map(folded), Array(candidate).map(folded))
            guard slips <= max(1, max(letters.count, candidate.count) / 3), slips < candidate.count else { continue }
            if let found = best, found.slips <= slips { continue }
            best = (slips, candidate)
        }
        return best?.text
    }

    /// `; did you mean "…"?`, or nothing.
    static func hint(for text: String, among candidates: [String]) -> String {
        nearest(to: text, among: candidates).map { "; did you mean \"\($0)\"?" } ?? ""
    }

    private static func folded(_ character: Character) -> String {
        character.lowercased()
    }

    /// The number of insertions, deletions, replacements and swaps of neighbours that make one text the other.
    static func distance<Letter: Equatable>(_ left: [Letter], _ right: [Letter]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for i in left.indices {
            var row = [i + 1]
            for j in right.indices {
                let replaced = last[j] + (left[i] == right[j] ? 0 : 1)
                var slips = min(last[j + 1] + 1, row[j] + 1, replaced)
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    slips = min(slips, beforeLast[j - 1] + 1)
                }
                row.append(slips)
            }
            (beforeLast, last) = (last, row)
        }
        return last[right.count]
    }
}

extension String {
    /// The text on one line: control characters escaped, and what is longer than the limit cut off with `…`.
    package func shortened(to limit: Int) -> String {
        var text = ""
        var count = 0
        for character in self {
            guard count < limit else { return text + "…" }
            text +=
                character.isPrintable ? String(character) : character.unicodeScalars.map(\.escapedForMessage).joined()
            count += 1
        }
        return text
    }
}

extension Character {
    fileprivate var isPrintable: Bool {
        unicodeScalars.allSatisfy {
            ![.control, .format, .lineSeparator, .paragraphSeparator].contains($0.properties.generalCategory)
        }
    }
}

extension Unicode.Scalar {
    fileprivate var escapedForMessage: String {
        switch self {
        case "\n": "\\n"
        case "\t": "\\t"
        case "\r": "\\r"
        default: "\\u{\(String(value, radix: 16, uppercase: true))}"
        }
    }
}
