// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CFiles
import Glibc
public import SystemPackage

/// A folder that stays the same one while it is open, whatever happens to its path.
///
/// Files beneath it are reached name by name, and a link on the way is refused: nothing outside can be opened through
/// it. It knows nothing of what the files hold.
public final class Folder: FileTree {
    /// The folder's path, absolute and without links, as it was when it was opened.
    public let path: FilePath

    let descriptor: CInt

    /// The folder's path as text.
    public var name: String { path.string }

    /// Opens a folder; links in the path itself are followed.
    public init(opening path: FilePath) throws(StorageError) {
        self.path = try path.resolved()
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
        descriptor = unsafe self.path.withPlatformString { unsafe Glibc.open($0, flags) }
        guard descriptor >= 0 else {
            throw .system(path.string, "cannot be opened as a folder")
        }
    }

    deinit {
        if descriptor >= 0 {
            _ = Glibc.close(descriptor)
        }
    }

    /// Makes the names in the folder durable: files created, renamed or removed.
    public func synchronize() throws(StorageError) {
        guard fsync(descriptor) == 0 else {
            throw .system(name, "cannot be made durable")
        }
    }

    package func open(_ path: [String], access: FileAccess) throws(StorageError) -> any ByteStore {
        try file(path, flags: access.flags, access: access)
    }

    package func create(_ path: [String]) throws(StorageError) -> any ByteStore {
        try file(path, flags: O_RDWR | O_CREAT | O_EXCL, access: .readWrite)
    }

    package func remove(_ path: [String]) throws(StorageError) {
        try withParent(of: path) { parent, last, name throws(StorageError) in
            guard unsafe last.withPlatformString({ unsafe unlinkat(parent, $0, 0) }) == 0 else {
                throw .system(name, "cannot be removed")
            }
        }
    }

    private func file(_ path: [String], flags: CInt, access: FileAccess) throws(StorageError) -> FileStore {
        try withParent(of: path) { parent, last, name throws(StorageError) in
            let opened = try FileStore.open(last, in: parent, flags: flags, permissions: FileStore.newFile, name: name)
            return try FileStore(adopting: opened, name: name, access: access)
        }
    }

    /// Walks to the folder that holds the path's last name, refusing links.
    func withParent<Result>(
        of path: [String], _ body: (CInt, FilePath, String) throws(StorageError) -> Result
    ) throws(StorageError) -> Result {
        let full = fullName(of: path)
        guard let last = path.last, path.allSatisfy(Self.isPlainName) else {
            throw StorageError(.io, name: full, detail: "is not a path inside a folder", errno: .invalidArgument)
        }
        var current = descriptor
        defer { if current != descriptor { _ = Glibc.close(current) } }
        for component in path.dropLast() {
            let next = unsafe FilePath(component).withPlatformString {
                unsafe fermata_open_step(current, $0)
            }
            guard next >= 0 else {
                throw .system(full, "cannot be reached through '\(component)' (links are never followed)")
            }
            if current != descriptor { _ = Glibc.close(current) }
            current = next
        }
        return try body(current, FilePath(last), full)
    }

    /// A path beneath the folder, as messages and callers name it: it is needed for every file, and put together as text.
    func fullName(of path: [String]) -> String { ([name] + path).joined(separator: "/") }

    static func isPlainName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
    }
}
