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
        blocks = Int(needed)
        let bytes = try reaching(path) { () throws(StorageError) in
            try store.bytes(at: header.tableOffset, count: Int(VHD.roundUp(needed * 4, to: 512)))
        }
        table.reserveCapacity(bytes.count / 4)
        for index in stride(from: 0, to: bytes.count, by: 4) {
            table.append(
                UInt32(bytes[index]) << 24 | UInt32(bytes[index + 1]) << 16 | UInt32(bytes[index + 2]) << 8
                    | UInt32(bytes[index + 3]))
        }
        used.append(header.tableOffset..<header.tableOffset + room)
        let count = VHD.roundUp(blockSize / 4096, to: 512) + blockSize
        for (block, entry) in table.prefix(blocks).enumerated() where entry != VHD.unused {
            let start = UInt64(entry) * 512
            guard start <= end, end - start >= count else {
                throw .malformed(
                    path, "table entry \(block)", expected: "a block inside the file of \(end) bytes", found: start)
            }
            used.append(start..<start + count)
        }
        usedEnd = used.map(\.upperBound).max() ?? 0
    }
}
