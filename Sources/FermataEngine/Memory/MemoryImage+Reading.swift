// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Hashing

extension MemoryImage {
    /// Writes all pages to their places in a new sparse file, checking their digest on the way.
    func expand(into flat: PageFile) throws(EngineError) {
        try flat.truncate(to: memory)
        try unsafe forAllPages { (bytes, offset) throws(EngineError) in
            try unsafe flat.write(bytes, at: offset)
        }
    }

    /// Checks the digest of all pages.
    func check() throws(EngineError) {
        try unsafe forAllPages { (_, _) throws(EngineError) in }
    }

    /// Reads all stored pages in order, and checks their digest at the end.
    ///
    /// - Parameter body: takes some pages and their place in the memory.
    private func forAllPages(
        _ body: (UnsafeRawBufferPointer, Int) throws(EngineError) -> Void
    ) throws(EngineError) {
        var hash = SHA256()
        var offset = MemoryImage.headerSize
        let buffer = PageBuffer()
        try buffer.reserve(MemoryImage.chunk)
        for run in runs {
            var done = 0
            while done < run.byteCount {
                let step = min(MemoryImage.chunk, run.byteCount - done)
                let bytes = unsafe buffer.bytes(step)
                try unsafe file.read(into: bytes, at: offset)
                unsafe hash.update(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(bytes)))
                try unsafe body(UnsafeRawBufferPointer(bytes), run.first * MemoryImage.pageSize + done)
                offset += step
                done += step
            }
        }
        guard hash.finish().bytes == pagesDigest else {
            throw MemoryImage.damage(path, "pages whose checksum fits", "others")
        }
    }

    /// Copies runs of the memory, in order, one after another to the buffer, whose size is the sum of theirs.
    func read(_ wanted: [PageRun], into buffer: UnsafeMutableRawBufferPointer) throws(EngineError) {
        var offset = 0
        // The first stored run that ends behind the page that is read next.
        var index = 0
        for run in wanted {
            var page = run.first
            let end = run.first + run.count
            while page < end {
                while index < runs.count, runs[index].end <= page { index += 1 }
                let isStored = index < runs.count && runs[index].first <= page
                let next = index < runs.count ? (isStored ? runs[index].end : runs[index].first) : end
                let count = (min(next, end) - page) * MemoryImage.pageSize
                let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[offset..<offset + count])
                if isStored {
                    let stored = pagesBefore[index] + page - runs[index].first
                    try unsafe file.read(into: part, at: MemoryImage.headerSize + stored * MemoryImage.pageSize)
                } else {
                    unsafe part.initializeMemory(as: UInt8.self, repeating: 0)
                }
                offset += count
                page = min(next, end)
            }
        }
    }
}
