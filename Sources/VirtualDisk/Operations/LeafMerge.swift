// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage
import Synchronization
public import SystemPackage

/// The merge of a disk that is being written into the one from which it grew.
///
/// ```
///   base ◄─ disk ◄─ leaf      ──►      base ◄─ disk
///
///   device     takes the leaf's writes from before copy() on, and notes where they went
///   copy()     what the leaf has, then what was written meanwhile, until that is little; again whenever it was much
///   finish()   with nobody writing: the rest. The target then reads as the leaf does.
/// ```
///
/// The leaf hides what is written into the disk, so until the configuration names the disk nothing has changed, and a
/// crash loses nothing. Only for a disk that nobody but the leaf needs.
public final class LeafMerge: Sendable {
    /// The chain whose leaf is merged.
    public let chain: DiskChain
    /// What takes the leaf's writes while it is merged.
    public var device: any BlockDevice { noting }

    private let noting: NotingDevice
    /// The chain of the disk, which takes the writes in the end.
    public let target: DiskChain
    private let time: Int64

    /// Prepares a merge.
    ///
    /// - Parameters:
    ///   - chain: the chain whose leaf takes writes.
    ///   - disk: the file from which the leaf grew.
    /// - Throws: ``DiskError/Code/noSpace`` where the disk could not take all that the leaf has.
    public convenience init(of chain: DiskChain, into disk: FilePath) throws(DiskError) {
        try self.init(of: chain, into: LabPath.location(of: disk, beneath: FilePath(chain.tree.name)))
    }

    init(of chain: DiskChain, into location: [String]) throws(DiskError) {
        let tree = chain.tree
        guard let parent = chain.images.dropFirst().first, parent.location == location else {
            throw DiskError(
                .invalidArgument, path: chain.leaf.store.name,
                "\(tree.path(of: location)) is not the disk from which it grew")
        }
        if let files = tree as? any NamedFiles {
            let transfer = DiskTransfer(images: chain.images, sources: 0..<1)
            try DiskMerge.checkSpace(transfer.space(in: parent), for: parent, in: files)
        }
        time = try reaching(parent.store.name) { () throws(StorageError) in
            try parent.store.status().modificationTime
        }
        target = try DiskChain.open(location, in: tree, access: .readWrite, keepingIdentity: true)
        noting = NotingDevice(chain)
        self.chain = chain
    }

    /// How many bytes were written since they were copied, at most.
    public var remaining: UInt64 { noting.noted }

    /// Copies everything that the leaf has and that was not copied yet.
    ///
    /// - Parameters:
    ///   - isAll: whether everything is copied, not only what was written since the last time.
    ///   - progress: what it throws ends the copying.
    public func copy(_ isAll: Bool, progress: DiskProgress? = nil) throws(DiskError) {
        try reaching(chain.leaf.store.name) { () throws(StorageError) in
            let parts = noting.take()
            let ranges = isAll ? [0..<chain.size] : parts.map { noting.range(of: $0) }
            let total = ranges.reduce(0) { $0 + ($1.upperBound - $1.lowerBound) }
            var done: UInt64 = 0
            do throws(StorageError) {
                var buffer = [UInt8](repeating: 0, count: 1 << 20)
                for range in ranges {
                    try chain.copyLeaf(range, to: target, through: &buffer) { (count) throws(StorageError) in
                        done += count
                        try progress?(done, total)
                    }
                }
            } catch {
                for part in parts { noting.note(noting.range(of: part)) }
                throw error
            }
        }
    }

    /// Makes what was copied durable, so that little is left to do for ``finish()``.
    public func flush() throws(DiskError) {
        try reaching(chain.leaf.store.name) { () throws(StorageError) in try target.flush() }
    }

    /// Copies the rest, durable on return; nobody may write meanwhile.
    ///
    /// ``target`` can take the writes from then on, and the leaf's file is not needed once no configuration names it.
    public func finish() throws(DiskError) {
        try copy(false)
        try flush()
    }

    /// Gives up: the leaf stays, and hides what was copied.
    public func abandon() {
        guard (try? target.close()) != nil else { return }
        // The leaf recorded when its parent was changed.
        try? target.leaf.store.setModificationTime(time)
    }
}

/// A chain that notes where it is written.
private final class NotingDevice: BlockDevice {
    private let chain: DiskChain
    private let parts: Mutex<DirtyList>

    /// The bytes of a part; a disk of 1 TiB has 4 million of them.
    private static let part: UInt64 = 256 << 10

    var size: UInt64 { chain.size }
    var sectorSize: UInt32 { chain.sectorSize }
    var isReadOnly: Bool { chain.isReadOnly }

    init(_ chain: DiskChain) {
        self.chain = chain
        parts = Mutex(DirtyList(count: Int((chain.size + Self.part - 1) / Self.part)))
    }

    var noted: UInt64 { parts.withLock { UInt64($0.count) } * Self.part }

    func take() -> [Int] { parts.withLock { $0.take() }.sorted() }

    func range(of part: Int) -> Range<UInt64> {
        UInt64(part) * Self.part..<min(UInt64(part + 1) * Self.part, size)
    }

    func note(_ range: Range<UInt64>) {
        guard !range.isEmpty, range.upperBound <= size else { return }
        parts.withLock { parts in
            for part in range.lowerBound / Self.part...(range.upperBound - 1) / Self.part { parts.mark(Int(part)) }
        }
    }

    func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(StorageError) {
        try chain.read(into: &buffer, at: offset)
    }

    func gather(_ range: Range<UInt64>, atLeast least: Int, into pipe: PagePipe) throws(StorageError) -> Int {
        try chain.gather(range, atLeast: least, into: pipe)
    }

    // Noted once they are done, for a copy that was made before may lack them; when they fail, some may be.
    func write(_ buffer: RawSpan, at offset: UInt64) throws(StorageError) {
        try StorageError.check(offset: offset, count: buffer.byteCount, within: size, of: "the disk")
        defer { note(offset..<offset + UInt64(buffer.byteCount)) }
        try chain.write(buffer, at: offset)
    }

    func writeZeroes(_ range: Range<UInt64>) throws(StorageError) {
        defer { note(range) }
        try chain.writeZeroes(range)
    }

    func discard(_ range: Range<UInt64>) throws(StorageError) {
        defer { note(range) }
        try chain.discard(range)
    }

    func flush() throws(StorageError) {
        try chain.flush()
    }

    func extents(in range: Range<UInt64>) throws(StorageError) -> [Extent] {
        try chain.extents(in: range)
    }
}
