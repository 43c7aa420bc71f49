// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// What operations on disks need of each format.
extension DiskFormat {
    /// What a disk records of its parent, found out at the least cost; nil when it has none.
    func parent(of store: any ByteStore) throws(DiskError) -> ParentLink? {
        switch name {
        case .vhd: try VHDStructure(headerOf: store).parent
        case .vhdx: try VHDX.parent(of: store)
        case .raw: nil
        }
    }

    /// Whether a child can say that a block is zeros without storing it.
    var hasZeroBlocks: Bool { self == .vhdx }

    /// How a disk's file is laid out when it stores what need be stored alone.
    func compacting(_ store: any ByteStore, _ survey: DiskSurvey) throws(DiskError) -> DiskLayout {
        switch name {
        case .vhd: return try VHD.compacting(store, survey)
        case .vhdx: return try VHDX.compacting(store, survey)
        case .raw: throw DiskError(.invalidArgument, path: store.name, "a raw disk has no blocks")
        }
    }

    /// The steps that make a disk another one: with an identity, and a parent or none.
    ///
    /// They leave its data where it is.
    ///
    /// - Parameters:
    ///   - store: the disk's file, nothing of which is in memory alone.
    ///   - file: where the steps will find it.
    ///   - link: the parent, its paths in the order in which they are to be recorded.
    func describing(
        _ store: any ByteStore, at file: [String], identity: DiskIdentity, link: ParentLink?
    ) throws(DiskError) -> [DiskStep] {
        switch name {
        case .vhd: return try VHD.describing(store, at: file, identity: identity, link: link)
        case .vhdx: return try VHDX.describing(store, at: file, identity: identity, link: link)
        case .raw: throw DiskError(.invalidArgument, path: store.name, "a raw disk has no parent")
        }
    }
}
