// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import SystemPackage

/// What an operation has left to do, kept beside each file that it changes until it is done.
///
/// ```
///   disk.vhd   .disk.vhd.rewriting   steps to make: the file may be torn until they are
///              .disk.vhd.merging     disks are being written into this one: it is neither old nor new, and what
///                                    does not read through the last of those disks sees that
/// ```
///
/// It is committed once its file beside the first disk is in place. From there on the operation is only ever finished.
/// Readers refuse a disk that has one; the next command that writes finishes it.
struct DiskJournal: Hashable, Sendable {
    /// What is to be finished.
    enum Kind: String, CaseIterable, Sendable {
        /// Steps are to be made.
        case rewriting
        /// The sources' data is to be written into the disk.
        case merging
    }

    var kind: Kind
    /// The disk beside which it lies first and last.
    var disk: [String]
    /// The steps, in their order.
    var steps: [DiskStep] = []
    /// The disks to merge, the nearest to the disk first.
    var sources: [[String]] = []

    /// Where the journal of a disk lies.
    static func place(_ kind: Kind, of disk: [String]) -> [String] {
        disk.dropLast() + [".\(disk.last ?? "").\(kind.rawValue)"]
    }

    /// Whether a disk has a journal of the kind.
    static func exists(_ kind: Kind, of disk: [String], in tree: any FileTree) throws(DiskError) -> Bool {
        try reaching(tree.path(of: disk)) { () throws(StorageError) in
            do throws(StorageError) {
                _ = try tree.open(place(kind, of: disk), access: .readOnly)
                return true
            } catch {
                // What the disk itself cannot be reached through is said when it is opened.
                let absent: [Errno] = [
                    .noSuchFileOrDirectory, .fileNameTooLong, .tooManySymbolicLinkLevels, .notDirectory,
                ]
                if let errno = error.errno, absent.contains(errno) { return false }
                throw error
            }
        }
    }

    /// Refuses a disk whose operation was cut off.
    ///
    /// - Parameter isHidden: whether it is read through a child, which hides what a merge does to it.
    static func refuse(_ disk: [String], in tree: any FileTree, isHidden: Bool) throws(DiskError) {
        for kind in Kind.allCases where !(isHidden && kind == .merging) {
            guard try exists(kind, of: disk, in: tree) else { continue }
            throw DiskError(
                .unfinished, path: tree.path(of: disk),
                "an operation on the disk was interrupted: finish it with 'fermata disk check --repair'",
                field: place(kind, of: disk).last)
        }
    }

    /// Puts the journal in place: from here on it counts.
    func commit(in tree: any NamedFiles) throws(DiskError) {
        for file in [disk] + files { try put(beside: file, in: tree) }
    }

    /// Reads the journal that lies beside a disk.
    init?(_ kind: Kind, of disk: [String], in tree: any NamedFiles) throws(DiskError) {
        guard try Self.exists(kind, of: disk, in: tree) else { return nil }
        let place = Self.place(kind, of: disk)
        let isOwn = try reaching(tree.path(of: place)) { () throws(StorageError) in try tree.isOwn(place) }
        guard isOwn else {
            throw DiskError(
                .unfinished, path: tree.path(of: place),
                "the journal of an operation can be written by others and is not trusted: remove it, or finish the "
                    + "operation as its owner")
        }
        let bytes = try reaching(tree.path(of: place)) { () throws(StorageError) in
            let store = try tree.open(place, access: .readOnly)
            let length = try store.length()
            guard length <= Self.longest else {
                throw StorageError(.corrupt, name: store.name, detail: "is longer than any journal")
            }
            return try store.bytes(at: 0, count: Int(length))
        }
        self = try Self(bytes, kind, from: place, path: tree.path(of: place))
    }

    init(_ kind: Kind, of disk: [String], steps: [DiskStep] = [], sources: [[String]] = []) {
        self.kind = kind
        self.disk = disk
        self.steps = steps
        self.sources = sources
    }

    /// More than the longest log of a disk, whose replay is one.
    private static let longest: UInt64 = 96 << 20

    /// The other files beside which it lies, so that nobody takes a torn one for whole.
    var files: [[String]] {
        // Of the disks that are merged only the last one hides all that is written.
        var files = Array(sources.dropLast())
        for step in steps {
            if let file = step.written, file != disk, !files.contains(file) { files.append(file) }
        }
        return files
    }

    private func put(beside file: [String], in tree: any NamedFiles) throws(DiskError) {
        let place = Self.place(kind, of: file)
        let temporary = Array(place.dropLast()) + ["\(place.last ?? "").new"]
        let bytes = encoded(from: place)
        guard bytes.count <= Self.longest else {
            throw DiskError(
                .unsupported, path: tree.path(of: file), "the operation changes more of the disk than a journal holds",
                field: "bytes", expected: "\(Self.longest) at most", found: "\(bytes.count)")
        }
        try reaching(tree.path(of: file)) { () throws(StorageError) in
            if try tree.contains(temporary) { try tree.remove(temporary) }
            let store = try tree.create(temporary, asAccessibleAs: nil)
            try store.write(bytes, at: 0)
            try store.synchronize()
            try tree.rename(temporary, to: place, replacing: true)
            try tree.synchronizeFolder(of: place)
        }
    }
}

extension FileTree {
    /// What messages call a file.
    func path(of file: [String]) -> String {
        ([name] + file).joined(separator: "/")
    }
}
