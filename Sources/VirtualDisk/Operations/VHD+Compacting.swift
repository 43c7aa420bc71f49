// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

extension VHD {
    /// How a disk that grows is laid out when it stores what need be stored alone.
    ///
    /// Blocks and paths to the parent are taken over as they are. The data of a block begins at a multiple of 4 KiB.
    static func compacting(_ store: any ByteStore, _ survey: DiskSurvey) throws(DiskError) -> DiskLayout {
        let structure = try VHDStructure(store)
        guard let header = structure.header, let table = structure.table else {
            throw DiskError(.invalidArgument, path: store.name, "a fixed disk keeps all its space")
        }
        try structure.refuseHiddenBlocks(of: store)
        return try reaching(store.name) { () throws(StorageError) in
            try layout(store, structure, header, table, survey)
        }
    }

    private static func layout(
        _ store: any ByteStore, _ structure: VHDStructure, _ header: VHDHeader, _ table: VHDBlockTable,
        _ survey: DiskSurvey
    ) throws(StorageError) -> DiskLayout {
        var layout = DiskLayout()
        let headerOffset = UInt64(VHDFooter.count)
        let tableOffset = headerOffset + UInt64(VHDHeader.count)
        let tableLength = roundUp(UInt64(table.count) * 4, to: 512)
        var end = tableOffset + tableLength

        // Everything that is not said here stays as it was, what no reader knows included.
        var head = FieldWriter(count: VHDHeader.count, .big, name: "VHD header")
        try head.put(store.bytes(at: structure.footer.dataOffset, count: VHDHeader.count), at: 0)
        try head.put(tableOffset, at: 16)
        try head.put(UInt32(clamping: table.count), at: 28)
        try head.put([UInt8](repeating: 0, count: 8 * 24), at: 576)
        for (index, locator) in (structure.parent == nil ? [] : header.locators).enumerated() {
            var locator = locator
            if let room = locator.range, !room.isEmpty {
                layout.move(room.lowerBound..<room.lowerBound + UInt64(locator.length), to: end)
                locator.space = max(UInt32(clamping: roundUp(UInt64(locator.length), to: 512)), 2048)
                locator.offset = end
                end += UInt64(locator.space)
            }
            try locator.put(into: &head, at: 576 + 24 * index)
        }
        try head.put(checksum(head.bytes, fieldAt: 36), at: 36)

        let bitmap = roundUp(UInt64(header.blockSize) / 4096, to: 512)
        var entries = [UInt32](repeating: unused, count: Int(tableLength / 4))
        // As if the blocks had been added one by one, each with a footer behind it.
        var gap = UInt64(VHDFooter.count)
        for (position, block) in table.presentBlocks.enumerated() where !survey.gone.contains(block) {
            let start = roundUp(end + gap + bitmap, to: 4096) - bitmap
            let source = table.offset(at: position)
            layout.move(source..<source + bitmap + UInt64(header.blockSize), to: start)
            guard let entry = UInt32(exactly: start / 512), entry < unused else {
                throw StorageError(.outOfRange, name: store.name, detail: "has no room for its blocks in order")
            }
            entries[Int(block)] = entry
            end = start + bitmap + UInt64(header.blockSize)
            gap = 0
        }
        var foot = FieldWriter(count: VHDFooter.count, .big, name: "VHD footer")
        try foot.put(structure.footer.encoded, at: 0)
        try foot.put(headerOffset, at: 16)
        try foot.put(checksum(foot.bytes, fieldAt: 64), at: 64)
        layout.put(foot.bytes, at: 0)
        layout.put(head.bytes, at: headerOffset)
        var places = FieldWriter(count: Int(tableLength), .big, name: "VHD block table")
        for (index, entry) in entries.enumerated() { try places.put(entry, at: index * 4) }
        layout.put(places.bytes, at: tableOffset)
        layout.put(foot.bytes, at: end)
        layout.length = end + UInt64(VHDFooter.count)
        return layout
    }
}

extension VHDStructure {
    private static let advice: String =
        "which a reader that takes its size otherwise may want: convert it, with --size-mode if need be"

    /// Refuses a disk that goes on behind the end that its geometry has.
    func refuseHiddenEnd(of store: any ByteStore) throws(DiskError) {
        guard footer.currentSize <= footer.size else {
            throw DiskError(
                .unsupported, path: store.name, "the disk goes on behind the end that its geometry has, \(Self.advice)",
                field: "current size", expected: "\(footer.size)", found: "\(footer.currentSize)")
        }
    }

    /// Refuses a disk whose table has blocks behind its end.
    func refuseHiddenBlocks(of store: any ByteStore) throws(DiskError) {
        guard let header, let table else { return }
        let whole = try reaching(store.name) { () throws(StorageError) in
            try VHDBlockTable(of: store, at: header.tableOffset, count: Int(header.tableEntries))
        }
        guard let hidden = whole.presentBlocks.last, Int(hidden) >= table.count else { return }
        throw DiskError(
            .unsupported, path: store.name, "the disk has blocks behind its end, \(Self.advice)",
            field: "table entry \(hidden)")
    }
}
