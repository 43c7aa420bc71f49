// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage

extension Transmission {
    /// The most extents that one reply tells; a client asks again for the rest.
    private static let extentLimit = 4096

    /// BLOCK_STATUS: tells what is allocated, from the start of the range on.
    func blockStatus(_ request: Request, _ channel: inout Channel) throws(NBDError) {
        let limit = request.flags.contains(.reqOne) ? 1 : Self.extentLimit
        var runs: [(length: UInt32, state: UInt32)] = []
        do throws(ErrorNumber) {
            guard session.tellsAllocation else {
                throw ErrorNumber.invalid
            }
            let range = try check(request, .blockStatus)
            try withDevice(writing: false, &channel) { device, _ throws(StorageError) in
                var position = range.lowerBound
                for extent in try device.extents(in: range) {
                    let part = extent.range.clamped(to: position..<range.upperBound)
                    guard part.lowerBound == position, !part.isEmpty else {
                        break
                    }
                    let state = extent.kind == .hole ? AllocationContext.hole | AllocationContext.zero : 0
                    if let last = runs.last, last.state == state {
                        runs[runs.count - 1].length += UInt32(part.count)
                    } else if runs.count < limit {
                        runs.append((UInt32(part.count), state))
                    } else {
                        break
                    }
                    position = part.upperBound
                }
            }
            guard !runs.isEmpty else {
                throw ErrorNumber.io
            }
        } catch {
            try replyInChunks(to: request, error, &channel)
            return
        }
        let length = 4 + runs.count * 8
        try channel.reserve(Chunk.headerLength + length)
        beginChunk(.blockStatus, request, length: length, isLast: true, &channel)
        channel.append(AllocationContext.id)
        for run in runs {
            channel.append(run.length)
            channel.append(run.state)
        }
    }
}
