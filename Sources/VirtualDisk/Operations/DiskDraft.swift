// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import SystemPackage

/// A disk that is being made, under another name until it is complete.
///
/// A crash, or the end of its life before it is committed, leaves whatever was there before.
public final class DiskDraft: Sendable {
    /// The file that will be in place.
    public let target: FilePath
    /// The file until then.
    public let path: FilePath

    private let folder: Folder
    private let replacing: Bool
    private let claim: (any Sendable)?

    /// Chooses the temporary name, and removes what a crash left there.
    ///
    /// - Parameters:
    ///   - replacing: whether a file that is in place already may be replaced.
    public init(of target: FilePath, replacing: Bool) throws(DiskError) {
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
        claim = try reaching(target.string) { () throws(StorageError) in
            if !replacing, try folder.contains([name]) {
                throw StorageError(.io, name: target.string, detail: "exists already", errno: .fileExists)
            }
            guard try folder.contains(temporary) else { return nil }
            guard try folder.claim(temporary) != nil else {
                throw StorageError(.io, name: target.string, detail: "is being made by another command")
            }
            try folder.remove(temporary)
            return nil
        }
    }

    deinit {
        let temporary = [path.lastComponent?.string ?? ""]
        // After the commit there is none.
        if (try? folder.contains(temporary)) == true { try? folder.remove(temporary) }
    }

    /// Puts the complete file in place; it is durable with its name on return.
    public func commit() throws(DiskError) {
        let temporary = [path.lastComponent?.string ?? ""]
        try reaching(target.string) { () throws(StorageError) in
            try FileStore(opening: path, access: .readWrite).synchronizeWhole()
            try folder.rename(temporary, to: [target.lastComponent?.string ?? ""], replacing: replacing)
            try folder.synchronize()
        }
    }
}
