// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CFiles
import Glibc
import SystemPackage

/// Folders and whole files: the effects of the store, each durable when it returns if its name says so.
enum FileSystem {
    /// The names in a folder, `.` and `..` left out, in no order.
    static func entries(of path: FilePath) throws(EngineError) -> [String] {
        guard let stream = unsafe path.withPlatformString({ unsafe opendir($0) }) else {
            throw failure("reading the folder", path)
        }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Whether anything has that name; links are not followed.
    static func exists(_ path: FilePath) -> Bool {
        status(of: path) != nil
    }

    /// Whether anything has that name, where it can be told: another user's private folder cannot be looked into.
    static func isThere(_ path: FilePath) throws(EngineError) -> Bool {
        var status = stat()
        if unsafe path.withPlatformString({ unsafe lstat($0, &status) }) == 0 { return true }
        guard [ENOENT, ENOTDIR].contains(errno) else { throw failure("looking for it", path) }
        return false
    }

    /// What a name stands for; links are not followed.
    static func status(of path: FilePath) -> stat? {
        var status = stat()
        guard unsafe path.withPlatformString({ unsafe lstat($0, &status) }) == 0 else { return nil }
        return status
    }

    /// The bytes that are free where a file lies; nil where nobody can tell.
    static func availableSpace(at path: FilePath) -> UInt64? {
        var status = statvfs()
        guard unsafe path.withPlatformString({ unsafe statvfs($0, &status) }) == 0 else { return nil }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize)
    }

    /// Makes a private folder with its ancestors; one that exists stays as it is.
    static func create(_ path: FilePath) throws(EngineError) {
        if exists(path) { return }
        let parent = path.removingLastComponent()
        if !parent.isEmpty, !exists(parent) { try create(parent) }
        guard unsafe path.withPlatformString({ unsafe mkdir($0, 0o700) }) == 0 || errno == EEXIST else {
            throw failure("making the folder", path)
        }
        try synchronize(parent)
    }

