// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import SystemPackage

/// One file of a chain, as its users see it.
public struct DiskLayer: Hashable, Sendable {
    /// The file's absolute path.
    public var path: FilePath
    /// By what its children know it; nil for a raw file.
    public var identity: DiskIdentity?
    /// How the file stores the disk.
    public var format: DiskFormat
    /// How the file lays out its bytes.
    public var kind: DiskKind
    /// The disk's size in bytes.
    public var size: UInt64
    /// What it records of its parent; nil for a base.
    public var parent: ParentLink?

    init(_ image: any DiskImage) {
        path = FilePath(image.store.name)
        identity = image.identity
        format = image.format
        kind = image.kind
        size = image.size
        parent = image.parent
    }
}
