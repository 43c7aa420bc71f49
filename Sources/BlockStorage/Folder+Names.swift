// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

extension Folder: NamedFiles {
    package func contains(_ path: [String]) throws(StorageError) -> Bool {
        try walking(to: path) { folder, last, name throws(StorageError) in
            try FolderEntry(last, in: folder, name: name) != nil
        }
    }

    package func create(_ path: [String], asAccessibleAs other: [String]?) throws(StorageError) -> any ByteStore {
        let store = try create(path)
        do {
            var model: FolderEntry?
            if let other {
                model = try walking(to: other) { folder, last, name throws(StorageError) in
                    try FolderEntry(last, in: folder, name: name)
                }
            }
            try walking(to: path) { folder, last, name throws(StorageError) in
                let mode = model?.mode ?? 0o600
                // Who is not root keeps the file, which is then as private as the other one at least.
                if let model {
                    _ = unsafe fchownat(folder, last, model.owner, model.group, AT_SYMLINK_NOFOLLOW)
                }
                guard unsafe fchmodat(folder, last, mode, 0) == 0 else {
                    throw .system(name, "cannot be given its permissions")
                }
            }
        } catch {
            try? remove(path)
            throw error
        }
        return store
    }

    package func isOwn(_ path: [String]) throws(StorageError) -> Bool {
        try walking(to: path) { folder, last, name throws(StorageError) in
            guard let entry = try FolderEntry(last, in: folder, name: name) else { return false }
            return entry.isFile && entry.mode & 0o022 == 0 && (entry.owner == geteuid() || entry.owner == 0)
        }
    }

    package func isAsAccessible(_ path: [String], as other: [String]) throws(StorageError) -> Bool {
        var entries: [FolderEntry?] = []
        for path in [path, other] {
            entries.append(
                try walking(to: path) { folder, last, name throws(StorageError) in
                    try FolderEntry(last, in: folder, name: name)
                })
        }
        return entries[0] == entries[1]
    }

    package func rename(_ source: [String], to target: [String], replacing: Bool) throws(StorageError) {
        try walking(to: source) { folder, last, name throws(StorageError) in
            try walking(to: target) { targetFolder, targetLast, targetName throws(StorageError) in
                if replacing {
                    guard unsafe renameat(folder, last, targetFolder, targetLast) == 0 else {
                        throw .system(name, "cannot be renamed to \(targetName)")
                    }
                    return
                }
                // A second name refuses to replace anything, which a rename does not everywhere.
                if unsafe linkat(folder, last, targetFolder, targetLast, 0) != 0 {
                    guard errno == EPERM || errno == EOPNOTSUPP,
                        try FolderEntry(targetLast, in: targetFolder, name: targetName) == nil,
                        unsafe renameat(folder, last, targetFolder, targetLast) == 0
                    else { throw .system(name, "cannot be renamed to \(targetName)") }
                    return
                }
                guard unsafe unlinkat(folder, last, 0) == 0 else {
                    throw .system(name, "cannot be removed")
                }
            }
        }
    }

    package func synchronizeFolder(of path: [String]) throws(StorageError) {
        try walking(to: path) { folder, _, name throws(StorageError) in
            guard fsync(folder) == 0 else { throw .system(name, "is in a folder that cannot be made durable") }
        }
    }

    package func availableSpace(for path: [String]) throws(StorageError) -> UInt64? {
        try walking(to: path) { folder, _, _ in
            var status = statvfs()
            guard unsafe fstatvfs(folder, &status) == 0 else { return nil }
            return UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue
        }
    }

    package func claim(_ path: [String]) throws(StorageError) -> (any Sendable)? {
        try walking(to: path) { folder, last, name throws(StorageError) in
            let file = unsafe openat(folder, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            guard file >= 0 else { throw .system(name, "cannot be opened") }
            let claim = FileClaim(file)
            guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
                guard errno == EWOULDBLOCK else { throw .system(name, "cannot be locked") }
                return nil
            }
            // Who had it before may have put another file there, which this claim is none of.
            var (claimed, named) = (stat(), stat())
            guard unsafe fstat(file, &claimed) == 0,
                unsafe fstatat(folder, last, &named, AT_SYMLINK_NOFOLLOW) == 0,
                claimed.st_dev == named.st_dev, claimed.st_ino == named.st_ino
            else { return nil }
            return claim
        }
    }

    /// Walks to the folder that holds the path's last name, refusing links.
    private func walking<Result>(
        to path: [String], _ body: (CInt, String, String) throws(StorageError) -> Result
    ) throws(StorageError) -> Result {
        let name = fullName(of: path)
        guard let last = path.last, path.allSatisfy(Self.isPlainName) else {
            throw StorageError(.io, name: name, detail: "is not a path inside a folder", errno: .invalidArgument)
        }
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        var current = unsafe Glibc.open(self.path.string, flags)
        guard current >= 0 else { throw .system(self.path.string, "cannot be opened as a folder") }
        defer { _ = Glibc.close(current) }
        for component in path.dropLast() {
            let next = unsafe openat(current, component, flags)
            guard next >= 0 else {
                throw .system(name, "cannot be reached through '\(component)' (links are never followed)")
            }
            _ = Glibc.close(current)
            current = next
        }
        return try body(current, last, name)
    }
}

/// What the system says of a name in a folder.
private struct FolderEntry: Equatable {
    var mode: mode_t
    var owner: uid_t
    var group: gid_t
    var isFile: Bool

    /// Nil when there is no such name.
    init?(_ last: String, in folder: CInt, name: String) throws(StorageError) {
        var status = stat()
        guard unsafe fstatat(folder, last, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            guard errno == ENOENT else { throw .system(name, "cannot be examined") }
            return nil
        }
        mode = status.st_mode & 0o777
        owner = status.st_uid
        group = status.st_gid
        isFile = status.st_mode & S_IFMT == S_IFREG
    }
}

/// A lock on a file, held as long as it lives.
private final class FileClaim: Sendable {
    private let descriptor: CInt

    init(_ descriptor: CInt) {
        self.descriptor = descriptor
    }

    deinit {
        // A process that is being started may have the descriptor still, and the lock with it.
        _ = flock(descriptor, LOCK_UN)
        _ = close(descriptor)
    }
}
