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

    private let folder: Folder
    private let replacing: Bool
    /// What keeps other drafts away from the file; without it the file is none of ours.
    private let claim: Mutex<(any Sendable)?> = Mutex(nil)

    /// Chooses the temporary name, and removes what a crash left there.
    ///
    /// - Parameters:
    ///   - replacing: whether a file that is in place already may be replaced; never one from which others grew.
    ///   - source: what the disk is made from, none of whose files is replaced.
    public init(of target: FilePath, replacing: Bool, source: DiskChain? = nil) throws(DiskError) {
        guard let name = target.lastComponent?.string else {
            throw DiskError(.invalidArgument, path: target.string, "this is no file's path")
        }
        let parent = target.removingLastComponent()
        let folder = try reaching(target.string) { () throws(StorageError) in
            try Folder(opening: parent.isEmpty ? "." : parent)
        }
        self.folder = folder
        self.replacing = replacing
        self.target = folder.path.appending(name)
        path = folder.path.appending(".\(name).fermata-new")
        let temporary = [path.lastComponent?.string ?? ""]
        try Self.protect(self.target, source)
        try reaching(target.string) { () throws(StorageError) in
            if !replacing, try folder.contains([name]) {
                throw StorageError(.io, name: target.string, detail: "exists already", errno: .fileExists)
            }
            guard try folder.contains(temporary) else { return }
            guard let stale = try folder.claim(temporary) else { throw Self.isBeingMade(target) }
            try folder.remove(temporary)
            withExtendedLifetime(stale) {}
        }
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
        try? folder.remove([path.lastComponent?.string ?? ""])
    }

    private static func isBeingMade(_ target: FilePath) -> StorageError {
        StorageError(.io, name: target.string, detail: "is being made by another command")
    }

    /// Makes an empty file, for who fills it by its path.
    public func makeEmpty() throws(DiskError) {
        try reaching(target.string) { () throws(StorageError) in
            _ = try folder.create([path.lastComponent?.string ?? ""])
        }
        try takeHold()
    }

    /// Makes the empty disk and opens it for writing.
    public func create(
        format: DiskFormat, size: UInt64, kind: DiskKind = .dynamic
    ) throws(DiskError) -> DiskChain {
        try format.create(at: path, size: size, kind: kind)
        try takeHold()
        let disk = try DiskChain.open(path, beneath: folder.path, access: .readWrite, format: format)
        // Between the two, another command may have taken the file for a leftover and made its own.
        guard disk.size == size else { throw DiskError(Self.isBeingMade(target), path: target.string) }
        return disk
    }

    /// The bytes that may still be written where the disk lies.
    func availableSpace() throws(StorageError) -> UInt64? {
        try folder.availableSpace(for: [path.lastComponent?.string ?? ""])
    }

    /// Claims the file that was just made.
    private func takeHold() throws(DiskError) {
        let found = try reaching(target.string) { () throws(StorageError) in
            guard let found = try folder.claim([path.lastComponent?.string ?? ""]) else {
                throw Self.isBeingMade(target)
            }
            return found
        }
        claim.withLock { $0 = found }
    }

    /// Puts the complete file in place; it is durable with its name on return.
    public func commit() throws(DiskError) {
        let temporary = [path.lastComponent?.string ?? ""]
        try reaching(target.string) { () throws(StorageError) in
            try FileStore(opening: path, access: .readWrite).synchronizeWhole()
            try folder.rename(temporary, to: [target.lastComponent?.string ?? ""], replacing: replacing)
            try folder.synchronize()
        }
        claim.withLock { $0 = nil }
    }
}
