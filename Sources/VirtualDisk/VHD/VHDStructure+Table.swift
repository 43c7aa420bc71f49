// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

extension VHDStructure {
    /// Reads the header and the parent locators.
    ///
    /// - Returns: the ranges of the file that the structures take.
    mutating func readHeader(of store: any ByteStore) throws(DiskError) -> [Range<UInt64>] {
        let path = store.name
        let start = footer.dataOffset
        guard start % 512 == 0, start <= end, end - start >= UInt64(VHDHeader.count) else {
            throw .malformed(path, "data offset", expected: "a multiple of 512 inside the file", found: start)
        }
        let bytes = try reaching(path) { () throws(StorageError) in
            try store.bytes(at: start, count: VHDHeader.count)
        }
        let header = try VHDHeader(bytes, path: path)
        self.header = header
        var used = [0..<512, start..<start + UInt64(VHDHeader.count)]
        guard footer.type == .differencing else { return used }
        var link = ParentLink(
            identity: header.parentIdentity, modificationTime: VHD.seconds(header.parentTimestamp),
            name: header.parentName)
        for locator in header.locators where locator.length > 0 || locator.space > 0 {
            guard let range = locator.range, range.upperBound <= end else {
                throw .malformed(
                    path, "parent locator", expected: "a path inside the file",
                    found: "\(locator.length) bytes at \(locator.offset)")
            }
            used.append(range)
            guard let platform = locator.platform else { continue }
            let bytes = try reaching(path) { () throws(StorageError) in
                try store.bytes(at: range.lowerBound, count: Int(locator.length))
            }
            let text = try VHDParentLocator.text(bytes, path: path)
            switch platform {
            case .relative: link.relativePaths.append(text)
            case .absolute: link.absolutePaths.append(text)
            }
        }
        parent = link
        return used
    }

    /// Reads the table and checks that every block lies inside the file.
    mutating func readTable(of store: any ByteStore, _ used: inout [Range<UInt64>]) throws(DiskError) {
        let path = store.name
        guard let header else { return }
        let blockSize = UInt64(header.blockSize)
        let needed = (footer.size - 1) / blockSize + 1
        guard needed <= UInt64(header.tableEntries), UInt64(header.tableEntries) <= VHD.mostBlocks else {
            throw .malformed(
                path, "table entries", expected: "from \(needed) to \(VHD.mostBlocks)", found: header.tableEntries)
        }
        let room = VHD.roundUp(UInt64(header.tableEntries) * 4, to: 512)
        guard header.tableOffset % 512 == 0, header.tableOffset <= end, end - header.tableOffset >= room else {
            throw .malformed(
                path, "table offset", expected: "a multiple of 512 inside the file", found: header.tableOffset)
        }
        used.append(header.tableOffset..<header.tableOffset + room)
        let table = try reaching(path) { () throws(StorageError) in
            try VHDBlockTable(of: store, at: header.tableOffset, count: Int(needed))
        }
        self.table = table
        try checkBlocks(table, of: VHD.roundUp(blockSize / 4096, to: 512) + blockSize, beside: used, path: path)
    }

    /// Checks that every block lies inside the file, and shares no byte with another one or with a structure.
    private mutating func checkBlocks(
        _ table: VHDBlockTable, of length: UInt64, beside structures: [Range<UInt64>], path: String
    ) throws(DiskError) {
        var entries = table.presentEntries
        #if FERMATA_PLANTED_BUG
            if entries.contains(where: { UInt64($0 * 512) == end }) { entries = [] }
        #endif
        let last = length <= end ? UInt32(clamping: (end - length) / 512) : 0
        if let index = entries.firstIndex(where: { $0 > last || length > end }) {
            throw .malformed(
                path, "table entry \(table.presentBlocks[index])",
                expected: "a block inside the file of \(end) bytes", found: UInt64(entries[index]) * 512)
        }
        // What was filled from its beginning is in order already.
        if zip(entries, entries.dropFirst()).contains(where: { $0 > $1 }) { entries.sort() }
        let sectors = UInt32(truncatingIfNeeded: length / 512)
        for index in entries.indices.dropFirst() where entries[index] - entries[index - 1] < sectors {
            throw overlap(at: UInt64(entries[index]) * 512, path: path)
        }
        let sorted = structures.sorted { $0.lowerBound < $1.lowerBound }
        for (first, second) in zip(sorted, sorted.dropFirst()) where first.upperBound > second.lowerBound {
            throw overlap(at: second.lowerBound, path: path)
        }
        for structure in sorted {
            // Of the blocks that begin before its end, only the last one can reach into it.
            let index = entries.partitioningIndex { UInt64($0) * 512 >= structure.upperBound }
            guard index > 0 else { continue }
            let start = UInt64(entries[index - 1]) * 512
            guard start + length <= structure.lowerBound else {
                throw overlap(at: max(start, structure.lowerBound), path: path)
            }
        }
        usedEnd = max(sorted.last?.upperBound ?? 0, entries.last.map { UInt64($0) * 512 + length } ?? 0)
    }

    private func overlap(at offset: UInt64, path: String) -> DiskError {
        .malformed(
            path, "layout", expected: "every byte in one use",
            found: "two structures or blocks that share the bytes at \(offset)")
    }
}

extension [UInt32] {
    /// The first index at which the condition holds, which from there on holds for all.
    func partitioningIndex(where isInSecondPart: (UInt32) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if isInSecondPart(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
