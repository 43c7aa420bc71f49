// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import SystemPackage

/// Gives a disk another size.
public enum DiskResizing {
    /// Resizes a disk without a parent and without children; what is added reads as zeros.
    ///
    /// A disk is made smaller only when what is cut off reads as zeros.
    public static func resize(
        _ path: FilePath, to size: UInt64, beneath root: FilePath, format: DiskFormat? = nil
    ) throws(DiskError) {
        let folder = try reaching(root.string) { () throws(StorageError) in try Folder(opening: root) }
        try resize(LabPath.location(of: path, beneath: folder.path), to: size, in: folder, format: format)
    }

    static func resize(
        _ location: [String], to size: UInt64, in tree: any NamedFiles, format: DiskFormat? = nil
    ) throws(DiskError) {
        try DiskRecovery.finish(location, in: tree)
        let name = tree.path(of: location)
        guard size > 0, size % 512 == 0 else {
            throw DiskError(
                .invalidArgument, path: name, "a disk cannot have this size", field: "size",
                expected: "a multiple of 512", found: "\(size)")
        }
        // What is looked at before nobody else can change it may be another file by the time it is changed.
        let claims = try DiskRecovery.claim([location], in: tree)
        defer { withExtendedLifetime(claims) {} }
        let chain = try DiskChain.open(location, in: tree, access: .readOnly, format: format)
        guard chain.leaf.parent == nil else {
            throw DiskError(
                .invalidArgument, path: name, "the size of a child is its parent's: merge it first, or convert it")
        }
        let children = try DiskFamily(in: tree).children(of: chain.leaf)
        guard children.isEmpty else {
            throw DiskError(
                .inUse, path: name, "other disks grew from this one, and their size is its own",
                found: children.map { tree.path(of: $0) }.joined(separator: ", "))
        }
        guard size != chain.size else { return }
        try checkZeros(chain, from: size)
        let steps = try chain.leaf.format.resizing(chain.leaf.store, at: location, from: chain.size, to: size)
        try DiskMerge.checkSpace(space(for: steps, chain, size), for: chain.leaf, in: tree)
        let journal = DiskJournal(.rewriting, of: location, steps: steps)
        try journal.commit(in: tree)
        try journal.apply(in: tree)
    }

    /// The space that the steps take, at most: in the journal, in the file, and all that a fixed disk grows by.
    private static func space(for steps: [DiskStep], _ chain: DiskChain, _ size: UInt64) -> UInt64 {
        let isFixed = chain.leaf.kind == .fixed && chain.leaf.format != .raw
        return steps.reduce(0) { $0 + 2 * $1.count } + (isFixed && size > chain.size ? size - chain.size : 0)
    }

    private static func checkZeros(_ chain: DiskChain, from size: UInt64) throws(DiskError) {
        let data = try reaching(chain.leaf.store.name) { () throws(StorageError) -> UInt64? in
            var buffer = [UInt8](repeating: 0, count: 1 << 20)
            var position = size
            while position < chain.size {
                for extent in try chain.extents(in: position..<chain.size) {
                    position = extent.range.lowerBound
                    while extent.kind == .data, position < extent.range.upperBound {
                        let count = Int(min(UInt64(buffer.count), extent.range.upperBound - position))
                        do {
                            var span = buffer.mutableSpan
                            var bytes = unsafe span.mutableBytes
                            var part = bytes._mutatingExtracting(first: count)
                            try chain.read(into: &part, at: position)
                        }
                        if let index = buffer.prefix(count).firstIndex(where: { $0 != 0 }) {
                            return position + UInt64(index)
                        }
                        position += UInt64(count)
                    }
                    position = extent.range.upperBound
                }
            }
            return nil
        }
        guard let data else { return }
        throw DiskError(
            .invalidArgument, path: chain.leaf.store.name,
            "the disk has data behind its new end, which would be lost: make it smaller from within first",
            field: "data", expected: "zeros from \(size) on", found: "others at \(data)")
    }
}

extension DiskFormat {
    /// The steps that give a disk without a parent another size.
    func resizing(
        _ store: any ByteStore, at file: [String], from old: UInt64, to size: UInt64
    ) throws(DiskError) -> [DiskStep] {
        switch name {
        case .vhd: return try VHD.resizing(store, at: file, from: old, to: size)
        case .raw: return [.length(file: file, size)]
        case .vhdx: return try VHDX.resizing(store, at: file, from: old, to: size)
        }
    }
}
