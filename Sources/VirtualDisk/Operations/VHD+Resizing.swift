// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

extension VHD {
    /// The steps that give a disk without a parent another size.
    ///
    /// A table that has no room for more blocks goes to the end of the file; the blocks stay where they are.
    static func resizing(
        _ store: any ByteStore, at file: [String], from old: UInt64, to size: UInt64
    ) throws(DiskError) -> [DiskStep] {
        let path = store.name
        guard size <= largestSize else {
            throw DiskError(
                .invalidArgument, path: path, "a VHD cannot have this size", field: "size",
                expected: "a multiple of 512 up to 2040 GiB", found: "\(size)")
        }
        var structure = try VHDStructure(store)
        guard structure.hasFooter, structure.hasFooterCopy else {
            throw DiskError(.malformed, path: path, "the footer is damaged: repair the disk first", field: "footer")
        }
        try structure.refuseHiddenEnd(of: store)
        try structure.refuseHiddenBlocks(of: store)
        let footer = try structure.footer.changed(size: size, path: path)
        guard var header = structure.header else {
            let gone = [UInt8](repeating: 0, count: Int(min(UInt64(VHDFooter.count), max(size, old) - old)))
            return [
                .length(file: file, size + UInt64(VHDFooter.count)), .write(file: file, offset: old, bytes: gone),
                .write(file: file, offset: size, bytes: footer),
            ]
        }
        var steps: [DiskStep] = []
        let blockSize = UInt64(header.blockSize)
        let (before, after) = (Int((old - 1) / blockSize + 1), Int((size - 1) / blockSize + 1))
        let entries = try reaching(path) { () throws(StorageError) in
            try store.bytes(at: header.tableOffset, count: before * 4)
        }
        // What is behind the disk's end in its last block was never its own.
        let position = (before - 1) * 4
        let entry = entries[position..<position + 4].reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
        if size > old, old % blockSize != 0, entry != unused {
            let start = UInt64(entry) * 512 + roundUp(blockSize / 4096, to: 512) + old % blockSize
            steps.append(
                .write(
                    file: file, offset: start, bytes: [UInt8](repeating: 0, count: Int(blockSize - old % blockSize))))
        }
        var end = structure.end
        let kept = Array(entries.prefix(min(before, after) * 4))
        let room = Int(roundUp(UInt64(header.tableEntries) * 4, to: 512))
        let width = max(after * 4, kept.count)
        if width <= room {
            // Of entries that go only the places are emptied.
            let table = kept + [UInt8](repeating: 0xFF, count: room - kept.count)
            steps.append(.write(file: file, offset: header.tableOffset, bytes: table))
        } else {
            header.tableOffset = roundUp(end, to: 512)
            let length = Int(roundUp(UInt64(width), to: 512))
            steps.append(
                .write(
                    file: file, offset: header.tableOffset,
                    bytes: kept + [UInt8](repeating: 0xFF, count: length - kept.count)))
            end = header.tableOffset + UInt64(length)
        }
        header.tableEntries = UInt32(clamping: max(after, width <= room ? min(before, after) : after))
        structure.end = end
        let head = try reaching(path) { () throws(StorageError) in try header.bytes() }
        return steps + [
            .write(file: file, offset: structure.footer.dataOffset, bytes: head),
            .write(file: file, offset: 0, bytes: footer), .write(file: file, offset: end, bytes: footer),
            .length(file: file, end + UInt64(footer.count)),
        ]
    }
}
