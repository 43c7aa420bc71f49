// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import SystemPackage

/// A file that begins with the disk's bytes, one to one: raw, or a fixed VHD with its footer behind them.
final class FlatImage: DiskImage {
    let store: any ByteStore
    let location: [String]
    let format: DiskFormat
    let kind: DiskKind
    let size: UInt64
    let identity: DiskIdentity?
    let parent: ParentLink? = nil
    let warnings: [DiskWarning]
    let blockSectors: UInt64 = .max
    let isFlat: Bool = true
    let gate: WriteGate

    init(
        _ store: any ByteStore, location: [String], format: DiskFormat, kind: DiskKind, size: UInt64,
        identity: DiskIdentity?, warnings: [DiskWarning], access: FileAccess
    ) {
        self.store = store
        self.location = location
        self.format = format
        self.kind = kind
        self.size = size
        self.identity = identity
        self.warnings = warnings
        gate = WriteGate(name: store.name, isReadOnly: access == .readOnly)
    }

    /// Opens a raw file.
    static func raw(_ store: any ByteStore, location: [String], access: FileAccess) throws(DiskError) -> FlatImage {
        let size = try reaching(store.name) { () throws(StorageError) in try store.length() }
        guard size > 0, size % 512 == 0 else {
            throw .malformed(store.name, "length", expected: "a multiple of 512", found: size)
        }
        return FlatImage(
            store, location: location, format: .raw, kind: .raw, size: size, identity: nil, warnings: [],
            access: access)
    }

    /// Creates a raw file.
    static func createRaw(
        at path: FilePath, size: UInt64, kind: DiskKind, permissions: FilePermissions
    ) throws(DiskError) {
        guard size > 0, size % 512 == 0, size <= 1 << 62, kind != .differencing else {
            throw DiskError(
                .invalidArgument, path: path.string, "a raw disk cannot have this size", field: "size",
                expected: "a multiple of 512 bytes from 512 up", found: "\(size)")
        }
        try DiskFormat.writeNew(at: path, permissions) { (store) throws(StorageError) in
            if kind == .fixed { try store.allocate(0..<size) } else { try store.truncate(to: size) }
        }
    }

    var presentBlocks: [UInt32] { [] }

    func locate(_ sector: UInt64, count: UInt64) throws(StorageError) -> SectorRun {
        SectorRun(count: count, offset: sector * 512)
    }

    func place(_ sector: UInt64, count: UInt64) throws(StorageError) -> SectorRun {
        SectorRun(count: count, offset: sector * 512)
    }

    func commit(_ sector: UInt64, count: UInt64) throws(StorageError) {}

    func flush() throws(StorageError) {
        try gate.flush { () throws(StorageError) in try store.synchronize() }
    }
}
