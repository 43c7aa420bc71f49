// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

package import BlockStorage

/// One file of a chain: which of the disk's sectors it has, and where.
///
/// Sectors never move within the file while it is open, so a place that was looked up stays true without a lock.
/// It knows nothing of its parents.
package protocol DiskImage: AnyObject, Sendable {
    /// The file.
    var store: any ByteStore { get }
    /// The names on the way to the file from the lab's folder.
    var location: [String] { get }
    /// How the file stores the disk.
    var format: DiskFormat { get }
    /// How the file lays out its bytes.
    var kind: DiskKind { get }
    /// The disk's size in bytes.
    var size: UInt64 { get }
    /// By what its children know it.
    var identity: DiskIdentity? { get }
    /// What it records of its parent; nil for a base.
    var parent: ParentLink? { get }
    /// What is odd about the file.
    var warnings: [DiskWarning] { get }
    /// The bytes of the sectors that the disk's user sees, 512 or 4096; all sectors counted here have 512.
    var sectorSize: Int { get }
    /// Whether the file stores the disk's bytes one to one from its start.
    var isFlat: Bool { get }
    /// The sectors of one block; no run crosses from one block into another.
    var blockSectors: UInt64 { get }
    /// Serialises the writers.
    var gate: WriteGate { get }

    /// The numbers of the blocks of which it may have sectors, ascending; a flat image has no blocks.
    var presentBlocks: [UInt32] { get }

    /// Looks up where a run of sectors, which begins at `sector` and is not longer than `count`, lies.
    func locate(_ sector: UInt64, count: UInt64) throws(StorageError) -> SectorRun

    /// Finds a place to write a run of sectors to; only from within the gate.
    func place(_ sector: UInt64, count: UInt64) throws(StorageError) -> SectorRun

    /// Notes that the sectors were written to their place; only from within the gate.
    func commit(_ sector: UInt64, count: UInt64) throws(StorageError)

    /// Makes sectors from `sector` on read as zeros without storing them; only from within the gate.
    ///
    /// - Returns: how many; zero when the format would have to store them.
    func erase(_ sector: UInt64, count: UInt64) throws(StorageError) -> UInt64

    /// Makes everything that was written durable, in the order that loses nothing.
    func flush() throws(StorageError)

    /// Leaves the file as a program would that has closed it; it can be written again nevertheless.
    func settle() throws(StorageError)
}

extension DiskImage {
    /// Refuses writes, makes everything durable, and sets the time of change that the children recorded.
    func seal(modificationTime: Int64?) throws(StorageError) {
        gate.freeze()
        try flush()
        try settle()
        if let modificationTime { try store.setModificationTime(modificationTime) }
    }

    package var sectorSize: Int { 512 }

    package var isFlat: Bool { false }

    package func erase(_ sector: UInt64, count: UInt64) throws(StorageError) -> UInt64 { 0 }

    package func settle() throws(StorageError) {}
}
