// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage

extension DiskChain {
    /// Fills the whole buffer with the bytes from `offset` on.
    public func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(StorageError) {
        try checkOpen()
        let count = buffer.byteCount
        try StorageError.check(offset: offset, count: count, within: size, of: leaf.store.name)
        var done = 0
        while done < count {
            let position = offset + UInt64(done)
            let skipped = position % 512
            let wanted = (skipped + UInt64(count - done) + 511) / 512
            let (image, run) = try locate(position / 512, count: wanted)
            let length = Int(min(run.count * 512 - skipped, UInt64(count - done)))
            var part = buffer._mutatingExtracting(done..<done + length)
            if let image, let start = run.offset {
                try image.store.readFully(into: &part, at: start + skipped)
            } else {
                part.fillWithZeros()
            }
            done += length
        }
    }

    /// Takes the range's first bytes into a pipe, as far as they lie together in one of the chain's files.
    public func gather(_ range: Range<UInt64>, atLeast least: Int, into pipe: PagePipe) throws(StorageError) -> Int {
        try checkOpen()
        try StorageError.check(range, within: size, of: leaf.store.name)
        let skipped = range.lowerBound % 512
        let (image, run) = try locate(range.lowerBound / 512, count: (skipped + UInt64(range.count) + 511) / 512)
        let count = min(Int(run.count * 512 - skipped), range.count)
        guard let image, let start = run.offset, count >= least else { return 0 }
        let place = start + skipped
        return image.isFlat
            ? try image.store.gatherData(place..<place + UInt64(count), atLeast: least, into: pipe)
            : try image.store.gather(into: pipe, at: place, count: count)
    }

    /// Tells where data lies and where there is nothing in any disk of the chain.
    public func extents(in range: Range<UInt64>) throws(StorageError) -> [Extent] {
        try checkOpen()
        try StorageError.check(range, within: size, of: leaf.store.name)
        var extents: [Extent] = []
        var position = range.lowerBound
        while position < range.upperBound, extents.count < Self.mostExtents {
            let skipped = position % 512
            let wanted = (skipped + (range.upperBound - position) + 511) / 512
            let (image, run) = try locate(position / 512, count: wanted)
            let end = min(position - skipped + run.count * 512, range.upperBound)
            if let image, let start = run.offset, image.isFlat {
                for extent in try image.store.extents(in: start + skipped..<start + skipped + (end - position)) {
                    Self.append(extent, &extents)
                    position = extent.range.upperBound
                }
            } else {
                Self.append(Extent(position..<end, image == nil ? .hole : .data), &extents)
                position = end
            }
        }
        return extents
    }

    private static var mostExtents: Int { 1024 }

    private static func append(_ extent: Extent, _ extents: inout [Extent]) {
        if let last = extents.last, last.kind == extent.kind, last.range.upperBound == extent.range.lowerBound {
            extents[extents.count - 1].range = last.range.lowerBound..<extent.range.upperBound
        } else {
            extents.append(extent)
        }
    }
}

extension MutableRawSpan {
    /// Sets every byte to zero.
    mutating func fillWithZeros() {
        unsafe withUnsafeMutableBytes { bytes in
            _ = unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
        }
    }
}
