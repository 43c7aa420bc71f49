// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

extension VHDX {
    /// The steps that give a disk without a parent another size.
    ///
    /// They do what its log holds first. The blocks stay where they are. New blocks of a fixed disk go to the end of the
    /// file, and so does a table that has no room for more entries:
    ///
    /// ```
    ///   | headers | log | metadata | table | blocks |
    ///   | headers | log | metadata |       | blocks | new blocks, if fixed | table |
    /// ```
    static func resizing(
        _ store: any ByteStore, at file: [String], from old: UInt64, to size: UInt64
    ) throws(DiskError) -> [DiskStep] {
        let path = store.name
        guard size <= largestSize else {
            throw DiskError(
                .invalidArgument, path: path, "a VHDX cannot have this size", field: "size",
                expected: "a multiple of 512 up to 64 TiB", found: "\(size)")
        }
        let headers = try VHDXHeaderPair(store)
        let replay = headers.current.log == .zero ? nil : try VHDXReplay(store, headers.current)
        let replayed: any ByteStore = replay.map { VHDXReplayedStore(store, $0) } ?? store
        let structure = try VHDXStructure(replayed, headers.current)
        guard !headers.isOneDamaged, structure.warnings.isEmpty else {
            throw DiskError(.malformed, path: path, "a header or region table is damaged: repair the disk first")
        }
        guard size % UInt64(structure.metadata.sectorSize) == 0 else {
            throw DiskError(
                .invalidArgument, path: path, "the disk cannot have this size", field: "size",
                expected: "a multiple of its sectors of \(structure.metadata.sectorSize)", found: "\(size)")
        }
        var steps = try replay.map { (replay) throws(DiskError) in try replay.steps(file, path: path) } ?? []
        var resized = VHDXResizing(structure, size: size)
        steps += resized.growth(at: file, from: old)
        steps += try resized.tableSteps(replayed, at: file)
        steps += try metadataSteps(replayed, structure, size, at: file)
        let updates = try reaching(path) { () throws(StorageError) in
            try headers.updates { header in
                header.fileWrite = .random()
                header.dataWrite = .random()
                header.log = .zero
            }
        }
        for (offset, bytes) in updates { steps.append(.write(file: file, offset: offset, bytes: bytes)) }
        // What another program put behind the blocks may be wanted.
        if size < old, structure.isOwn { steps.append(.length(file: file, resized.usedEnd(headers.current))) }
        return steps
    }

    private static func metadataSteps(
        _ store: any ByteStore, _ structure: VHDXStructure, _ size: UInt64, at file: [String]
    ) throws(DiskError) -> [DiskStep] {
        let items = try VHDXMetadataItems(store, structure.regions.metadata)
        guard let place = items.range(of: .size), let sector = items.range(of: .physicalSectorSize) else {
            throw .malformed(store.name, "metadata", expected: "a size", found: "none")
        }
        var steps: [DiskStep] = [.write(file: file, offset: place.lowerBound, bytes: size.littleEndianBytes)]
        if size % UInt64(structure.metadata.physicalSectorSize) != 0 {
            // Readers refuse a disk that ends within a physical sector.
            steps.append(.write(file: file, offset: sector.lowerBound, bytes: (512 as UInt32).littleEndianBytes))
        }
        return steps
    }
}

/// Where a VHDX's blocks and its table are once it has another size.
struct VHDXResizing {
    private let structure: VHDXStructure
    private let size: UInt64
    private var table: VHDXTable
    /// Where the file ends.
    private var end: UInt64
    private var region: Range<UInt64>

    /// Keeps the blocks that the disk still has.
    init(_ structure: VHDXStructure, size: UInt64) {
        self.structure = structure
        self.size = size
        var metadata = structure.metadata
        metadata.size = size
        table = VHDXTable(metadata)
        end = VHDX.roundUp(structure.length, to: VHDX.alignment)
        region = structure.regions.table
        var kept = table
        structure.table.forEachEntry { index, entry in
            guard let block = kept.block(at: index), block < kept.blocks else { return }
            kept[index] = entry
        }
        table = kept
    }

    /// What comes at the end of the file, and zeros where the disk ended within a block.
    mutating func growth(at file: [String], from old: UInt64) -> [DiskStep] {
        var steps: [DiskStep] = []
        let blockSize = UInt64(structure.metadata.blockSize)
        let last = table[table.index(ofBlock: min(structure.table.blocks, table.blocks) - 1)]
        // What is behind the disk's end in its last block was never its own.
        if size > old, old % blockSize != 0, last.isStored {
            steps.append(.zeros(file: file, last.offset + old % blockSize..<last.offset + blockSize))
        }
        let start = end
        if structure.metadata.kind == .fixed, table.blocks > structure.table.blocks {
            for block in structure.table.blocks..<table.blocks {
                table[table.index(ofBlock: block)] = VHDXEntry(.fullyPresent, at: end)
                end += blockSize
            }
            steps.append(.space(file: file, start..<end))
        }
        if table.byteCount > region.upperBound - region.lowerBound {
            region = end..<end + VHDX.roundUp(table.byteCount, to: VHDX.alignment)
            end = region.upperBound
        }
        // The table reads as zeros where it has no entries.
        if end > start { steps.append(.length(file: file, end)) }
        return steps
    }

    /// What makes the table's pages and both region tables say where the blocks are.
    func tableSteps(_ store: any ByteStore, at file: [String]) throws(DiskError) -> [DiskStep] {
        let hasMoved = region != structure.regions.table
        var before = table
        if !hasMoved {
            // Of what lies behind the old table nothing may become an entry.
            try reaching(store.name) { () throws(StorageError) in
                try before.read(store, at: region.lowerBound)
            }
        }
        var steps: [DiskStep] = []
        for page in 0..<max(table.pageCount, hasMoved ? 0 : structure.table.pageCount) {
            let bytes: [UInt8]
            if page < table.pageCount {
                guard table.hasPage(page) || before.hasPage(page) else { continue }
                bytes = table.bytes(ofPage: page)
            } else {
                guard structure.table.hasPage(page) else { continue }
                bytes = [UInt8](repeating: 0, count: VHDX.page)
            }
            steps.append(.write(file: file, offset: region.lowerBound + UInt64(page * VHDX.page), bytes: bytes))
        }
        guard hasMoved else { return steps }
        let moved = try VHDXRegionTable.bytes(of: store) { $0 == structure.regions.table ? region : $0 }
        return steps + VHDXRegionTable.offsets.map { .write(file: file, offset: $0, bytes: moved) }
    }

    /// Where the last thing that is in use ends.
    func usedEnd(_ header: VHDXHeader) -> UInt64 {
        let regions = [header.logRange, region, structure.regions.metadata] + structure.regions.others
        var end = regions.map(\.upperBound).max() ?? VHDX.alignment
        table.forEachEntry { _, entry in
            if entry.isStored { end = max(end, entry.offset + UInt64(structure.metadata.blockSize)) }
        }
        return end
    }
}
