// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage

extension Transmission {
    /// What NO_HOLE writes at a time.
    private static let zeroes = [UInt8](repeating: 0, count: 1 << 20)

    /// WRITE_ZEROES: makes the bytes read as zeroes.
    ///
    /// With NO_HOLE the zeroes are written, so that a later write to them needs no space. No device promises that
    /// zeroing is faster than writing, so FAST_ZERO is done only where nothing is stored anyway.
    mutating func writeZeroes(_ request: Request, _ channel: inout Channel) throws(NBDError) {
        let noHole = request.flags.contains(.noHole)
        let isFast = request.flags.contains(.fastZero)
        var isDone = true
        do throws(ErrorNumber) {
            let range = try check(request, .writeZeroes, writing: true)
            if noHole, !isFast {
                try fill(range, &channel)
            } else {
                try withDevice(writing: true, &channel) { device, _ throws(StorageError) in
                    if isFast {
                        isDone = noHole ? false : try isHole(range, of: device)
                    } else {
                        try device.writeZeroes(range)
                    }
                }
            }
            guard isDone else {
                throw ErrorNumber.notSupported
            }
        } catch {
            try reply(to: request, error, &channel)
            return
        }
        try replyAfterChange(to: request, &channel)
    }

    /// Whether nothing is stored for any byte of the range.
    private func isHole(_ range: Range<UInt64>, of device: any BlockDevice) throws(StorageError) -> Bool {
        var position = range.lowerBound
        while position < range.upperBound {
            guard let extent = try device.extents(in: position..<range.upperBound).first, extent.kind == .hole,
                extent.range.lowerBound <= position, extent.range.upperBound > position
            else {
                return false
            }
            position = extent.range.upperBound
        }
        return true
    }

    /// Writes zeroes, in pieces: nobody who waits for the export waits for all of them.
    private func fill(_ range: Range<UInt64>, _ channel: inout Channel) throws(ErrorNumber) {
        var position = range.lowerBound
        while position < range.upperBound {
            let count = Int(min(range.upperBound - position, UInt64(Self.zeroes.count)))
            try withDevice(writing: true, &channel) { device, _ throws(StorageError) in
                try unsafe Self.zeroes.span.withUnsafeBytes { bytes throws(StorageError) in
                    unsafe try device.write(UnsafeRawBufferPointer(rebasing: bytes[..<count]).bytes, at: position)
                }
            }
            position += UInt64(count)
        }
    }
}
