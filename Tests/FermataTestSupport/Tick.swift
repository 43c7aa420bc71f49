// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// One line of the guest's witness: what its memory, its clock and its disk are at that moment.
///
/// `tick N mono MS boot UUID nonce HEX seed HEX sectors N issued I flushed F bad B`
public struct Tick: Hashable, Sendable {
    /// Its number, from 1.
    public var number: UInt64
    /// The guest's monotonic clock, in milliseconds.
    public var monotonic: UInt64
    /// The boot_id of its kernel.
    public var boot: String
    /// A random number that lives in RAM only.
    public var nonce: String
    /// What the blocks of its disk are made from.
    public var seed: UInt64
    /// How many sectors of its disk it writes.
    public var sectors: UInt64
    /// The newest write that it sent.
    public var issued: UInt64
    /// The newest write that a FLUSH covered.
    public var flushed: UInt64
    /// How many blocks read back wrong.
    public var bad: UInt64

    /// What finds its lines in a console.
    public static let pattern =
        "tick [0-9]+ mono [0-9]+ boot [0-9a-f-]+ nonce [0-9a-f]+ seed [0-9a-f]+ "
        + "sectors [0-9]+ issued [0-9]+ flushed [0-9]+ bad [0-9]+"

    /// Reads a line; nil when it is not one.
    public init?(_ line: some StringProtocol) {
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
    public static func all(in text: String) -> [Tick] {
        text.split(whereSeparator: \.isNewline).compactMap { Tick($0) }
    }

    /// The newest write that the text says is flushed.
    public static func flushed(in text: String) -> UInt64 {
        let marks = text.split(whereSeparator: \.isNewline).compactMap { line -> UInt64? in
            let words = line.split(separator: " ")
            return words.count == 2 && words[0] == "flushed" ? UInt64(words[1]) : nil
        }
        return max(marks.max() ?? 0, all(in: text).map(\.flushed).max() ?? 0)
    }
}
