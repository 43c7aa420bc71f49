// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Glibc
public import SystemPackage

extension VHD {
    /// Creates a disk without a parent, durable on return except for its name in its folder.
    ///
    /// - Parameters:
    ///   - path: a file that does not exist yet.
    ///   - size: a multiple of 512 up to 2040 GiB.
    ///   - kind: fixed or dynamic.
    ///   - permissions: what the process's mask is taken from.
    public static func create(
        at path: FilePath, size: UInt64, kind: DiskKind = .dynamic, identity: DiskIdentity = .random(),
        permissions: FilePermissions = newFile
    ) throws(DiskError) {
        let type: VHDFooter.DiskType
        switch kind {
        case .fixed: type = .fixed
        case .dynamic: type = .dynamic
        case .differencing, .raw:
            throw DiskError(.invalidArgument, path: path.string, "a disk without a parent is fixed or dynamic")
        }
        guard size > 0, size % 512 == 0, size <= largestSize else {
            throw DiskError(
                .invalidArgument, path: path.string, "a VHD cannot have this size", field: "size",
                expected: "a multiple of 512 up to 2040 GiB", found: "\(size)")
        }
        try DiskFormat.writeNew(at: path, permissions) { (store) throws(StorageError) in
            let footer = try VHDFooter(type: type, size: size, identity: identity, timestamp: now())
            if type == .fixed {
                try store.allocate(0..<size + UInt64(VHDFooter.count))
                try store.write(footer.encoded, at: size)
            } else {
                try store.write(sparse(footer, VHDHeader(size: size)), at: 0)
            }
        }
    }

    /// Creates an empty child of a disk, durable on return except for its name in its folder.
    ///
    /// It names its parent by a path relative to its own folder, and records the parent's identity and time of change.
    /// The parent's file is only read, and may be in use as the leaf of a chain.
    public static func createChild(
        at path: FilePath, of parent: FilePath, identity: DiskIdentity = .random(),
        permissions: FilePermissions = newFile
    ) throws(DiskError) {
        let store = try reaching(parent.string) { () throws(StorageError) in
            try FileStore(opening: parent, access: .readOnly)
        }
        let status = try reaching(parent.string) { () throws(StorageError) in try store.status() }
        let footer = try VHDStructure.footer(of: store, length: status.length).footer
        guard let name = parent.lastComponent?.string, name.utf16.count < 256 else {
            throw DiskError(.invalidArgument, path: parent.string, "the name is too long for a child to record")
        }
        let locator = VHDParentLocator.bytes(try LabPath.relative(to: parent, from: path))
        guard identity != footer.identity else {
            throw DiskError(.invalidArgument, path: path.string, "a child cannot have its parent's identity")
        }
        try DiskFormat.writeNew(at: path, permissions) { (store) throws(StorageError) in
            var header = VHDHeader(size: footer.size)
            header.parentIdentity = footer.identity
            header.parentTimestamp = timestamp(status.modificationTime)
            header.parentName = name
            let footer = try VHDFooter(type: .differencing, size: footer.size, identity: identity, timestamp: now())
            try store.write(sparse(footer, header, locator: locator), at: 0)
        }
    }

    /// A disk that grows, before it has any block.
    private static func sparse(
        _ footer: VHDFooter, _ header: VHDHeader, locator: [UInt8]? = nil
    ) throws(StorageError) -> [UInt8] {
        var header = header
        let tableSize = roundUp(UInt64(header.tableEntries) * 4, to: 512)
        let locatorOffset = header.tableOffset + tableSize
        var locatorSpace: UInt64 = 0
        if let locator {
            // With room to grow, for the path changes when the lab is moved around.
            locatorSpace = max(roundUp(UInt64(locator.count), to: 512), 2048)
            header.locators = [
                VHDParentLocator(
                    .relative, space: UInt32(clamping: locatorSpace), length: UInt32(clamping: locator.count),
                    offset: locatorOffset)
            ]
        }
        var bytes = try footer.encoded + header.bytes()
        bytes += repeatElement(0xFF, count: Int(tableSize))
        if let locator {
            bytes += locator
            bytes += repeatElement(0, count: Int(locatorSpace) - locator.count)
        }
        return bytes + footer.encoded
    }

    /// The permissions of a new file that is nobody's in particular.
    public static var newFile: FilePermissions { FileStore.newFile }

    private static func now() -> UInt32 {
        timestamp(Int64(time(nil)))
    }
}

extension VHDHeader {
    /// The header of a new disk: the table follows it at once.
    init(size: UInt64) {
        self.init(
            tableOffset: UInt64(VHDFooter.count + Self.count),
            tableEntries: UInt32(clamping: (size - 1) / UInt64(VHD.blockSize) + 1), blockSize: VHD.blockSize)
    }
}
