// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

extension VHDX {
    /// The steps that make a disk another one: with an identity, and a parent or none.
    ///
    /// They do what its log holds first, and leave its data where it is. Without a parent every block that there is
    /// must be whole. A path that finds no room where the old one was gets new room behind the other items.
    ///
    /// - Parameters:
    ///   - store: the disk's file, nothing of which is in memory alone.
    ///   - file: where the steps will find it.
    ///   - link: the parent.
    static func describing(
        _ store: any ByteStore, at file: [String], identity: DiskIdentity, link: ParentLink?
    ) throws(DiskError) -> [DiskStep] {
        let headers = try VHDXHeaderPair(store)
        let replay = headers.current.log == .zero ? nil : try VHDXReplay(store, headers.current)
        let replayed: any ByteStore = replay.map { VHDXReplayedStore(store, $0) } ?? store
        let structure = try VHDXStructure(replayed, headers.current)
        var steps = try replay.map { (replay) throws(DiskError) in try replay.steps(file, path: store.name) } ?? []
        switch (structure.metadata.kind, link) {
        case (.differencing, _):
            let region = structure.regions.metadata
            let flags = structure.metadata.flags
            let changes = try VHDXMetadataItems(replayed, region).relinking(
                try link.map { (link) throws(DiskError) in
                    try reaching(store.name) { () throws(StorageError) in try VHDXParentLocator(link).bytes() }
                }, flags: link == nil ? flags & ~VHDXMetadata.hasParent : flags)
            for (offset, bytes) in changes { steps.append(.write(file: file, offset: offset, bytes: bytes)) }
            if link == nil {
                for (offset, bytes) in structure.wholePages() {
                    steps.append(.write(file: file, offset: offset, bytes: bytes))
                }
            }
        case (_, nil): break
        case (_, _?):
            throw DiskError(.invalidArgument, path: store.name, "a disk without a parent cannot be given one")
        }
        let updates = try reaching(store.name) { () throws(StorageError) in
            try headers.updates { header in
                header.fileWrite = .random()
                header.dataWrite = identity
                header.log = .zero
            }
        }
        for (offset, bytes) in updates { steps.append(.write(file: file, offset: offset, bytes: bytes)) }
        return steps
    }

    /// What a disk records of its parent; nil when it has none.
    static func parent(of store: any ByteStore) throws(DiskError) -> ParentLink? {
        let header = try VHDXHeaderPair(store).current
        let replayed: any ByteStore =
            header.log == .zero ? store : VHDXReplayedStore(store, try VHDXReplay(store, header))
        return try VHDXMetadata(replayed, VHDXRegionTable.read(replayed).table.metadata).locator?.link
    }
}

extension VHDXReplay {
    /// More zeros than this are no change of metadata.
    private static let mostZeros: UInt64 = 4 << 20

    /// The log's changes as steps.
    func steps(_ file: [String], path: String) throws(DiskError) -> [DiskStep] {
        var steps = [DiskStep.length(file: file, length)]
        guard zeros.reduce(0, { $0 + min($1.upperBound - $1.lowerBound, Self.mostZeros + 1) }) <= Self.mostZeros else {
            throw DiskError(
                .unsupported, path: path, "the disk was not closed and its log is long: open it for writing first")
        }
        for range in zeros {
            let bytes = [UInt8](repeating: 0, count: Int(range.upperBound - range.lowerBound))
            steps.append(.write(file: file, offset: range.lowerBound, bytes: bytes))
        }
        for (offset, bytes) in pages.sorted(by: { $0.key < $1.key }) {
            steps.append(.write(file: file, offset: offset, bytes: bytes))
        }
        return steps
    }
}

extension VHDXStructure {
    /// The table's pages without bitmaps.
    fileprivate func wholePages() -> [(offset: UInt64, bytes: [UInt8])] {
        var whole = table
        var pages: Set<Int> = []
        table.forEachEntry { index, entry in
            pages.insert(index / VHDXTable.perPage)
            if table.block(at: index) == nil {
                whole[index] = VHDXEntry(raw: 0)
            } else if entry.state == .partiallyPresent {
                whole[index] = VHDXEntry(.fullyPresent, at: entry.offset)
            }
        }
        return pages.sorted().map { page in
            (regions.table.lowerBound + UInt64(page * VHDX.page), whole.bytes(ofPage: page))
        }
    }
}
