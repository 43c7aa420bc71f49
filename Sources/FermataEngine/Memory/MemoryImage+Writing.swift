// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Glibc
import Hashing
import SystemPackage

extension MemoryImage {
    /// Writes a durable image of a moment: the mapped image with the pages that had changed.
    ///
    /// - Parameters:
    ///   - base: the flat image that the machine had mapped, as long as its memory.
    ///   - changed: the runs that differ from it, in order.
    ///   - pages: the runs' content, one after another.
    /// - Returns: the digest that stands for the whole image.
    static func write(
        to path: FilePath, base: PageFile, changed: [PageRun], pages: UnsafeRawBufferPointer
    ) throws(EngineError) -> Digest {
        let memory = try base.length()
        let file = try PageFile(creating: path)
        var writer = Writer(file: file)
        var overlay = unsafe Overlay(runs: changed, pages: pages)
        let buffer = PageBuffer()
        try buffer.reserve(chunk)
        var data: Range<Int>? = try base.nextData(from: 0)
        var position = 0
        while position < memory {
            let end = min(position + chunk, memory)
            while let known = data, known.upperBound <= position { data = try base.nextData(from: known.upperBound) }
            let hasBase = data.map { $0.lowerBound < end } ?? false
            if hasBase || overlay.touches(position..<end) {
                let bytes = unsafe buffer.bytes(end - position)
                if hasBase {
                    try unsafe base.read(into: bytes, at: position)
                } else {
                    unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
                }
                unsafe overlay.apply(to: bytes, at: position)
                try unsafe writer.add(UnsafeRawBufferPointer(bytes), firstPage: position / pageSize)
            }
            position = end
        }
        return try writer.finish(memory: memory)
    }

    /// Collects pages that hold more than zeros, in order.
    private struct Writer: ~Copyable {
        let file: PageFile
        var hash = SHA256()
        var runs: [PageRun] = []
        var pages = 0

        init(file: PageFile) {
            self.file = file
        }

        mutating func add(_ chunk: UnsafeRawBufferPointer, firstPage: Int) throws(EngineError) {
            var page = 0
            let count = chunk.count / pageSize
            while page < count {
                guard unsafe !Writer.isZero(chunk, page) else {
                    page += 1
                    continue
                }
                var end = page + 1
                while end < count, unsafe !Writer.isZero(chunk, end) { end += 1 }
                let bytes = unsafe UnsafeRawBufferPointer(rebasing: chunk[page * pageSize..<end * pageSize])
                unsafe hash.update(RawSpan(_unsafeBytes: bytes))
                try unsafe file.write(bytes, at: headerSize + pages * pageSize)
                append(PageRun(first: firstPage + page, count: end - page))
                page = end
            }
        }

        private mutating func append(_ run: PageRun) {
            pages += run.count
            if let last = runs.last, last.first + last.count == run.first {
                runs[runs.count - 1].count += run.count
            } else {
                runs.append(run)
            }
        }

        private static func isZero(_ chunk: UnsafeRawBufferPointer, _ page: Int) -> Bool {
            // A page whose first eight bytes are zero and that equals itself eight bytes on is zero throughout.
            guard let start = unsafe chunk.baseAddress?.advanced(by: page * pageSize) else { return true }
            return unsafe start.load(as: UInt64.self) == 0 && memcmp(start, start.advanced(by: 8), pageSize - 8) == 0
        }

        consuming func finish(memory: Int) throws(EngineError) -> Digest {
            var table = LittleEndianBytes()
            for run in runs {
                table.append(UInt64(run.first))
                table.append(UInt64(run.count))
            }
            var header = LittleEndianBytes(magic)
            header.append(UInt32(1))
            header.append(UInt32(pageSize))
            header.append(UInt64(memory))
            header.append(UInt64(pages))
            header.append(UInt64(runs.count))
            header.append([UInt8](repeating: 0, count: 16))
            let (pages, file) = (pages, file)
            header.append(hash.finish().bytes)
            header.append(SHA256.digest(of: table.bytes).bytes)
            let digest = SHA256.digest(of: header.bytes)
            header.append(digest.bytes)
            try Writer.put(table.bytes, to: file, at: headerSize + pages * pageSize)
            try Writer.put(header.bytes, to: file, at: 0)
            if pages == 0 { try file.truncate(to: headerSize + table.bytes.count) }
            try file.synchronize()
            return digest
        }

        private static func put(_ bytes: [UInt8], to file: PageFile, at offset: Int) throws(EngineError) {
            let result: Result<Void, EngineError> = unsafe bytes.withUnsafeBytes { buffer in
                do throws(EngineError) {
                    return .success(try unsafe file.write(buffer, at: offset))
                } catch {
                    return .failure(error)
                }
            }
            try result.get()
        }
    }

    /// Changed pages, laid over the chunks of the mapped image in their order.
    @safe private struct Overlay {
        let runs: [PageRun]
        let pages: UnsafeRawBufferPointer
        /// The first run that may lie ahead, and where its pages begin.
        var index = 0
        var offset = 0

        init(runs: [PageRun], pages: UnsafeRawBufferPointer) {
            self.runs = runs
            unsafe self.pages = pages
        }

        mutating func touches(_ range: Range<Int>) -> Bool {
            while index < runs.count, (runs[index].first + runs[index].count) * pageSize <= range.lowerBound {
                offset += runs[index].byteCount
                index += 1
            }
            return index < runs.count && runs[index].first * pageSize < range.upperBound
        }

        mutating func apply(to chunk: UnsafeMutableRawBufferPointer, at position: Int) {
            let range = position..<position + chunk.count
            guard touches(range) else { return }
            var (index, offset) = (index, offset)
            while index < runs.count, runs[index].first * pageSize < range.upperBound {
                let start = runs[index].first * pageSize
                let common = (start..<start + runs[index].byteCount).clamped(to: range)
                let source = unsafe pages[offset + common.lowerBound - start..<offset + common.upperBound - start]
                unsafe UnsafeMutableRawBufferPointer(
                    rebasing: chunk[common.lowerBound - position..<common.upperBound - position]
                ).copyMemory(from: UnsafeRawBufferPointer(rebasing: source))
                offset += runs[index].byteCount
                index += 1
            }
        }
    }
}
