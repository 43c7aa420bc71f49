// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CFiles
import Glibc
import Synchronization
public import SystemPackage

/// A regular file on a file system.
///
/// Owns its descriptor. After a failed synchronization nobody knows what the file holds, so the store answers EIO to
/// everything from then on, until it is opened again. It knows nothing of formats or of locks.
public final class FileStore: ByteStore {
    /// The file's path.
    public let name: String
    /// What it was opened for.
    public let access: FileAccess

    let descriptor: CInt
    private let hasFailed: Atomic<Bool> = Atomic(false)

    /// Takes over a descriptor; it is closed when it is not that of a regular file.
    init(adopting descriptor: CInt, name: String, access: FileAccess) throws(StorageError) {
        self.descriptor = descriptor
        self.name = name
        self.access = access
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw .system(name, "cannot be examined")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw StorageError(.io, name: name, detail: "is not a regular file", errno: .invalidArgument)
        }
    }

    deinit {
        _ = Glibc.close(descriptor)
    }

    /// Opens an existing regular file; its last path component is never followed as a link.
    public convenience init(opening path: FilePath, access: FileAccess) throws(StorageError) {
        try self.init(
            adopting: Self.open(path, in: AT_FDCWD, flags: access.flags, name: path.string), name: path.string,
            access: access)
    }

    /// Creates a file that must not exist yet.
    public convenience init(
        creating path: FilePath, permissions: FilePermissions = FileStore.newFile
    ) throws(StorageError) {
        let flags = O_RDWR | O_CREAT | O_EXCL
        try self.init(
            adopting: Self.open(path, in: AT_FDCWD, flags: flags, permissions: permissions, name: path.string),
            name: path.string, access: .readWrite)
    }

    /// What a new file is given, less the process's own mask.
    public static var newFile: FilePermissions {
        [.ownerReadWrite, .groupReadWrite, .otherReadWrite]
    }

    static func open(
        _ path: FilePath, in folder: CInt, flags: CInt, permissions: FilePermissions = [], name: String
    ) throws(StorageError) -> CInt {
        while true {
            // Without O_NONBLOCK a FIFO in place of a disk would hang the open.
            let result = unsafe path.withPlatformString {
                unsafe openat(
                    folder, $0, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode_t(permissions.rawValue))
            }
            if result >= 0 { return result }
            switch errno {
            case EINTR: continue
            case ELOOP: throw .system(name, "is a symbolic link, which is never followed")
            default: throw .system(name, "cannot be opened")
            }
        }
    }

    /// The length in bytes.
    public func length() throws(StorageError) -> UInt64 {
        try status().length
    }

    /// What the system knows of the file besides its bytes.
    public func status() throws(StorageError) -> FileStatus {
        try checkUsable()
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw .system(name, "cannot be examined")
        }
        return FileStatus(
            length: UInt64(clamping: status.st_size), allocated: UInt64(clamping: status.st_blocks) * 512,
            modificationTime: Int64(status.st_mtim.tv_sec))
    }

    /// Fills the buffer with the bytes from `offset` on.
    public func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(StorageError) -> Int {
        try checkUsable()
        let start = try position(offset)
        let (done, failure) = unsafe buffer.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return (0, CInt(0)) }
            var done = 0
            while done < bytes.count {
                let result = unsafe pread(descriptor, base + done, bytes.count - done, start + off_t(done))
                if result == 0 { break }
                if result > 0 {
                    done += result
                } else if errno != EINTR {
                    return (done, errno)
                }
            }
            return (done, 0)
        }
        guard failure == 0 else {
            throw .system(name, "cannot be read", offset: offset + UInt64(done), errno: failure)
        }
        return done
    }

    /// Takes bytes from `offset` on into a pipe without copying them.
    public func gather(into pipe: PagePipe, at offset: UInt64, count: Int) throws(StorageError) -> Int {
        try checkUsable()
        return try pipe.gather(from: descriptor, at: Int64(position(offset)), count: count, name: name)
    }

    /// Writes the whole buffer at `offset`.
    public func write(_ buffer: RawSpan, at offset: UInt64) throws(StorageError) {
        try checkWritable()
        let start = try position(offset)
        let (done, failure) = unsafe buffer.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return (0, CInt(0)) }
            var done = 0
            while done < bytes.count {
                let result = unsafe pwrite(descriptor, base + done, bytes.count - done, start + off_t(done))
                if result >= 0 {
                    done += result
                } else if errno != EINTR {
                    return (done, errno)
                }
            }
            return (done, 0)
        }
        guard failure == 0 else {
            throw .system(name, "cannot be written", offset: offset + UInt64(done), errno: failure)
        }
    }

    /// Begins to bring what was written to the range to the disk; a failure shows when it is made durable.
    public func beginWriteback(_ range: Range<UInt64>) {
        guard let start = Int64(exactly: range.lowerBound), let length = Int64(exactly: range.count) else { return }
        _ = fermata_begin_writeback(descriptor, start, length)
    }

    /// Makes what was written durable.
    public func synchronize() throws(StorageError) {
        try checkUsable()
        guard access == .readWrite else { return }
        guard fdatasync(descriptor) == 0 else {
            throw failForGood("cannot be made durable")
        }
    }

    /// Sets the time of the last change, durably and after everything that was written.
    public func setModificationTime(_ seconds: Int64) throws(StorageError) {
        try checkWritable()
        guard fermata_set_modification_time(descriptor, seconds) == 0 else {
            throw .system(name, "cannot be given its time of change")
        }
        // fdatasync would leave the time out.
        guard fsync(descriptor) == 0 else {
            throw failForGood("cannot be made durable")
        }
    }

    /// What was written since the last good synchronization may be gone, even though a second one would succeed.
    func failForGood(_ detail: String) -> StorageError {
        let error = StorageError.system(name, detail)
        hasFailed.store(true, ordering: .releasing)
        return error
    }

    func checkUsable() throws(StorageError) {
        guard !hasFailed.load(ordering: .acquiring) else {
            throw StorageError(
                .io, name: name, detail: "could not be made durable earlier and must be opened again", errno: .ioError)
        }
    }

    func checkWritable() throws(StorageError) {
        try checkUsable()
        guard access == .readWrite else {
            throw StorageError(.readOnly, name: name, detail: "is open for reading only")
        }
    }

    func position(_ offset: UInt64) throws(StorageError) -> off_t {
        guard let position = off_t(exactly: offset) else {
            throw StorageError(.outOfRange, name: name, detail: "no file is that long", offset: offset)
        }
        return position
    }
}

extension FileAccess {
    var flags: CInt {
        switch self {
        case .readOnly: O_RDONLY
        case .readWrite: O_RDWR
        }
    }
}
