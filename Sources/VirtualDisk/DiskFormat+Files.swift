// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage
import Glibc
public import SystemPackage

/// What each format does with its files: chains, and what works on them, know the formats by this alone.
extension DiskFormat {
    /// Whether a disk of the format can be the child of another, which is of the same format.
    public var hasChildren: Bool {
        switch name {
        case .vhd, .vhdx: true
        case .raw: false
        }
    }

    /// Opens one file; its parent, if it has one, is somebody else's matter.
    ///
    /// - Parameters:
    ///   - kind: what the configuration says the disk is, if it does.
    ///   - keepsIdentity: that the disk's children know it still after it was written, for the caller writes nothing
    ///     that they can see.
    ///   - sizeMode: which of a VHD's sizes counts.
    package func open(
        _ store: any ByteStore, location: [String], access: FileAccess, expecting kind: DiskKind? = nil,
        keepingIdentity keepsIdentity: Bool = false, sizeMode: DiskSizeMode = .auto
    ) throws(DiskError) -> any DiskImage {
        guard self == .vhd || sizeMode == .auto else {
            throw DiskError(
                .invalidArgument, path: store.name, "only a VHD has two sizes to choose from: leave the size mode out")
        }
        switch name {
        case .vhd:
            return try VHD.open(store, location: location, access: access, expecting: kind, sizeMode: sizeMode)
        case .vhdx:
            return try VHDX.open(
                store, location: location, access: access, expecting: kind, keepingIdentity: keepsIdentity)
        case .raw: return try FlatImage.raw(store, location: location, access: access)
        }
    }

    /// By what the children of a file's disk know it, found out at the least cost; nil when it can have none.
    package func identity(of store: any ByteStore) throws(DiskError) -> DiskIdentity? {
        switch name {
        case .vhd:
            let length = try reaching(store.name) { () throws(StorageError) in try store.length() }
            return try VHDStructure.footer(of: store, length: length).footer.identity
        case .vhdx: return try VHDXHeaderPair(store).current.dataWrite
        case .raw: return nil
        }
    }

    /// Creates a disk without a parent, durable on return except for its name in its folder.
    ///
    /// - Parameters:
    ///   - path: a file that does not exist yet.
    ///   - size: a multiple of 512 that the format can have.
    ///   - kind: fixed or dynamic; a raw file that is not fixed takes the space that is written.
    ///   - permissions: what the process's mask is taken from.
    public func create(
        at path: FilePath, size: UInt64, kind: DiskKind = .dynamic, permissions: FilePermissions = FileStore.newFile
    ) throws(DiskError) {
        switch name {
        case .vhd: try VHD.create(at: path, size: size, kind: kind, permissions: permissions)
        case .vhdx: try VHDX.create(at: path, size: size, kind: kind, permissions: permissions)
        case .raw: try FlatImage.createRaw(at: path, size: size, kind: kind, permissions: permissions)
        }
    }

    /// Creates an empty child of a disk of the format, durable on return except for its name in its folder.
    ///
    /// It names its parent by a path relative to its own folder. The parent's file is only read, and may be in use as
    /// the leaf of a chain.
    public func createChild(
        at path: FilePath, of parent: FilePath, permissions: FilePermissions = FileStore.newFile
    ) throws(DiskError) {
        switch name {
        case .vhd: try VHD.createChild(at: path, of: parent, permissions: permissions)
        case .vhdx: try VHDX.createChild(at: path, of: parent, permissions: permissions)
        case .raw:
            throw DiskError(.invalidArgument, path: path.string, "a raw disk has no children: convert it first")
        }
    }

    /// Creates a file, and removes it again when it cannot be completed.
    static func writeNew(
        at path: FilePath, _ permissions: FilePermissions, _ body: (FileStore) throws(StorageError) -> Void
    ) throws(DiskError) {
        let store = try reaching(path.string) { () throws(StorageError) in
            try FileStore(creating: path, permissions: permissions)
        }
        do throws(StorageError) {
            try body(store)
            try store.synchronizeWhole()
        } catch {
            _ = unsafe path.withPlatformString { unsafe unlink($0) }
            throw DiskError(error, path: path.string)
        }
    }
}
