// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// A disk's file as it is to be made anew: what is taken over, what is written instead, and its length.
///
/// It knows nothing of formats.
struct DiskLayout: Sendable {
    /// Bytes of the old file that are taken over as they are.
    struct Move: Sendable {
        var source: Range<UInt64>
        var target: UInt64
    }

    /// Bytes that the old file does not have.
    struct Piece: Sendable {
        var offset: UInt64
        var bytes: [UInt8]
    }

    var moves: [Move] = []
    var pieces: [Piece] = []
    var length: UInt64 = 0

    /// Zeros of this many bytes are left out: what a file system stores at least, so that holes stay holes.
    private static let grain: UInt64 = 4096
    /// Zeros of this many bytes are worth a hole in a file that stays.
    private static let hole: UInt64 = 64 << 10

    mutating func move(_ source: Range<UInt64>, to target: UInt64) {
        moves.append(Move(source: source, target: target))
    }

    mutating func put(_ bytes: [UInt8], at offset: UInt64) {
        pieces.append(Piece(offset: offset, bytes: bytes))
    }

    /// Writes an empty file; nothing is durable before it is synchronized.
    func write(from source: any ByteStore, to target: any ByteStore, _ progress: DiskProgress?) throws(StorageError) {
        try target.truncate(to: length)
        let total = moves.reduce(0) { $0 + UInt64($1.source.count) }
        var done: UInt64 = 0
        for move in moves {
            try Self.forEachPiece(of: move.source, in: source, by: Self.grain, isZero: false) {
                (range, bytes) throws(StorageError) in
                let offset = range.lowerBound - move.source.lowerBound + move.target
                try target.write(bytes, at: offset)
                target.beginWriteback(offset..<offset + UInt64(bytes.byteCount))
            }
            done += UInt64(move.source.count)
            try progress?(total + done, 2 * total)
        }
        for piece in pieces { try target.write(piece.bytes, at: piece.offset) }
    }

    /// Gives the space back that the zeros of a file take, durably on return.
    static func punchZeros(in store: any ByteStore, _ progress: DiskProgress?) throws(StorageError) {
        let length = try store.length()
        var position: UInt64 = 0
        while position < length, let data = try store.nextData(from: position) {
            let start = max(position, data.lowerBound)
            guard start < length else { break }
            // Not all at once, so that progress is seen.
            position = min(length, max(data.upperBound, start + 1), start + 16 << 20)
            try forEachPiece(of: start..<position, in: store, by: hole, isZero: true) {
                (range, _) throws(StorageError) in
                try store.punchHole(range)
            }
            try progress?(position, length)
        }
        try store.synchronize()
    }

    /// Reads a range, and hands over what of it is zeros, or is not.
    private static func forEachPiece(
        of range: Range<UInt64>, in store: any ByteStore, by grain: UInt64, isZero wanted: Bool,
        _ body: (Range<UInt64>, RawSpan) throws(StorageError) -> Void
    ) throws(StorageError) {
        var buffer = [UInt8](repeating: 0, count: 2 << 20)
        var start = range.lowerBound
        while start < range.upperBound {
            let end = min(range.upperBound, (start / grain + UInt64(buffer.count) / grain) * grain)
            do {
                var span = buffer.mutableSpan
                var bytes = unsafe span.mutableBytes
                var part = bytes._mutatingExtracting(first: Int(end - start))
                try store.readFully(into: &part, at: start)
            }
            var position = start
            while position < end {
                let first = position
                while position < end {
                    let next = min(end, (position / grain + 1) * grain)
                    guard DiskCopy.isZero(buffer, Int(position - start), Int(next - position)) == wanted else { break }
                    position = next
                }
                if position > first {
                    try body(
                        first..<position,
                        unsafe buffer.span.bytes.extracting(Int(first - start)..<Int(position - start)))
                } else {
                    position = min(end, (position / grain + 1) * grain)
                }
            }
            start = end
        }
    }
}
