// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// A VHD's structures as they were found in its file, all of them checked.
///
/// ```
///   footer copy | header | table | parent locators | gap, bitmap, data | gap, bitmap, data | ... | footer
/// ```
///
/// A fixed disk has its data first and the footer behind it, and nothing else. Its first sectors are the guest's, so
/// only the footer at the end ever says that a disk is fixed, and a fixed one is never taken for anything else.
struct VHDStructure {
    var footer: VHDFooter
    /// Nil for a fixed disk.
    var header: VHDHeader?
    /// Where the blocks are; nil for a fixed disk.
    var table: VHDBlockTable?
    var parent: ParentLink?
    /// Where the footer begins, or where the file ends if it has none.
    var end: UInt64
    /// Where the last thing that is in use ends.
    var usedEnd: UInt64 = 0
    var hasFooter: Bool
    var hasFooterCopy: Bool = true
    var warnings: [DiskWarning] = []

    /// Reads and checks everything but the data and the sector bitmaps.
    init(
        _ store: any ByteStore, expecting kind: DiskKind? = nil, sizeMode: DiskSizeMode = .auto
    ) throws(DiskError) {
        let path = store.name
        let length = try reaching(path) { () throws(StorageError) in try store.length() }
        (footer, end, hasFooter) = try Self.footer(of: store, length: length, expecting: kind, sizeMode: sizeMode)
        if let kind, kind != footer.kind {
            throw DiskError(
                .malformed, path: path, "the disk is of another kind than its configuration says", field: "disk type",
                expected: kind.rawValue, found: footer.kind.rawValue)
        }
        if sizeMode == .auto, footer.size != footer.currentSize {
            warnings.append(
                DiskWarning(
                    .sizeFromGeometry, path: path,
                    "the size of \(footer.size) bytes comes from the geometry, as the program means it that made the "
                        + "disk, and not from the current size of \(footer.currentSize) bytes"))
        }
        guard footer.type != .fixed else {
            guard footer.size <= end else {
                throw .malformed(
                    path, "size", expected: "at most \(end), which is what the file holds", found: footer.size)
            }
            return
        }
        if hasFooter {
            try checkCopy(in: store, sizeMode)
        } else {
            warnings.append(
                DiskWarning(.footerRecovered, path: path, "the footer is damaged, its copy at the start is used"))
        }
        var used = try readHeader(of: store)
        try readTable(of: store, &used)
    }

    /// The footer at the end, or its copy at the start of a disk that grows.
    static func footer(
        of store: any ByteStore, length: UInt64, expecting kind: DiskKind? = nil, sizeMode: DiskSizeMode = .auto
    ) throws(DiskError) -> (footer: VHDFooter, end: UInt64, isAtEnd: Bool) {
        let path = store.name
        guard length >= 511 else {
            throw DiskError(.notADisk, path: path, "the file is too short for a VHD", found: "\(length) bytes")
        }
        var failure: DiskError?
        for count in [512, 511] where length >= UInt64(count) {
            let offset = length - UInt64(count)
            let bytes = try reaching(path) { () throws(StorageError) in try store.bytes(at: offset, count: count) }
            guard Array(bytes.prefix(8)) == VHDFooter.cookie else { continue }
            do throws(DiskError) {
                return (try VHDFooter(bytes, path: path, sizeMode: sizeMode), offset, true)
            } catch {
                failure = error
            }
        }
        let refusal = failure ?? DiskError(.notADisk, path: path, "this is no VHD: it has no footer")
        guard kind != .fixed, length >= 512 else { throw refusal }
        let bytes = try reaching(path) { () throws(StorageError) in try store.bytes(at: 0, count: 512) }
        guard let copy = try? VHDFooter(bytes, path: path, sizeMode: sizeMode), copy.type != .fixed else {
            throw refusal
        }
        return (copy, length, false)
    }

    private mutating func checkCopy(in store: any ByteStore, _ sizeMode: DiskSizeMode) throws(DiskError) {
        let path = store.name
        let bytes = try reaching(path) { () throws(StorageError) in try store.bytes(at: 0, count: 512) }
        guard let copy = try? VHDFooter(bytes, path: path, sizeMode: sizeMode) else {
            hasFooterCopy = false
            warnings.append(DiskWarning(.footerCopyDamaged, path: path, "the copy of the footer is damaged"))
            return
        }
        guard copy.type == footer.type, copy.size == footer.size, copy.identity == footer.identity,
            copy.dataOffset == footer.dataOffset
        else {
            throw .malformed(path, "footer copy", expected: "the same disk as the footer", found: "another")
        }
    }
}

extension VHDFooter {
    var kind: DiskKind {
        switch type {
        case .fixed: .fixed
        case .dynamic: .dynamic
        case .differencing: .differencing
        }
    }
}
