// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

extension VHD {
    /// The steps that make a disk another one: with an identity, and a parent or none.
    ///
    /// They leave its blocks and its table where they are. Paths that find no room where the old ones were get new
    /// room at the end of the file.
    ///
    /// - Parameters:
    ///   - store: the disk's file, nothing of which is in memory alone.
    ///   - file: where the steps will find it.
    ///   - link: the parent, its relative and absolute paths in the order in which they are to be recorded.
    static func describing(
        _ store: any ByteStore, at file: [String], identity: DiskIdentity, link: ParentLink?
    ) throws(DiskError) -> [DiskStep] {
        var structure = try VHDStructure(headerOf: store)
        guard var header = structure.header else {
            throw DiskError(.invalidArgument, path: store.name, "a fixed disk has no parent")
        }
        guard structure.hasFooter, structure.hasFooterCopy else {
            throw DiskError(
                .malformed, path: store.name, "the footer is damaged: repair the disk first", field: "footer")
        }
        var rooms = header.locators.compactMap(\.range)
        header.locators = []
        header.parentIdentity = link?.identity ?? DiskIdentity(unchecked: [UInt8](repeating: 0, count: 16))
        header.parentTimestamp = (link?.modificationTime).map(timestamp) ?? 0
        header.parentName = link?.name ?? ""
        guard header.parentName.utf16.count < 256 else {
            throw DiskError(.invalidArgument, path: store.name, "the parent's name is too long to be recorded")
        }
        var steps: [DiskStep] = []
        let paths =
            (link?.relativePaths ?? []).map { (VHDParentLocator.Platform.relative, $0) }
            + (link?.absolutePaths ?? []).map { (VHDParentLocator.Platform.absolute, $0) }
        for (platform, path) in paths.prefix(8) {
            let bytes = VHDParentLocator.bytes(path)
            let room: Range<UInt64>
            if let index = rooms.firstIndex(where: { $0.upperBound - $0.lowerBound >= UInt64(bytes.count) }) {
                room = rooms.remove(at: index)
            } else {
                let start = roundUp(structure.end, to: 512)
                room = start..<start + max(roundUp(UInt64(bytes.count), to: 512), 2048)
                structure.end = room.upperBound
            }
            let padding = Int(min(room.upperBound - room.lowerBound, UInt64(VHDParentLocator.longest))) - bytes.count
            steps.append(
                .write(
                    file: file, offset: room.lowerBound,
                    bytes: bytes + [UInt8](repeating: 0, count: max(0, padding))))
            header.locators.append(
                VHDParentLocator(
                    platform, space: UInt32(clamping: room.upperBound - room.lowerBound),
                    length: UInt32(clamping: bytes.count), offset: room.lowerBound))
        }
        let footer = try structure.footer.changed(
            type: link == nil ? .dynamic : .differencing, identity: identity, path: store.name)
        let head = try reaching(store.name) { () throws(StorageError) in try header.bytes() }
        steps.append(.write(file: file, offset: structure.footer.dataOffset, bytes: head))
        steps.append(.write(file: file, offset: 0, bytes: footer))
        steps.append(.write(file: file, offset: structure.end, bytes: footer))
        steps.append(.length(file: file, structure.end + UInt64(footer.count)))
        return steps
    }
}

extension VHDStructure {
    /// Reads the footers, the header and the parent locators alone.
    init(headerOf store: any ByteStore) throws(DiskError) {
        let length = try reaching(store.name) { () throws(StorageError) in try store.length() }
        (footer, end, hasFooter) = try Self.footer(of: store, length: length)
        guard footer.type != .fixed else { return }
        _ = try readHeader(of: store)
        let copy = try reaching(store.name) { () throws(StorageError) in
            try store.bytes(at: 0, count: VHDFooter.count)
        }
        hasFooterCopy = (try? VHDFooter(copy, path: store.name)) != nil
    }
}

extension VHDFooter {
    /// The footer's bytes with fields replaced.
    func changed(
        type: DiskType? = nil, identity: DiskIdentity? = nil, size: UInt64? = nil, path: String
    ) throws(DiskError) -> [UInt8] {
        try reaching(path) { () throws(StorageError) in
            var writer = FieldWriter(count: Self.count, .big, name: "VHD footer")
            try writer.put(encoded, at: 0)
            try writer.put((type ?? self.type).rawValue, at: 60)
            try writer.put((identity ?? self.identity).bytes, at: 68)
            if let size {
                let geometry = VHDGeometry(size: size)
                // Who takes the size from the geometry would take another one.
                if meansGeometry, geometry.size != size {
                    try writer.put(Self.ownCreator, at: 28)
                    try writer.put(Self.ownCreatorVersion, at: 32)
                }
                try writer.put(size, at: 48)
                try writer.put(geometry.cylinders, at: 56)
                try writer.put(geometry.heads, at: 58)
                try writer.put(geometry.sectorsPerTrack, at: 59)
            }
            try writer.put(VHD.checksum(writer.bytes, fieldAt: 64), at: 64)
            return writer.bytes
        }
    }
}
