// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage

extension DiskChain {
    /// Writes the whole buffer at `offset`; durable after the next flush.
    public func write(_ buffer: RawSpan, at offset: UInt64) throws(StorageError) {
        try checkWritable()
        let count = buffer.byteCount
        try StorageError.check(offset: offset, count: count, within: size, of: leaf.store.name)
        takeOver()
        try leaf.gate.write { () throws(StorageError) in
            var done = 0
            while done < count {
                let position = offset + UInt64(done)
                done += try writePiece(buffer.extracting(done..<count), at: position)
            }
        }
    }

    /// Makes the range read as zeros; stores nothing where no disk of the chain has anything.
    public func writeZeroes(_ range: Range<UInt64>) throws(StorageError) {
        try checkWritable()
        try StorageError.check(range, within: size, of: leaf.store.name)
        takeOver()
        try leaf.gate.write { () throws(StorageError) in
            var position = range.lowerBound
            while position < range.upperBound {
                position += try zeroPiece(at: position, remaining: range.upperBound - position)
            }
        }
    }

    /// Gives back space that the leaf has for the range; what only ancestors have stays.
    public func discard(_ range: Range<UInt64>) throws(StorageError) {
        try checkWritable()
        try StorageError.check(range, within: size, of: leaf.store.name)
        takeOver()
        try leaf.gate.write { () throws(StorageError) in
            let unit = UInt64(leaf.sectorSize)
            var position = (range.lowerBound + unit - 1) / unit * unit
            let end = range.upperBound / unit * unit
            while position < end {
                let run = try leaf.locate(position / 512, count: (end - position) / 512)
                if run.place != .absent {
                    let erased = try leaf.erase(position / 512, count: (end - position) / 512)
                    position += erased * 512
                    guard erased == 0 else { continue }
                }
                if let start = run.offset, run.count >= 8 {
                    try leaf.store.punchHole(start..<start + run.count * 512)
                }
                position += run.count * 512
            }
        }
    }

    private func checkWritable() throws(StorageError) {
        try checkOpen()
        guard !isReadOnly else {
            throw StorageError(.readOnly, name: leaf.store.name, detail: "is open for reading only")
        }
    }

    /// Writes the first bytes of what is left: a part of one sector, or whole sectors of one block.
    ///
    /// - Returns: how many they were.
    private func writePiece(_ rest: RawSpan, at position: UInt64) throws(StorageError) -> Int {
        guard !leaf.isFlat else {
            try writeBytes(rest, at: position)
            return rest.byteCount
        }
        let skipped = Int(position % UInt64(leaf.sectorSize))
        if skipped == 0, rest.byteCount >= leaf.sectorSize {
            return try writeSectors(rest, at: position / 512)
        }
        let length = min(leaf.sectorSize - skipped, rest.byteCount)
        try writePart(rest.extracting(0..<length), of: (position - UInt64(skipped)) / 512, at: skipped)
        return length
    }

    private func writeSectors(_ rest: RawSpan, at sector: UInt64) throws(StorageError) -> Int {
        let run = try leaf.place(sector, count: UInt64(rest.byteCount / leaf.sectorSize * leaf.sectorSize) / 512)
        let length = Int(run.count * 512)
        if let start = run.offset {
            try writeBytes(rest.extracting(0..<length), at: start)
            try leaf.commit(sector, count: run.count)
        }
        return length
    }

    /// What is long is hardly written again before the next flush, so its way to the disk begins at once.
    private func writeBytes(_ bytes: RawSpan, at offset: UInt64) throws(StorageError) {
        try leaf.store.write(bytes, at: offset)
        if bytes.byteCount >= Self.longWrite {
            leaf.store.beginWriteback(offset..<offset + UInt64(bytes.byteCount))
        }
    }

    private static var longWrite: Int { 512 << 10 }

    private func writePart(_ part: RawSpan, of sector: UInt64, at skipped: Int) throws(StorageError) {
        if let start = try leaf.locate(sector, count: 1).offset {
            // All of the disk's own sector is there when its first part is.
            return try leaf.store.write(part, at: start + UInt64(skipped))
        }
        // A bitmap has one bit per sector, so the rest of it comes along from where it is.
        var whole = InlineArray<4096, UInt8>(repeating: 0)
        var span = whole.mutableSpan
        var all = unsafe span.mutableBytes
        var bytes = all._mutatingExtracting(first: leaf.sectorSize)
        try read(into: &bytes, at: sector * 512)
        for index in 0..<part.byteCount {
            let byte = unsafe part.unsafeLoad(fromByteOffset: index, as: UInt8.self)
            bytes.storeBytes(of: byte, toByteOffset: skipped + index, as: UInt8.self)
        }
        _ = try writeSectors(unsafe whole.span.bytes.extracting(0..<leaf.sectorSize), at: sector)
    }

    private func zeroPiece(at position: UInt64, remaining: UInt64) throws(StorageError) -> UInt64 {
        let unit = UInt64(leaf.sectorSize)
        let skipped = position % unit
        let sector = (position - skipped) / 512
        if leaf.isFlat {
            try writeZeros(position..<position + remaining)
            return remaining
        }
        if skipped != 0 || remaining < unit {
            let length = min(unit - skipped, remaining)
            if try locate(sector, count: 1).image != nil {
                let zeros = InlineArray<4096, UInt8>(repeating: 0)
                try writePart(unsafe zeros.span.bytes.extracting(0..<Int(length)), of: sector, at: Int(skipped))
            }
            return length
        }
        var (image, run) = try locate(sector, count: remaining / unit * unit / 512)
        guard let source = image else { return run.count * 512 }
        let erased = try leaf.erase(sector, count: remaining / unit * unit / 512)
        guard erased == 0 else { return erased * 512 }
        if source !== leaf { run = try leaf.place(sector, count: run.count) }
        guard let start = run.offset else { return run.count * 512 }
        try writeZeros(start..<start + run.count * 512)
        try leaf.commit(sector, count: run.count)
        return run.count * 512
    }

    /// Long runs give their space back.
    private func writeZeros(_ range: Range<UInt64>) throws(StorageError) {
        if range.upperBound - range.lowerBound >= 64 << 10 {
            try leaf.store.punchHole(range)
        } else {
            try leaf.store.writeZeroes(range)
        }
    }
}
