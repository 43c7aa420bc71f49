// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage

extension Transmission {
    /// A READ from this length on is asked where its holes are, so that they need not be sent.
    private static let sparseLength = 64 << 10
    /// A shorter hole between data costs more as a chunk of its own than as zeroes.
    private static let shortestHole: UInt64 = 16 << 10

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
        let isSparse =
            session.structuredReplies && !request.flags.contains(.df) && request.length >= Self.sparseLength
        // Each hole takes a chunk, but is longer than the chunks around it.
        try channel.reserve(Int(request.length) + 2 * (Chunk.headerLength + 12))
        let mark = channel.pending
        do throws(ErrorNumber) {
            try withDevice(writing: false, &channel) { device, channel throws(StorageError) in
                if isSparse {
                    try readSparse(request, range, from: device, &channel)
                } else {
                    try readWhole(request, from: device, &channel)
                }
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

    /// Appends chunks of data, and of holes where the device has them.
    private func readSparse(
        _ request: Request, _ range: Range<UInt64>, from device: any BlockDevice, _ channel: inout Channel
    ) throws(StorageError) {
        var position = range.lowerBound
        var data = position..<position
        while position < range.upperBound {
            let extents = try device.extents(in: position..<range.upperBound)
            let before = position
            for extent in extents {
                let part = extent.range.clamped(to: position..<range.upperBound)
                guard part.lowerBound == position, !part.isEmpty else {
                    break
                }
                position = part.upperBound
                guard extent.kind == .hole, UInt64(part.count) >= Self.shortestHole else {
                    data = data.lowerBound..<position
                    continue
                }
                if !data.isEmpty {
                    try appendData(data, of: request, isLast: false, from: device, &channel)
                }
                beginChunk(.offsetHole, request, length: 12, isLast: position == range.upperBound, &channel)
                channel.append(part.lowerBound)
                channel.append(UInt32(truncatingIfNeeded: part.count))
                data = position..<position
            }
            if position == before {
                // The device does not tell; its bytes do.
                position = range.upperBound
                data = data.lowerBound..<position
            }
        }
        if !data.isEmpty {
            try appendData(data, of: request, isLast: true, from: device, &channel)
        }
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
