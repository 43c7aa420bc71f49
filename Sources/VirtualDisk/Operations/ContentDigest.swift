// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage
import Glibc
import Hashing

/// What a disk reads as, in one number, however its files store it.
///
/// ```
///   disk    | block 0 | block 1 |  zeros  | block 3 |
///              SHA-256(0, bytes) + SHA-256(1, bytes) + SHA-256(3, bytes)     modulo 2^256
/// ```
/// Each block has 64 KiB, the last one what is left; its number goes into the hash as eight bytes, little-endian, before
/// its bytes. Blocks of zeros count nothing. The hashes and the sum are numbers of 32 bytes, little-endian. A sum can go
/// on from the parent's: the hashes of the blocks that changed are taken out and put in.
public struct ContentDigest: Hashable, Sendable, CustomStringConvertible {
    /// The bytes of one block.
    public static let blockSize: UInt64 = 64 << 10

    /// The number, its lowest part first.
    private var words: [UInt64] = [0, 0, 0, 0]

    /// The digest of a disk that holds only zeros.
    public init() {}

    /// Reads a digest as ``description`` writes it; nil for any other text.
    public init?(_ text: String) {
        let digits = text.utf8.map { $0 &- ($0 >= 97 ? 87 : 48) }
        guard digits.count == 64, text.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }) else {
            return nil
        }
        self.init(bytes: (0..<32).map { digits[2 * $0] << 4 | digits[2 * $0 + 1] })
    }

    private init(bytes: [UInt8]) {
        for (index, byte) in bytes.prefix(32).enumerated() { words[index / 8] |= UInt64(byte) << (index % 8 * 8) }
    }

    /// The 32 bytes, the lowest first, in 64 lower-case hexadecimal digits.
    public var description: String {
        Digest(bytes: (0..<32).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> ($0 % 8 * 8)) }).description
    }

    /// Reads all of a disk.
    public init(of chain: DiskChain, progress: DiskProgress? = nil) throws(StorageError) {
        var block = Block()
        try Self.forBlocks(of: chain.size, progress) { (sector, count) throws(StorageError) in
            let found = try chain.locate(sector, count: count)
            return (found.run.count, found.image == nil)
        } do: { (index) throws(StorageError) in
            if let hash = try block.hash(of: chain, index) { add(hash) }
        }
    }

    /// Reads of a disk only the blocks in which its own file has something.
    ///
    /// - Parameters:
    ///   - parent: the disk from which it grew, of the same size.
    ///   - known: the parent's digest.
    public init(
        of chain: DiskChain, grownFrom parent: DiskChain, with known: ContentDigest, progress: DiskProgress? = nil
    ) throws(StorageError) {
        self = known
        var block = Block()
        let own = chain.leaf
        try Self.forBlocks(of: chain.size, progress) { (sector, count) throws(StorageError) in
            let run = try own.locate(sector, count: count)
            return (run.count, run.place == .absent)
        } do: { (index) throws(StorageError) in
            if let hash = try block.hash(of: parent, index) { subtract(hash) }
            if let hash = try block.hash(of: chain, index) { add(hash) }
        }
    }

    /// Does something with each block that does not lie wholly in runs that count nothing.
    private static func forBlocks(
        of size: UInt64, _ progress: DiskProgress?,
        _ run: (_ sector: UInt64, _ count: UInt64) throws(StorageError) -> (count: UInt64, isNothing: Bool),
        do body: (UInt64) throws(StorageError) -> Void
    ) throws(StorageError) {
        var position: UInt64 = 0
        while position < size {
            try progress?(position, size)
            let (count, isNothing) = try run(position / 512, (size - position) / 512)
            if isNothing {
                let end = position + count * 512
                guard end < size else { return }
                let next = end / blockSize * blockSize
                if next > position {
                    position = next
                    continue
                }
            }
            try body(position / blockSize)
            position += blockSize
        }
    }

    private mutating func add(_ other: ContentDigest) {
        var carry: UInt64 = 0
        for index in words.indices {
            let (sum, first) = words[index].addingReportingOverflow(other.words[index])
            let (total, second) = sum.addingReportingOverflow(carry)
            words[index] = total
            carry = first || second ? 1 : 0
        }
    }

    private mutating func subtract(_ other: ContentDigest) {
        var borrow: UInt64 = 0
        for index in words.indices {
            let (rest, first) = words[index].subtractingReportingOverflow(other.words[index])
            let (total, second) = rest.subtractingReportingOverflow(borrow)
            words[index] = total
            borrow = first || second ? 1 : 0
        }
    }

    /// Room for one block.
    private struct Block {
        private var bytes: [UInt8] = []

        /// The hash of a block; nil when it holds only zeros.
        mutating func hash(of chain: DiskChain, _ index: UInt64) throws(StorageError) -> ContentDigest? {
            let start = index * ContentDigest.blockSize
            let count = Int(min(ContentDigest.blockSize, chain.size - start))
            if bytes.count != count { bytes = [UInt8](repeating: 0, count: count) }
            var span = bytes.mutableSpan
            var buffer = unsafe span.mutableBytes
            try chain.read(into: &buffer, at: start)
            guard !isZero else { return nil }
            var hash = SHA256()
            let number = (0..<8).map { UInt8(truncatingIfNeeded: index >> (8 * $0)) }
            unsafe hash.update(number.span.bytes)
            unsafe hash.update(bytes.span.bytes)
            return ContentDigest(bytes: hash.finish().bytes)
        }

        private var isZero: Bool {
            unsafe bytes.withUnsafeBytes { bytes in
                guard let start = bytes.baseAddress, bytes.count > 1 else { return true }
                // Bytes that equal themselves one byte on are all like the first.
                return unsafe start.load(as: UInt8.self) == 0
                    && memcmp(start, start.advanced(by: 1), bytes.count - 1) == 0
            }
        }
    }
}
