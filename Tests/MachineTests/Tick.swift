// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// One line of the guest's witness: what its memory, its clock and its disk are at that moment.
///
/// `tick N mono MS boot UUID nonce HEX seed HEX sectors N issued I flushed F bad B`
struct Tick: Hashable, Sendable {
    var number: UInt64
    var monotonic: UInt64
    var boot: String
    var nonce: String
    var seed: UInt64
    var sectors: UInt64
    var issued: UInt64
    var flushed: UInt64
    var bad: UInt64

    static let pattern =
        "tick [0-9]+ mono [0-9]+ boot [0-9a-f-]+ nonce [0-9a-f]+ seed [0-9a-f]+ "
        + "sectors [0-9]+ issued [0-9]+ flushed [0-9]+ bad [0-9]+"

    init?(_ line: some StringProtocol) {
        let words = line.split(separator: " ")
        guard words.count == 18, words[0] == "tick", let number = UInt64(words[1]), let monotonic = UInt64(words[3]),
            let seed = UInt64(words[9], radix: 16), let sectors = UInt64(words[11]), let issued = UInt64(words[13]),
            let flushed = UInt64(words[15]), let bad = UInt64(words[17])
        else { return nil }
        self.number = number
        self.monotonic = monotonic
        boot = String(words[5])
        nonce = String(words[7])
        self.seed = seed
        self.sectors = sectors
        self.issued = issued
        self.flushed = flushed
        self.bad = bad
    }

    /// All whole ticks of a text, in order.
    static func all(in text: String) -> [Tick] {
        text.split(whereSeparator: \.isNewline).compactMap { Tick($0) }
    }

    /// The newest write that the text says is flushed.
    static func flushed(in text: String) -> UInt64 {
        let marks = text.split(whereSeparator: \.isNewline).compactMap { line -> UInt64? in
            let words = line.split(separator: " ")
            return words.count == 2 && words[0] == "flushed" ? UInt64(words[1]) : nil
        }
        return max(marks.max() ?? 0, all(in: text).map(\.flushed).max() ?? 0)
    }
}
