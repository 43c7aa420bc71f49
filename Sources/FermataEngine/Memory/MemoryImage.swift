// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Hashing
import SystemPackage

/// The memory of a checkpoint: its `.bin`, durable and small.
///
/// All numbers are little-endian. Pages that hold only zeros are left out.
/// ```
///      0  "FERMABIN"
///      8  u32 format version = 1
///     12  u32 page size = 4096
///     16  u64 memory size in bytes
///     24  u64 number of stored pages
///     32  u64 number of runs
///     40  GUID of the parent image, zeros for none
///     56  SHA-256 of all stored pages
///     88  SHA-256 of the run table
///    120  SHA-256 of bytes 0 to 119
///   4096  the stored pages, back to back
///      …  the run table: for each run u64 first page, u64 number of pages; in order, without overlap
/// ```
/// The digest at 120 stands for the whole image: a `.vsv` carries it.
struct MemoryImage {
    static let magic = Array("FERMABIN".utf8)
    static let headerSize = 4096
    static let pageSize = PageRun.pageSize

    let path: FilePath
    /// The memory size in bytes.
    let memory: Int
    /// The runs of stored pages.
    let runs: [PageRun]
    /// How many pages are stored before each run.
    let pagesBefore: [Int]
    /// The digest that stands for the whole image.
    let digest: Digest
    let pagesDigest: [UInt8]
    let file: PageFile

    /// Opens an image and checks its header and its run table, not its pages.
    init(reading path: FilePath) throws(EngineError) {
        self.path = path
        file = try PageFile(reading: path)
        let length = try file.length()
        guard length >= MemoryImage.headerSize else {
            throw MemoryImage.damage(path, "a header of 4096 bytes", "\(length) bytes")
        }
        let header = LittleEndianBytes(try MemoryImage.bytes(of: file, at: 0, count: 152))
        guard header[0..<8] == MemoryImage.magic[...] else {
            throw MemoryImage.damage(path, "the magic 'FERMABIN'", "something else")
        }
        guard header.u32(at: 8) == 1 else {
            throw MemoryImage.damage(path, "format version 1", "\(header.u32(at: 8)); a newer Fermata wrote it")
        }
        digest = Digest(bytes: Array(header[120..<152]))
        guard SHA256.digest(of: header[0..<120]) == digest else {
            throw MemoryImage.damage(path, "a header whose checksum fits", "another")
        }
        let pages = header.u64(at: 24)
        let count = header.u64(at: 32)
        let bytes = header.u64(at: 16)
        guard header.u32(at: 12) == MemoryImage.pageSize, bytes % 4096 == 0, bytes <= 1 << 44,
            pages <= bytes / 4096, count <= pages,
            UInt64(length) == UInt64(MemoryImage.headerSize) + pages * 4096 + count * 16
        else { throw MemoryImage.damage(path, "sizes that fit the file's length", "others") }
        memory = Int(bytes)
        pagesDigest = Array(header[56..<88])
        let table = LittleEndianBytes(
            try MemoryImage.bytes(
                of: file, at: MemoryImage.headerSize + Int(pages) * MemoryImage.pageSize, count: Int(count) * 16))
        guard SHA256.digest(of: table[0..<Int(count) * 16]).bytes == Array(header[88..<120]) else {
            throw MemoryImage.damage(path, "a run table whose checksum fits", "another")
        }
        runs = try MemoryImage.runs(in: table, count: Int(count), pages: Int(pages), of: memory, path: path)
        var before = 0
        pagesBefore = runs.map { run in
            defer { before += run.count }
            return before
        }
    }

    private static func runs(
        in table: LittleEndianBytes, count: Int, pages: Int, of memory: Int, path: FilePath
    ) throws(EngineError) -> [PageRun] {
        var runs: [PageRun] = []
        var next: UInt64 = 0
        var total: UInt64 = 0
        let limit = UInt64(memory / pageSize)
        for index in 0..<count {
            let first = table.u64(at: index * 16)
            let length = table.u64(at: index * 16 + 8)
            guard first >= next, length > 0, first < limit, length <= limit - first else {
                throw damage(path, "runs in order and within the memory", "run \(index) at page \(first)")
            }
            next = first + length
            total += length
            runs.append(PageRun(first: Int(first), count: Int(length)))
        }
        guard total == UInt64(pages) else { throw damage(path, "runs of \(pages) pages", "\(total)") }
        return runs
    }

    static let chunk = 1 << 20

    private static func bytes(of file: PageFile, at offset: Int, count: Int) throws(EngineError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let result: Result<Void, EngineError> = unsafe bytes.withUnsafeMutableBytes { buffer in
            do throws(EngineError) {
                return .success(try unsafe file.read(into: buffer, at: offset))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
        return bytes
    }

    static func damage(_ path: FilePath, _ expected: String, _ found: String) -> EngineError {
        EngineError(
            .damaged,
            "\(path): expected \(expected), found \(found); this checkpoint's memory cannot be used, its "
                + "disks can")
    }
}
