// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Synchronization

/// A dynamic or differencing VHD.
///
/// A block that the file has is found through the table, and its sectors through the block's bitmap. Both change in
/// memory only, and reach the file when it is flushed, after the data that they speak of: a crash may leave space that
/// nothing refers to, but never a reference to data that is not there.
final class VHDSparseImage: DiskImage {
    /// What changes while the image is open.
    struct State: Sendable {
        var table: VHDBlockTable
        var bitmaps: SectorBitmaps
        /// Where the footer lies; new blocks come behind it.
        var end: UInt64
        /// The table's sectors and the blocks' bitmaps that are not in the file yet.
        var dirtyTable: DirtyList
        var dirtyBitmaps: DirtyList
    }

    let store: any ByteStore
    let location: [String]
    let format: DiskFormat = .vhd
    let kind: DiskKind
    let size: UInt64
    let identity: DiskIdentity?
    let parent: ParentLink?
    let warnings: [DiskWarning]
    let blockSectors: UInt64
    let gate: WriteGate

    let footer: VHDFooter
    let tableOffset: UInt64
    let state: Mutex<State>

    init(
        _ structure: VHDStructure, _ header: VHDHeader, _ table: VHDBlockTable, store: any ByteStore,
        location: [String], access: FileAccess
    ) {
        self.store = store
        self.location = location
        footer = structure.footer
        kind = footer.kind
        size = footer.size
        identity = footer.identity
        parent = structure.parent
        warnings = structure.warnings
        blockSectors = UInt64(header.blockSize) / 512
        tableOffset = header.tableOffset
        gate = WriteGate(name: store.name, isReadOnly: access == .readOnly)
        var table = table
        var dirty = (sectors: 0, blocks: 0)
        if access == .readWrite {
            table.expand()
            dirty = (table.count / VHDBlockTable.perSector + 1, table.count)
        }
        state = Mutex(
            State(
                table: table, bitmaps: SectorBitmaps(blocks: table.positions, sectors: Int(blockSectors)),
                end: structure.end, dirtyTable: DirtyList(count: dirty.sectors),
                dirtyBitmaps: DirtyList(count: dirty.blocks)))
    }

    var presentBlocks: [UInt32] {
        state.withLock { $0.table.presentBlocks }
    }

    func locate(_ sector: UInt64, count: UInt64) throws(StorageError) -> SectorRun {
        let block = Int(sector / blockSectors)
        let first = sector % blockSectors
        let limit = min(count, blockSectors - first)
        return try state.withLock { (state) throws(StorageError) in
            guard let position = state.table.position(of: block) else { return SectorRun(count: limit, offset: nil) }
            try loadBitmap(at: position, &state)
            let run = state.bitmaps.run(position, from: Int(first), limit: Int(limit))
            let data = state.table.offset(at: position) + UInt64(state.bitmaps.byteCount)
            return SectorRun(count: UInt64(run.count), offset: run.isPresent ? data + first * 512 : nil)
        }
    }

    /// Reads a block's bitmap from the file when it is needed for the first time.
    func loadBitmap(at position: Int, _ state: inout State) throws(StorageError) {
        guard !state.bitmaps.isLoaded(position) else { return }
        let bytes = try store.bytes(at: state.table.offset(at: position), count: state.bitmaps.byteCount)
        state.bitmaps.load(position, bytes)
    }
}
