// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// An entry of the block table: what is known of a block, and where in the file it lies.
///
/// ```
///   63                          20 19            4  3   2     0
///   | offset in units of 1 MiB    | reserved      | * | state |      * in memory alone: erased, offset kept
/// ```
struct VHDXEntry: Hashable, Sendable {
    enum State: UInt8, Hashable, Sendable {
        /// The parent has the block; without one it is zeros.
        case notPresent = 0
        /// Nobody relies on the block's content, which is taken to be zeros.
        case undefined = 1
        case zero = 2
        case unmapped = 3
        /// The file has all sectors of the block.
        case fullyPresent = 6
        /// The file has the sectors that the bitmap says.
        case partiallyPresent = 7
    }

    private static let offsetBits: UInt64 = ~0 << 20
    private static let erased: UInt64 = 8

    private(set) var raw: UInt64

    /// An entry as it is in the file; what is reserved is left out.
    init(raw: UInt64) {
        self.raw = raw & (Self.offsetBits | 7)
    }

    /// An entry of a block at an offset.
    init(_ state: State, at offset: UInt64) {
        raw = offset & Self.offsetBits | UInt64(state.rawValue)
    }

    /// Nil when it is none that the format knows.
    var state: State? { State(rawValue: UInt8(truncatingIfNeeded: raw & 7)) }

    var offset: UInt64 { raw & Self.offsetBits }

    /// Whether the block's content is in the file.
    var isStored: Bool { raw & 7 >= 6 }

    /// Makes the block zeros, and remembers the empty place that it has.
    mutating func erase() {
        raw = isStored ? offset | Self.erased | UInt64(State.zero.rawValue) : UInt64(State.zero.rawValue)
    }

    /// Where a block that was erased may be stored again.
    var emptyPlace: UInt64? { raw & Self.erased == 0 ? nil : offset }

    /// The entry as it goes to the file.
    var encoded: UInt64 { raw & Self.erased == 0 ? raw : raw & 7 }
}
