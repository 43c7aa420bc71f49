// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Synchronization
public import SystemPackage

/// A disk that is being made, under another name until it is complete.
///
/// A crash, or the end of its life before it is committed, leaves whatever was there before.
/// ```
///   nothing ──► .NAME.fermata-new, made and claimed ──commit──► NAME
///                 └─ unclaimed: a crash left it, and the next draft removes it
/// ```
public final class DiskDraft: Sendable {
    /// The file that will be in place.
    public let target: FilePath
    /// The file until then.
    public let path: FilePath

    private let tree: any NamedFiles
    private let place: [String]
    private let temporary: [String]
    private let replacing: Bool
    /// What keeps other drafts away from the file; without it the file is none of ours.
    private let claim: Mutex<(any Sendable)?> = Mutex(nil)
    /// The file as it was made; what it takes its place of may be closed to writers.
    private let made: Mutex<(any ByteStore)?> = Mutex(nil)

    /// Chooses the temporary name, and removes what a crash left there.
    ///
    /// - Parameters:
    ///   - replacing: whether a file that is in place already may be replaced; never one from which others grew.
    ///   - source: what the disk is made from, none of whose files is replaced.
    public convenience init(of target: FilePath, replacing: Bool, source: DiskChain? = nil) throws(DiskError) {
        guard let name = target.lastComponent?.string else {
            throw DiskError(.invalidArgument, path: target.string, "this is no file's path")
        }
        let parent = target.removingLastComponent()
        let folder = try reaching(target.string) { () throws(StorageError) in
            try Folder(opening: parent.isEmpty ? "." : parent)
        }
        try Self.protect(folder.path.appending(name), source)
        try self.init(of: [name], in: folder, replacing: replacing)
    }

    /// Chooses the temporary name in any tree of files, and removes what a crash left there.
    init(of place: [String], in tree: any NamedFiles, replacing: Bool) throws(DiskError) {
        self.tree = tree
        self.place = place
        self.replacing = replacing
        temporary = Self.temporary(for: place)
        target = FilePath(tree.path(of: place))
        path = FilePath(tree.path(of: temporary))
        try reaching(target.string) { [temporary, target] () throws(StorageError) in
            if !replacing, try tree.contains(place) {
                throw StorageError(.io, name: target.string, detail: "exists already", errno: .fileExists)
            }
            guard try Self.discard(temporary, in: tree) else { throw Self.isBeingMade(target) }
        }
    }

    private static func temporary(for place: [String]) -> [String] {
        place.dropLast() + [".\(place.last ?? "").fermata-new"]
    }

    /// The disk that was being made, if a file's name says that it is a draft.
    ///
    /// - Parameter name: the last component of the file's path.
    /// - Returns: the last component of the disk's, which will lie in the same folder.
    public static func disk(unfinishedAs name: String) -> String? {
        let suffix = ".fermata-new"
        guard name.hasPrefix("."), name.hasSuffix(suffix), name.count > suffix.count + 1 else { return nil }
        return String(name.dropFirst().dropLast(suffix.count))
    }

    /// Whether there is a draft of a disk.
    static func exists(of place: [String], in tree: any NamedFiles) throws(StorageError) -> Bool {
        do throws(StorageError) { return try tree.contains(temporary(for: place)) } catch {
            // A disk whose own name is so long never had one.
            if error.errno == .fileNameTooLong { return false }
            throw error
        }
    }

    /// Removes what a crash left of the draft of a disk, which nobody else may be changing now.
    static func discard(of place: [String], in tree: any NamedFiles) throws(DiskError) {
        _ = try reaching(tree.path(of: place)) { () throws(StorageError) in
            try discard(temporary(for: place), in: tree)
        }
    }

    /// Removes a draft that nobody has claimed.
    ///
    /// - Returns: whether there is none any more.
    private static func discard(_ temporary: [String], in tree: any NamedFiles) throws(StorageError) -> Bool {
        guard try tree.contains(temporary) else { return true }
        guard let stale = try tree.claim(temporary) else { return false }
        try tree.remove(temporary)
        withExtendedLifetime(stale) {}
        return true
    }

    /// Refuses to replace a disk through which the source or others are read.
    private static func protect(_ target: FilePath, _ source: DiskChain?) throws(DiskError) {
        if let source, source.layers.contains(where: { $0.path == target }) {
            throw DiskError(
                .invalidArgument, path: target.string, "the source is read through this file; choose another")
        }
        // What is no disk has no children.
        guard let format = DiskFormat(path: target),
            let children = try? DiskFamily.children(
                of: target, beneath: target.removingLastComponent(), format: format),
            let child = children.first
        else { return }
        throw DiskError(
            .inUse, path: target.string, "another disk grew from this one and would be lost; choose another name",
            found: child.string)
    }

    deinit {
        guard claim.withLock({ $0 != nil }) else { return }
        try? tree.remove(temporary)
    }

    private static func isBeingMade(_ target: FilePath) -> StorageError {
        StorageError(.io, name: target.string, detail: "is being made by another command")
    }

    /// Makes an empty file, for who fills it by its path.
    public func makeEmpty() throws(DiskError) {
        try reaching(target.string) { () throws(StorageError) in _ = try tree.create(temporary) }
        try takeHold()
    }

    /// Makes an empty file that is as accessible as the one whose place it will take.
    func makeSuccessor() throws(DiskError) -> any ByteStore {
        let store = try reaching(target.string) { () throws(StorageError) in
            try tree.create(temporary, asAccessibleAs: place)
        }
        try takeHold()
        made.withLock { $0 = store }
        return store
    }

    /// Makes the empty disk and opens it for writing.
    public func create(
        format: DiskFormat, size: UInt64, kind: DiskKind = .dynamic
    ) throws(DiskError) -> DiskChain {
        try format.create(at: path, size: size, kind: kind)
        try takeHold()
        let disk = try DiskChain.open(path, beneath: path.containingFolder, access: .readWrite, format: format)
        // Between the two, another command may have taken the file for a leftover and made its own.
        guard disk.size == size else { throw DiskError(Self.isBeingMade(target), path: target.string) }
        return disk
    }

    /// The bytes that may still be written where the disk lies.
    func availableSpace() throws(StorageError) -> UInt64? {
        try tree.availableSpace(for: temporary)
    }

    /// Claims the file that was just made.
    private func takeHold() throws(DiskError) {
        let found = try reaching(target.string) { () throws(StorageError) in
            guard let found = try tree.claim(temporary) else {
                throw Self.isBeingMade(target)
            }
            return found
        }
        claim.withLock { $0 = found }
    }

    /// Puts the complete file in place; it is durable with its name on return.
    public func commit() throws(DiskError) {
        try reaching(target.string) { () throws(StorageError) in
            if let store = made.withLock(\.self) {
                try store.synchronize()
            } else {
                try tree.open(temporary, access: .readWrite).synchronize()
            }
            try tree.rename(temporary, to: place, replacing: replacing)
            try tree.synchronizeFolder(of: place)
        }
        claim.withLock { $0 = nil }
    }
}
