// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Dispatch
import Synchronization

/// Reads a disk piece by piece, on a thread of its own, ahead of who takes the pieces.
///
/// ```
///   reading   1 ──► 2 ──► 3 ──► waits for room ──► 4
///   taking          1 ────────► 2 ───────────────► 3
/// ```
/// Memory is bounded: there are as many buffers as pieces that may be read and not given back.
final class PieceReader: Sendable {
    /// A part of the disk, and where in it something may be stored; all else is zeros.
    struct Piece: Sendable {
        var sectors: Range<UInt64>
        var bytes: [UInt8]
        /// In order and apart, counted from the piece's start.
        var stored: [Range<Int>]
    }

    /// The sectors of a piece: a block of a new disk.
    static let length: UInt64 = 4096
    private static let buffers = 3

    private let source: DiskChain
    private let state = Mutex(State())
    /// Begins at 0: a semaphore must not end below where it began, and pieces need not come back.
    private let room = DispatchSemaphore(value: 0)
    private let ready = DispatchSemaphore(value: 0)
    private let thread = DispatchGroup()

    private struct State {
        var read: [Result<Piece?, StorageError>] = []
        var spare: [[UInt8]] = []
        var isStopped = false
    }

    /// Begins to read.
    init(of source: DiskChain) {
        self.source = source
        for _ in 0..<Self.buffers { room.signal() }
        DispatchQueue(label: "fermata.reader").async(group: thread) { [self] in readAll() }
    }

    /// The next piece of which something is stored; nil behind the last one.
    func next() throws(StorageError) -> Piece? {
        ready.wait()
        return try state.withLock { $0.read.removeFirst() }.get()
    }

    /// Gives a piece's buffer back.
    func recycle(_ piece: consuming Piece) {
        let bytes = piece.bytes
        state.withLock { $0.spare.append(bytes) }
        room.signal()
    }

    /// Ends the reading; the disk is left alone once this returns.
    func stop() {
        state.withLock { $0.isStopped = true }
        room.signal()
        thread.wait()
    }

    private func readAll() {
        let total = source.size / 512
        var sector: UInt64 = 0
        do {
            while sector < total {
                let end = min(sector + Self.length, total)
                guard let piece = try read(sector..<end) else { return }
                if piece.stored.isEmpty {
                    recycle(piece)
                    sector = try nextData(from: end)
                } else {
                    hand(.success(piece))
                    sector = end
                }
            }
            hand(.success(nil))
        } catch {
            hand(.failure(error))
        }
    }

    private func hand(_ result: Result<Piece?, StorageError>) {
        state.withLock { $0.read.append(result) }
        ready.signal()
    }

    /// Where the next piece begins that may hold something.
    private func nextData(from sector: UInt64) throws(StorageError) -> UInt64 {
        // Only a file that is the whole disk tells where its next data is.
        guard source.leaf.isFlat, sector < source.size / 512 else { return sector }
        guard let data = try source.leaf.store.nextData(from: sector * 512) else { return source.size / 512 }
        return max(sector, data.lowerBound / 512 / Self.length * Self.length)
    }

    /// Reads a piece into a buffer that is free; nil once nobody takes it any more.
    private func read(_ sectors: Range<UInt64>) throws(StorageError) -> Piece? {
        room.wait()
        let (isStopped, spare) = state.withLock { ($0.isStopped, $0.spare.popLast()) }
        guard !isStopped else { return nil }
        var piece = Piece(
            sectors: sectors, bytes: spare ?? [UInt8](repeating: 0, count: Int(Self.length) * 512), stored: [])
        var sector = sectors.lowerBound
        while sector < sectors.upperBound {
            let (image, run) = try source.locate(sector, count: sectors.upperBound - sector)
            let start = Int(sector - sectors.lowerBound) * 512
            sector += run.count
            guard let image, let offset = run.offset else { continue }
            let range = offset..<offset + run.count * 512
            // A file that is the disk itself tells where its holes are, which need not be read.
            let extents = try image.isFlat ? image.store.extents(in: range, limit: .max) : [Extent(range, .data)]
            for extent in extents where extent.kind != .hole {
                let place =
                    start + Int(extent.range.lowerBound - offset)..<start + Int(extent.range.upperBound - offset)
                var span = piece.bytes.mutableSpan
                var bytes = unsafe span.mutableBytes
                var part = bytes._mutatingExtracting(place)
                try image.store.readFully(into: &part, at: extent.range.lowerBound)
                piece.stored.append(place)
            }
        }
        return piece
    }
}