    /// Makes the names in a folder durable.
    static func synchronize(_ path: FilePath) throws(EngineError) {
        let descriptor = unsafe path.withPlatformString { unsafe open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw failure("opening the folder", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("making durable the folder", path) }
    }

    /// The bytes of a regular file; links are not followed.
    static func read(_ path: FilePath, limit: Int) throws(EngineError) -> [UInt8] {
        let descriptor = unsafe path.withPlatformString {
            unsafe open($0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        }
        guard descriptor >= 0 else { throw failure("opening", path) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw failure("reading", path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw EngineError(.damaged, "\(path): expected a regular file")
        }
        guard status.st_size <= limit else {
            throw EngineError(.damaged, "\(path): expected at most \(limit) bytes, found \(status.st_size)")
        }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var filled = 0
        while filled < bytes.count {
            let count = unsafe bytes.withUnsafeMutableBytes {
                unsafe pread(descriptor, $0.baseAddress?.advanced(by: filled), $0.count - filled, off_t(filled))
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("reading", path) }
            if count == 0 { return Array(bytes[..<filled]) }
            filled += count
        }
        return bytes
    }

    /// Writes a new private file and makes its bytes durable; its name is durable with its folder.
    static func write(_ bytes: [UInt8], to path: FilePath) throws(EngineError) {
        let descriptor = unsafe path.withPlatformString {
            unsafe open($0, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        }
        guard descriptor >= 0 else { throw failure("creating", path) }
        defer { close(descriptor) }
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("writing", path) }
            written += count
        }
        guard fsync(descriptor) == 0 else { throw failure("making durable", path) }
    }

    /// Puts a file in place as one commit: its bytes are durable before its name is, and its name on return.
    ///
    /// The temporary name begins with a dot, so a reader never takes it for a configuration.
    static func commit(_ bytes: [UInt8], to path: FilePath, fault: FaultPoint? = nil) throws(EngineError) {
        try commit(try prepare(bytes, for: path), to: path, fault: fault)
    }

    /// The first half of a commit: the bytes are durable beside their place, under a name that means nothing.
    static func prepare(_ bytes: [UInt8], for path: FilePath) throws(EngineError) -> FilePath {
        let folder = path.removingLastComponent()
        let temporary = folder.appending(".\(path.lastComponent?.string ?? "file").new")
        do throws(EngineError) {
            try write(bytes, to: temporary)
        } catch {
            try? remove(temporary)
            throw error
        }
        return temporary
    }

    /// The second half: the prepared file gets its name.
    static func commit(
        _ prepared: FilePath, to path: FilePath, fault: FaultPoint? = nil
    ) throws(EngineError) {
        fault?.before()
        do throws(EngineError) {
            try move(prepared, to: path)
        } catch {
            try? remove(prepared)
            throw error
        }
        fault?.after()
    }

    /// Renames, replacing what has the new name, and makes both folders durable.
    static func move(_ source: FilePath, to target: FilePath) throws(EngineError) {
        let result = unsafe source.withPlatformString { old in
            unsafe target.withPlatformString { new in unsafe rename(old, new) }
        }
        guard result == 0 else { throw failure("renaming to \(target)", source) }
        let folders = [source.removingLastComponent(), target.removingLastComponent()]
        for folder in Set(folders) { try synchronize(folder) }
    }

    /// Notes this moment as the one at which a file or a folder was changed.
    static func touch(_ path: FilePath) throws(EngineError) {
        guard unsafe path.withPlatformString({ unsafe utimensat(AT_FDCWD, $0, nil, AT_SYMLINK_NOFOLLOW) }) == 0 else {
            throw failure("noting the time of", path)
        }
    }

    /// The bytes that a file, or a folder with all that is in it, takes; a file with several names counts once.
    static func allocated(_ path: FilePath) -> UInt64 {
        var seen: Set<UInt64> = []
        return allocated(path, &seen)
    }

    private static func allocated(_ path: FilePath, _ seen: inout Set<UInt64>) -> UInt64 {
        guard let status = status(of: path) else { return 0 }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            if status.st_nlink > 1, !seen.insert(UInt64(status.st_ino)).inserted { return 0 }
            return UInt64(clamping: status.st_blocks) * 512
        }
        var sum: UInt64 = 0
        for name in (try? entries(of: path)) ?? [] { sum += allocated(path.appending(name), &seen) }
        return sum
    }

    /// Keeps a file from all but its owner.
    static func makePrivate(_ path: FilePath) throws(EngineError) {
        guard unsafe path.withPlatformString({ unsafe chmod($0, 0o600) }) == 0 else {
            throw failure("keeping it from others", path)
        }
    }

    /// Gives a file a second name, which must be free.
    static func link(_ source: FilePath, as name: FilePath) throws(EngineError) {
        let result = unsafe source.withPlatformString { old in
            unsafe name.withPlatformString { new in unsafe Glibc.link(old, new) }
        }
        guard result == 0 else { throw failure("giving \(source) a second name", name) }
    }

    /// Puts each of two folders in the other's place at one moment; durable with the folders that they lie in.
    static func exchange(_ one: FilePath, with other: FilePath) throws(EngineError) {
        let result = unsafe one.withPlatformString { old in
            unsafe other.withPlatformString { new in
                unsafe fermata_exchange(old, new)
            }
        }
        if result != 0, [EINVAL, ENOSYS, ENOTSUP].contains(errno) {
            throw EngineError(
                .system,
                "\(other): its file system cannot put another folder in its place; choose a lab on another file system")
        }
        guard result == 0 else { throw failure("putting it in the place of \(other)", one) }
    }

    /// Removes a file; one that is not there is no error.
    static func remove(_ path: FilePath) throws(EngineError) {
        guard unsafe path.withPlatformString({ unsafe unlink($0) }) == 0 || errno == ENOENT else {
            throw failure("removing", path)
        }
    }

    /// Removes a folder that holds nothing; one that holds something stays.
    static func removeIfEmpty(_ path: FilePath) throws(EngineError) {
        guard
            unsafe path.withPlatformString({ unsafe rmdir($0) }) == 0
                || [ENOENT, ENOTEMPTY, EEXIST, ENOTDIR].contains(errno)
        else { throw failure("removing the folder", path) }
    }

    /// Removes a folder and all that is in it; links are removed, not followed.
    static func removeAll(_ path: FilePath) throws(EngineError) {
        guard let status = status(of: path) else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else { return try remove(path) }
        for name in try entries(of: path) { try removeAll(path.appending(name)) }
        guard unsafe path.withPlatformString({ unsafe rmdir($0) }) == 0 || errno == ENOENT else {
            throw failure("removing the folder", path)
        }
    }

    private static func failure(_ operation: String, _ path: FilePath) -> EngineError {
        let error = Errno(rawValue: errno)
        return EngineError(.system, "\(path): \(operation) failed: \(error)", underlying: error)
    }
}
