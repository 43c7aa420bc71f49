// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc
public import SystemPackage

/// The commit of a change to a folder: a rename, after fsync of the file and before fsync of the folder.
public enum FileCommit {
    /// Puts a small file in place so that a crash leaves the old content or the new one.
    ///
    /// A link in its place is replaced, not followed. The new file has the permissions of the old one, if there is one.
    public static func write(_ bytes: [UInt8], to path: FilePath) throws(StorageError) {
        guard let last = path.lastComponent else {
            throw StorageError(.io, name: path.string, detail: "is not a file's path", errno: .invalidArgument)
        }
        let folder = try Folder(opening: path.containingFolder)
        let number = UInt64.random(in: .min ... .max)
        let temporary = folder.path.appending(".\(last.string).\(String(number, radix: 36)).tmp")
        let target = folder.path.appending(last)
        let permissions = try? Self.permissions(of: target)
        do {
            let file = try FileStore(creating: temporary, permissions: permissions ?? FileStore.newFile)
            try file.write(bytes, at: 0)
            try file.synchronizeWhole()
        } catch {
            remove(temporary)
            throw error
        }
        do {
            try rename(temporary, to: target)
        } catch {
            remove(temporary)
            throw error
        }
        try folder.synchronize()
    }

    /// Renames within one file system, replacing a file of that name; durable once both folders are synchronized.
    public static func rename(_ source: FilePath, to target: FilePath) throws(StorageError) {
        let result = unsafe source.withPlatformString { from in
            unsafe target.withPlatformString { to in
                unsafe Glibc.rename(from, to)
            }
        }
        guard result == 0 else {
            throw .system(source.string, "cannot be renamed to \(target.string)")
        }
    }

    /// Makes the names in a folder durable.
    public static func synchronizeFolder(_ path: FilePath) throws(StorageError) {
        try Folder(opening: path).synchronize()
    }

    private static func permissions(of path: FilePath) throws(StorageError) -> FilePermissions {
        var status = stat()
        guard unsafe path.withPlatformString({ unsafe lstat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFREG
        else {
            throw .system(path.string, "cannot be examined")
        }
        return FilePermissions(rawValue: CInterop.Mode(status.st_mode & 0o777))
    }

    private static func remove(_ path: FilePath) {
        _ = unsafe path.withPlatformString { unsafe unlink($0) }
    }
}

extension FileStore {
    /// Makes the file durable with everything that the system knows of it, as fsync does.
    public func synchronizeWhole() throws(StorageError) {
        try checkUsable()
        guard access == .readWrite else { return }
        guard fsync(descriptor) == 0 else {
            throw failForGood("cannot be made durable")
        }
    }
}
