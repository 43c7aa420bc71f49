// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage

extension Transmission {
    /// A READ from this length on is asked where its holes are, so that they need not be sent, and is sent in pieces.
    private static let sparseLength = 64 << 10
    /// What is read and sent at a time: little enough to be still in the processor's cache when it is sent.
    private static let pieceLength: UInt64 = 128 << 10
    /// A shorter hole between data costs more as a chunk of its own than as zeroes.
    private static let shortestHole = 16 << 10

    /// READ: replies with the bytes.
    func read(_ request: Request, _ channel: inout Channel) throws(NBDError) {
        let range: Range<UInt64>
        do throws(ErrorNumber) {
            range = try check(request, .read)
            guard request.length <= BlockSize.maximum, !request.flags.contains(.df) || session.structuredReplies else {
                throw ErrorNumber.invalid
            }
        } catch {
            try replyInChunks(to: request, error, &channel)
            return
        }
        if session.structuredReplies, !request.flags.contains(.df), request.length >= Self.sparseLength {
            try readInPieces(request, range, &channel)
            return
        }
        guard request.length <= UInt32(Channel.largestCapacity) else {
            try readInOneChunk(request, range, &channel)
            return
        }
        try channel.reserve(Int(request.length) + Chunk.headerLength + 8)
        let mark = channel.position
        do throws(ErrorNumber) {
            try withDevice(writing: false, &channel) { device, channel throws(StorageError) in
                try readWhole(request, from: device, &channel)
            }
        } catch {
            channel.rewind(to: mark)
            try replyInChunks(to: request, error, &channel)
        }
    }

    private func readWhole(
        _ request: Request, from device: any BlockDevice, _ channel: inout Channel
    ) throws(StorageError) {
        guard session.structuredReplies else {
            channel.append(Magic.simpleReply)
            channel.append(UInt32(0))
            channel.append(request.cookie)
            try channel.append(Int(request.length)) { buffer throws(StorageError) in
                try device.read(into: &buffer, at: request.offset)
            }
            return
        }
        let range = request.offset..<request.offset + UInt64(request.length)
        try appendData(range, of: request, isLast: true, from: device, &channel)
    }

    /// Replies in one chunk, or without chunks, where a failure can no longer be told once the head has been sent.
    private func readInOneChunk(
        _ request: Request, _ range: Range<UInt64>, _ channel: inout Channel
    ) throws(NBDError) {
        try channel.reserve(Chunk.headerLength + 8)
        if session.structuredReplies {
            beginChunk(.offsetData, request, length: 8 + range.count, isLast: true, &channel)
            channel.append(range.lowerBound)
        } else {
            channel.append(Magic.simpleReply)
            channel.append(UInt32(0))
            channel.append(request.cookie)
        }
        var position = range.lowerBound
        while position < range.upperBound {
            let count = Int(min(range.upperBound - position, Self.pieceLength))
            try channel.reserve(count)
            do throws(ErrorNumber) {
                try withDevice(writing: false, &channel) { device, channel throws(StorageError) in
                    try channel.append(count) { buffer throws(StorageError) in
                        try device.read(into: &buffer, at: position)
                    }
                }
            } catch {
                throw NBDError(
                    .system, name: channel.socket.name,
                    detail: "a READ failed after its reply had begun, so the connection had to end: \(error)")
            }
            position += UInt64(count)
        }
    }

    /// Replies in chunks of data, and of holes where the device has them.
    ///
    /// ```
    ///   lies in a file, 64 KiB or more ──► gathered ──► sent from the system's own pages
    ///   all else                       ──► read, 128 KiB at a time ──► sent with the replies before it
    /// ```
    /// No request is in the export while a piece is sent: a client that is slow to take it holds up nobody. A failure
    /// after the first piece is told in the reply's last chunk.
    private func readInPieces(
        _ request: Request, _ range: Range<UInt64>, _ channel: inout Channel
    ) throws(NBDError) {
        // What is known to be a hole and was not told yet, since what follows may belong to it.
        var hole = range.lowerBound..<range.lowerBound
        var position = range.lowerBound
        while position < range.upperBound {
            let rest = position..<range.upperBound
            guard let gathered = try gather(rest, of: request, &channel) else {
                return
            }
            if gathered > 0 {
                try channel.reserve(2 * (Chunk.headerLength + 12))
                appendHole(&hole, of: request, isLast: false, &channel)
                beginChunk(.offsetData, request, length: 8 + gathered, isLast: gathered == rest.count, &channel)
                channel.append(position)
                try channel.sendWithPages()
                position += UInt64(gathered)
                continue
            }
            let piece = position..<min(position + Self.pieceLength, range.upperBound)
            // Each hole takes a chunk, but is longer than the chunks around it.
            try channel.reserve(piece.count + 3 * (Chunk.headerLength + 12))
            let mark = channel.position
            do throws(ErrorNumber) {
                try withDevice(writing: false, &channel) { device, channel throws(StorageError) in
                    try appendPiece(piece, of: request, after: &hole, end: range.upperBound, from: device, &channel)
                }
            } catch {
                channel.rewind(to: mark)
                try replyInChunks(to: request, error, &channel)
                return
            }
            position = piece.upperBound
        }
    }

