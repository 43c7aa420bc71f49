// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

extension VHD {
    /// Opens one file; its parent, if it has one, is somebody else's matter.
    ///
    /// - Parameters:
    ///   - kind: what the configuration says the disk is, if it does.
    ///   - sizeMode: which of its sizes counts.
    static func open(
        _ store: any ByteStore, location: [String], access: FileAccess, expecting kind: DiskKind? = nil,
        sizeMode: DiskSizeMode = .auto
    ) throws(DiskError) -> any DiskImage {
        var structure = try VHDStructure(store, expecting: kind, sizeMode: sizeMode)
        let meant = structure.footer.size(by: .auto)
        guard access == .readOnly || structure.footer.size == meant else {
            throw DiskError(
                .invalidArgument, path: store.name,
                "the disk is written by no other size than that which its maker means: open it for reading, or convert "
                    + "it", field: "size", expected: "\(meant)", found: "\(structure.footer.size)")
        }
        guard let header = structure.header, let table = structure.table else {
            return FlatImage(
                store, location: location, format: .vhd, kind: .fixed, size: structure.footer.size,
                identity: structure.footer.identity, warnings: structure.warnings, access: access)
        }
        if access == .readWrite {
            try reaching(store.name) { () throws(StorageError) in try structure.repairFooters(in: store) }
        }
        return VHDSparseImage(structure, header, table, store: store, location: location, access: access)
    }
}

extension VHDStructure {
    /// Writes the footer or its copy again where it is damaged, so that the other may be lost next time.
    mutating func repairFooters(in store: any ByteStore) throws(StorageError) {
        guard !hasFooter || !hasFooterCopy else { return }
        if !hasFooter {
            // What a crash left behind the last block is given back, unless another program may have put it there.
            end = VHD.roundUp(footer.isOwn ? usedEnd : end, to: 512)
            try store.truncate(to: end)
            try store.write(footer.encoded, at: end)
            hasFooter = true
        }
        if !hasFooterCopy {
            try store.write(footer.encoded, at: 0)
            hasFooterCopy = true
        }
        try store.synchronize()
    }
}
