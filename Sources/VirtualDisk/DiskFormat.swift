// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import SystemPackage

/// How a file stores a disk.
public struct DiskFormat: Hashable, Sendable, CustomStringConvertible {
    enum Name: String { case vhd, vhdx, raw }
    let name: Name

    /// Virtual Hard Disk, with parents.
    public static let vhd: DiskFormat = DiskFormat(name: .vhd)
    /// Virtual Hard Disk version 2, with parents.
    public static let vhdx: DiskFormat = DiskFormat(name: .vhdx)
    /// The disk's bytes, one to one.
    public static let raw: DiskFormat = DiskFormat(name: .raw)

    static let all: [DiskFormat] = [.vhd, .vhdx, .raw]

    /// The word for it in documents and options.
    public var description: String { name.rawValue }

    /// The extensions that its files have; `.avhd` and `.avhdx` are in the role of a checkpoint's disk.
    public var extensions: [String] {
        switch name {
        case .vhd: ["vhd", "avhd"]
        case .vhdx: ["vhdx", "avhdx"]
        case .raw: ["raw", "img"]
        }
    }

    /// The format that a file's extension stands for; content is never guessed from, because guests write it.
    public init?(path: FilePath) {
        guard let suffix = path.extension?.lowercased() else { return nil }
        guard let format = Self.all.first(where: { $0.extensions.contains(suffix) }) else { return nil }
        self = format
    }

    private init(name: Name) {
        self.name = name
    }
}

/// How a disk lays out its bytes.
public enum DiskKind: String, Hashable, Sendable {
    /// All space is there from the start.
    case fixed
    /// Space is added as the disk is written.
    case dynamic
    /// Only what differs from the parent is stored.
    case differencing
    /// A file without any format.
    case raw
}