    /// Takes the rest's first bytes into the channel's pipe, if they lie together in a file.
    ///
    /// - Returns: how many; nil when that failed, which the client has been told then.
    private func gather(
        _ rest: Range<UInt64>, of request: Request, _ channel: inout Channel
    ) throws(NBDError) -> Int? {
        guard rest.count >= Self.sparseLength, let pages = channel.emptyPages() else {
            return 0
        }
        var count = 0
        do throws(ErrorNumber) {
            try withDevice(writing: false, &channel) { device, _ throws(StorageError) in
                count = try device.gather(rest, atLeast: Self.sparseLength, into: pages)
            }
        } catch {
            try replyInChunks(to: request, error, &channel)
            return nil
        }
        return count
    }

    /// Appends the chunks of one piece; a hole at its end is left for the next one to tell.
    private func appendPiece(
        _ piece: Range<UInt64>, of request: Request, after hole: inout Range<UInt64>, end: UInt64,
        from device: any BlockDevice, _ channel: inout Channel
    ) throws(StorageError) {
        var position = piece.lowerBound
        var data = position..<position
        while position < piece.upperBound {
            let before = position
            for extent in try device.extents(in: position..<piece.upperBound) {
                let part = extent.range.clamped(to: position..<piece.upperBound)
                guard part.lowerBound == position, !part.isEmpty else {
                    break
                }
                position = part.upperBound
                let continues = !hole.isEmpty && hole.upperBound == part.lowerBound
                // What the piece cuts off may be long.
                let isLong = part.count >= Self.shortestHole || (position == piece.upperBound && position < end)
                guard extent.kind == .hole, continues || isLong else {
                    if data.isEmpty {
                        appendHole(&hole, of: request, isLast: false, &channel)
                        data = part
                    }
                    data = data.lowerBound..<position
                    continue
                }
                if !data.isEmpty {
                    try appendData(data, of: request, isLast: false, from: device, &channel)
                    data = position..<position
                }
                hole = (continues ? hole.lowerBound : part.lowerBound)..<position
            }
            if position == before {
                // The device does not tell; its bytes do.
                if data.isEmpty {
                    appendHole(&hole, of: request, isLast: false, &channel)
                    data = position..<position
                }
                position = piece.upperBound
                data = data.lowerBound..<position
            }
        }
        if !data.isEmpty {
            try appendData(data, of: request, isLast: data.upperBound == end, from: device, &channel)
        }
        if hole.upperBound == end {
            appendHole(&hole, of: request, isLast: true, &channel)
        }
    }

    /// Appends a chunk for a hole, if there is one.
    private func appendHole(
        _ hole: inout Range<UInt64>, of request: Request, isLast: Bool, _ channel: inout Channel
    ) {
        guard !hole.isEmpty else {
            return
        }
        beginChunk(.offsetHole, request, length: 12, isLast: isLast, &channel)
        channel.append(hole.lowerBound)
        channel.append(UInt32(truncatingIfNeeded: hole.count))
        hole = hole.upperBound..<hole.upperBound
    }

    private func appendData(
        _ range: Range<UInt64>, of request: Request, isLast: Bool, from device: any BlockDevice,
        _ channel: inout Channel
    ) throws(StorageError) {
        beginChunk(.offsetData, request, length: 8 + range.count, isLast: isLast, &channel)
        channel.append(range.lowerBound)
        try channel.append(range.count) { buffer throws(StorageError) in
            try device.read(into: &buffer, at: range.lowerBound)
        }
    }
}
