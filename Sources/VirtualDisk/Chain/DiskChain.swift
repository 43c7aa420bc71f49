// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage
import Synchronization
import SystemPackage

/// A disk with all its ancestors, read and written as one.
///
/// ```
///   leaf ──► recent ──► recent ──► index: the images that change no more ──► base
///   takes the writes    were leaves in this process; their metadata may still be in memory alone
/// ```
///
/// Only the leaf is ever written. Before anything written to it becomes durable, so does everything that was written to
/// those that were leaves before it. What was not flushed when the chain is dropped is lost, as in a power cut.
/// It knows nothing of machines, and follows no parent out of the lab.
public final class DiskChain: BlockDevice {
    /// More disks than this are not followed.
    public static let mostLayers: Int = 256

    /// The size in bytes.
    public let size: UInt64
    /// Whether writes are refused.
    public let isReadOnly: Bool
    /// The bytes of the disk's sectors, 512 or 4096; requests need not be multiples of it.
    public let sectorSize: UInt32
    /// What is odd about the disks.
    public let warnings: [DiskWarning]

    let leaf: any DiskImage
    /// What were leaves in this process, the nearest first.
    let recent: [any DiskImage]
    /// Those of the ancestors that were opened for writing and may have something to flush, the nearest first.
    let flushable: [any DiskImage]
    /// What changes no more: the ancestors, and of a disk that is only read the leaf too.
    let index: ChainIndex
    let tree: any FileTree
    private let isClosed: Atomic<Bool> = Atomic(false)
    private let hasTakenOver: Atomic<Bool> = Atomic(false)

    init(
        leaf: any DiskImage, recent: [any DiskImage], flushable: [any DiskImage], index: ChainIndex,
        tree: any FileTree, isReadOnly: Bool, warnings: [DiskWarning]
    ) {
        self.leaf = leaf
        self.recent = recent
        self.flushable = flushable
        self.index = index
        self.tree = tree
        self.isReadOnly = isReadOnly
        self.warnings = warnings
        size = leaf.size
        sectorSize = UInt32(leaf.sectorSize)
    }

    /// The disks from the leaf to the base.
    public var layers: [DiskLayer] {
        images.map { DiskLayer($0) }
    }

    var images: [any DiskImage] { isReadOnly ? index.images : [leaf] + recent + index.images }

    /// Makes everything that was acknowledged durable, the ancestors' first.
    public func flush() throws(StorageError) {
        try checkOpen()
        for image in flushable.reversed() { try image.flush() }
        try leaf.flush()
    }

    /// Ends the life of the leaf as one: it takes no more writes, is made durable, and gets the time of change that its
    /// child recorded.
    ///
    /// - Parameter modificationTime: that time in seconds since 1970; nil leaves it as it is.
    public func seal(modificationTime: Int64?) throws(StorageError) {
        try checkOpen()
        guard !isReadOnly else { return }
        leaf.gate.freeze()
        for image in flushable.reversed() { try image.flush() }
        try leaf.seal(modificationTime: modificationTime)
    }

    /// Makes everything durable and answers nothing from then on.
    ///
    /// Files that another chain uses too stay open for it. When it fails, nothing is closed, and it can be tried again.
    public func close() throws(StorageError) {
        guard !isClosed.load(ordering: .acquiring) else { return }
        if !isReadOnly {
            try flush()
            for image in flushable.reversed() { try image.settle() }
            try leaf.settle()
        }
        isClosed.store(true, ordering: .releasing)
    }

    func checkOpen() throws(StorageError) {
        guard !isClosed.load(ordering: .acquiring) else {
            throw StorageError(.io, name: leaf.store.name, detail: "is closed", errno: .badFileDescriptor)
        }
    }

    /// From its first write on, nothing may change beneath the leaf.
    func takeOver() {
        guard !hasTakenOver.load(ordering: .acquiring) else { return }
        for image in flushable { image.gate.freeze() }
        hasTakenOver.store(true, ordering: .releasing)
    }

    /// Looks a run of sectors up; without an image they are zeros.
    func locate(_ sector: UInt64, count: UInt64) throws(StorageError) -> (image: (any DiskImage)?, run: SectorRun) {
        guard !isReadOnly else { return try index.locate(sector, count: count) }
        var run = try leaf.locate(sector, count: count)
        if run.place != .absent { return (run.offset == nil ? nil : leaf, run) }
        for image in recent {
            run = try image.locate(sector, count: run.count)
            if run.place != .absent { return (run.offset == nil ? nil : image, run) }
        }
        return try index.locate(sector, count: run.count)
    }
}
