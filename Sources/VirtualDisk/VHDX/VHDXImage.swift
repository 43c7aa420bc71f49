// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Synchronization

/// A VHDX's file: any kind, for they differ in what their tables say alone.
///
/// What a table entry says decides where a block's sectors are:
///
/// ```
///   not present          the parent's, or zeros
///   undefined, zero,     zeros
///   unmapped
///   fully present        in the file
///   partially present    in the file where the bitmap says so, else the parent's
/// ```
final class VHDXImage: DiskImage {
    struct State: Sendable {
        var table: VHDXTable
        /// Those of partially present blocks; one bit for each of the disk's own sectors.
        var bitmaps: SectorBitmaps
        /// Where the file ends; new blocks come behind it.
        var end: UInt64
        /// Pages of the table, and of the bitmaps one chunk after the other, that are not in the file yet.
        var dirtyTable: DirtyList
        var dirtyBitmaps: DirtyList
    }

    let store: any ByteStore
    let location: [String]
    let format: DiskFormat = .vhdx
    let kind: DiskKind
    let size: UInt64
    let sectorSize: Int
    let identity: DiskIdentity?
    let parent: ParentLink?
    let warnings: [DiskWarning]
    let blockSectors: UInt64
    let gate: WriteGate

    /// The bits of a block's bitmap.
    let blockBits: Int
    let tableOffset: UInt64
    let state: Mutex<State>
    let log: Mutex<VHDXLog>

    init(
        _ structure: VHDXStructure, _ headers: VHDXHeaderPair, store: any ByteStore, location: [String],
        access: FileAccess, warnings: [DiskWarning]
    ) {
        self.store = store
        self.location = location
        self.warnings = warnings
        kind = structure.metadata.kind
        size = structure.metadata.size
        sectorSize = Int(structure.metadata.sectorSize)
        identity = headers.current.dataWrite
        parent = structure.metadata.locator?.link
        blockSectors = UInt64(structure.metadata.blockSize) / 512
        blockBits = Int(structure.metadata.blockSize) / sectorSize
        tableOffset = structure.regions.table.lowerBound
        gate = WriteGate(name: store.name, isReadOnly: access == .readOnly)
        let table = structure.table
        let isWritten = access == .readWrite
        state = Mutex(
            State(
                table: table,
                bitmaps: SectorBitmaps(
                    blocks: kind == .differencing ? table.blocks : 0, sectors: blockBits, order: .lowestFirst),
                end: structure.length, dirtyTable: DirtyList(count: isWritten ? table.pageCount : 0),
                dirtyBitmaps: DirtyList(
                    count: isWritten && kind == .differencing ? table.chunkCount * Self.pagesPerChunk : 0)))
        log = Mutex(VHDXLog(headers))
    }

    /// The pages of a bitmap block.
    static let pagesPerChunk: Int = Int(VHDX.alignment) / VHDX.page
    /// The bits of a page of a bitmap.
    static let bitsPerPage: Int = VHDX.page * 8

    var presentBlocks: [UInt32] {
        state.withLock { state in
            var blocks: [UInt32] = []
            state.table.forEachEntry { index, entry in
                guard entry.raw & 7 != 0, let block = state.table.block(at: index), block < state.table.blocks
                else { return }
                blocks.append(UInt32(truncatingIfNeeded: block))
            }
            return blocks
        }
    }

    func locate(_ sector: UInt64, count: UInt64) throws(StorageError) -> SectorRun {
        let block = Int(sector / blockSectors)
        let first = sector % blockSectors
        let limit = min(count, blockSectors - first)
        return try state.withLock { (state) throws(StorageError) in
            let entry = state.table[state.table.index(ofBlock: block)]
            switch entry.state {
            case .notPresent, nil: return SectorRun(count: limit, .absent)
            case .undefined, .zero, .unmapped: return SectorRun(count: limit, .zeros)
            case .fullyPresent: return SectorRun(count: limit, .stored(entry.offset + first * 512))
            case .partiallyPresent:
                try loadBitmap(of: block, &state)
                let scale = UInt64(sectorSize / 512)
                let skipped = first % scale
                let run = state.bitmaps.run(
                    block, from: Int(first / scale), limit: Int((skipped + limit + scale - 1) / scale))
                let length = min(limit, UInt64(run.count) * scale - skipped)
                return SectorRun(count: length, run.isPresent ? .stored(entry.offset + first * 512) : .absent)
            }
        }
    }

    /// Reads a partially present block's bitmap from the file when it is needed for the first time.
    func loadBitmap(of block: Int, _ state: inout State) throws(StorageError) {
        guard !state.bitmaps.isLoaded(block) else { return }
        let bitmap = state.table[state.table.index(ofBitmap: state.table.chunk(ofBlock: block))]
        let place = block & (1 << state.table.ratioBits - 1)
        let count = blockBits / 8
        state.bitmaps.load(block, try store.bytes(at: bitmap.offset + UInt64(place * count), count: count))
    }
}
