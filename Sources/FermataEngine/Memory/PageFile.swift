// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CFiles
import Glibc
import SystemPackage

/// A file of guest pages, read and written at offsets through raw buffers.
@safe final class PageFile: Sendable {
    /// `SEEK_DATA` and `SEEK_HOLE` of Linux's lseek(2), which Glibc's module leaves out.
    private static let seekData: CInt = 3
    private static let seekHole: CInt = 4

    /// Where this process finds it.
    let path: FilePath
    private let descriptor: CInt

    /// Where this process finds it for as long as it is open, whatever becomes of its name.
    var pathWhileOpen: FilePath { FilePath("/proc/self/fd/\(descriptor)") }

    /// Opens a regular file for reading; links are not followed.
    init(reading path: FilePath) throws(EngineError) {
        self.path = path
        descriptor = unsafe path.withPlatformString {
            unsafe open($0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        }
        guard descriptor >= 0 else { throw failure("opening") }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw EngineError(.damaged, "\(path): expected a regular file")
        }
    }

    /// Makes a new private file, replacing one of the same name.
    init(creating path: FilePath) throws(EngineError) {
        self.path = path
        try FileSystem.remove(path)
        descriptor = unsafe path.withPlatformString {
            unsafe open($0, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        }
        guard descriptor >= 0 else { throw failure("creating") }
    }

    /// Makes a private file that lies in memory only, and goes with the last who has it open.
    init(inMemory name: String) throws(EngineError) {
        descriptor = unsafe fermata_memory_file(name)
        path = FilePath("/proc/self/fd/\(descriptor)")
        guard descriptor >= 0 else { throw failure("creating") }
    }

    deinit {
        close(descriptor)
    }

    /// The length in bytes.
    func length() throws(EngineError) -> Int {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw failure("reading") }
        return Int(status.st_size)
    }

    /// What changes when anybody writes to the file or puts another in its place.
    func stamp() throws(EngineError) -> Stamp {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw failure("reading") }
        return Stamp(
            device: status.st_dev, inode: status.st_ino, size: status.st_size,
            seconds: status.st_ctim.tv_sec, nanoseconds: status.st_ctim.tv_nsec)
    }

    /// A file's identity and the time of its last change, which no writer can avoid.
    struct Stamp: Hashable, CustomStringConvertible {
        fileprivate var device: dev_t
        fileprivate var inode: ino_t
        fileprivate var size: off_t
        fileprivate var seconds: Int
        fileprivate var nanoseconds: Int

        var description: String { "\(device) \(inode) \(size) \(seconds).\(nanoseconds)" }
    }

    /// Fills the buffer from an offset.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(EngineError) {
        var filled = 0
        while filled < buffer.count {
            let count = unsafe pread(
                descriptor, buffer.baseAddress?.advanced(by: filled), buffer.count - filled, off_t(offset + filled))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("reading") }
            guard count > 0 else {
                throw EngineError(
                    .damaged, "\(path): expected \(offset + buffer.count) bytes at least, found \(offset + filled)")
            }
            filled += count
        }
    }

    /// Writes the buffer at an offset.
    func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws(EngineError) {
        var written = 0
        while written < buffer.count {
            let count = unsafe pwrite(
                descriptor, buffer.baseAddress?.advanced(by: written), buffer.count - written,
                off_t(offset + written))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("writing") }
            written += count
        }
    }

    /// The first run at or after an offset that may hold something else than zeros; nil when only a hole is left.
    func nextData(from offset: Int) throws(EngineError) -> Range<Int>? {
        let start = lseek(descriptor, off_t(offset), PageFile.seekData)
        guard start >= 0 else {
            if errno == ENXIO { return nil }
            throw failure("reading")
        }
        let end = lseek(descriptor, start, PageFile.seekHole)
        guard end > start else { throw failure("reading") }
        return Int(start)..<Int(end)
    }

    /// Sets the length; what is added reads as zeros.
    func truncate(to length: Int) throws(EngineError) {
        guard ftruncate(descriptor, off_t(length)) == 0 else { throw failure("sizing") }
    }

    /// Makes what was written durable.
    func synchronize() throws(EngineError) {
        guard fdatasync(descriptor) == 0 else { throw failure("making durable") }
    }

    private func failure(_ operation: String) -> EngineError {
        let error = Errno(rawValue: errno)
        return EngineError(.system, "\(path): \(operation) failed: \(error)", underlying: error)
    }
}
