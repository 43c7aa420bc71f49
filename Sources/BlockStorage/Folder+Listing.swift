// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

extension Folder {
    package func files(withExtensions extensions: Set<String>) throws(StorageError) -> [[String]] {
        var found: [[String]] = []
        var pending: [[String]] = [[]]
        while let folder = pending.popLast() {
            for entry in try entriesIfAny(of: folder) {
                let path = folder + [entry.name]
                if entry.isFolder {
                    if path.count < Self.deepestListing { pending.append(path) }
                } else if let suffix = FilePath(entry.name).extension, extensions.contains(suffix.lowercased()) {
                    found.append(path)
                }
            }
        }
        return found.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// Deeper than any lab; it bounds the walk through a tree that others can change.
    private static var deepestListing: Int { 16 }

    /// Nothing of a folder that has gone since its name was read.
    ///
    /// One that is closed to this user is an error: it may have a child of the disk that is to be changed.
    private func entriesIfAny(of folder: [String]) throws(StorageError) -> [(name: String, isFolder: Bool)] {
        do {
            return try entries(of: folder)
        } catch {
            let passed: [Errno] = [.noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels]
            guard !folder.isEmpty, let errno = error.errno, passed.contains(errno) else { throw error }
            return []
        }
    }

    private func entries(of folder: [String]) throws(StorageError) -> [(name: String, isFolder: Bool)] {
        let full = fullName(of: folder)
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let opened: CInt
        if folder.isEmpty {
            opened = unsafe openat(descriptor, ".", flags)
        } else {
            opened = try withParent(of: folder) { parent, last, _ in
                unsafe last.withPlatformString { unsafe openat(parent, $0, flags) }
            }
        }
        guard opened >= 0 else { throw .system(full, "cannot be listed") }
        guard let stream = unsafe fdopendir(opened) else {
            let error = StorageError.system(full, "cannot be listed")
            _ = Glibc.close(opened)
            throw error
        }
        defer { unsafe closedir(stream) }
        var entries: [(name: String, isFolder: Bool)] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            guard name != ".", name != ".." else { continue }
            var status = stat()
            guard unsafe fstatat(opened, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: entries.append((name, true))
            case S_IFREG: entries.append((name, false))
            default: continue
            }
        }
        return entries
    }
}
