// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What a guest wrote lately, and where it began anew between.
///
/// ```
///   0 ┄┄┄ forgotten ┄┄┄ first ── text ── started ── text ── restored ── text ── end     positions
/// ```
/// A byte of text takes one position and so does a beginning, so that a reader's position says what it has seen.
struct ConsoleHistory: Sendable {
    /// How much is kept.
    static let limit = 1 << 20
    /// The most that a reader gets at once.
    static let mostAtOnce = 256 << 10
    /// How long a piece of text grows.
    private static let longestPiece = 64 << 10
    /// How many pieces are kept, so that a machine that is restored all the time takes no more memory.
    private static let mostPieces = 1024

    private struct Piece {
        let start: Int
        var part: ConsoleOutput.Part

        var length: Int {
            if case .text(let bytes) = part { bytes.count } else { 1 }
        }
    }

    private var pieces: [Piece] = []

    /// Behind the last that was written.
    private(set) var end = 0

    /// Where what is kept begins.
    var first: Int { pieces.first?.start ?? end }

    /// Takes in what was written.
    mutating func append(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        if let last = pieces.last, case .text(let text) = last.part, text.count + bytes.count <= Self.longestPiece {
            pieces[pieces.count - 1].part = .text(text + bytes)
        } else {
            pieces.append(Piece(start: end, part: .text(bytes)))
        }
        end += bytes.count
        forget()
    }

    /// Takes in that the guest began anew.
    mutating func append(_ beginning: ConsoleOutput.Part) {
        pieces.append(Piece(start: end, part: beginning))
        end += 1
        forget()
    }

    private mutating func forget() {
        var count = 0
        while pieces.count - count > Self.mostPieces || end - pieces[count].start > Self.limit + Self.longestPiece {
            count += 1
        }
        pieces.removeFirst(count)
    }

    /// What there is from a position on, as much as a reader gets at once.
    func output(from position: Int) -> ConsoleOutput {
        var parts: [ConsoleOutput.Part] = position < first ? [.lost(first - position)] : []
        var next = max(position, first)
        let until = next + Self.mostAtOnce
        for piece in pieces where piece.start + piece.length > next && next < until {
            if case .text(let bytes) = piece.part {
                let text = Array(bytes[(next - piece.start)...].prefix(until - next))
                parts.append(.text(text))
                next += text.count
            } else {
                parts.append(piece.part)
                next += 1
            }
        }
        return ConsoleOutput(parts: parts, next: next)
    }
}
