// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import SystemPackage

/// A descriptor that is closed when it is no longer wanted, at the latest when its last user is gone.
final class Descriptor: Sendable {
    let raw: CInt
    private let isOpen = Mutex(true)

    init(_ raw: CInt) {
        self.raw = raw
    }

    deinit {
        close()
    }

    /// Closes it; nobody may use it any more.
    func close() {
        isOpen.withLock { isOpen in
            if isOpen { _ = Glibc.close(raw) }
            isOpen = false
        }
    }

    var file: FileDescriptor { FileDescriptor(rawValue: raw) }

    /// The path under which whoever inherits this as that number reaches the same file.
    static func path(ofInherited number: Int32) -> String { "/proc/self/fd/\(number)" }

    /// Opens a file.
    static func open(
        _ path: FilePath, _ mode: FileDescriptor.AccessMode, options: FileDescriptor.OpenOptions = [],
        permissions: FilePermissions? = nil
    ) throws(Errno) -> Descriptor {
        do {
            return Descriptor(
                try FileDescriptor.open(path, mode, options: options.union(.closeOnExec), permissions: permissions)
                    .rawValue)
        } catch let error as Errno {
            throw error
        } catch {
            throw .ioError
        }
    }

    /// Makes a connected pair: the first end for this process, the second for a child.
    static func pair() throws(Errno) -> (here: Descriptor, there: Descriptor) {
        var ends: [CInt] = [-1, -1]
        guard unsafe socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0, &ends) == 0
        else { throw Errno(rawValue: errno) }
        return (Descriptor(ends[0]), Descriptor(ends[1]))
    }

    /// A second descriptor of a file that somebody else owns.
    static func copy(of file: FileDescriptor) throws(Errno) -> Descriptor {
        let copy = fcntl(file.rawValue, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw Errno(rawValue: errno) }
        return Descriptor(copy)
    }

    /// A second descriptor of the same file, for an owner of its own.
    func duplicate() throws(Errno) -> FileDescriptor {
        let copy = fcntl(raw, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw Errno(rawValue: errno) }
        return FileDescriptor(rawValue: copy)
    }

    /// The length of the file.
    func length() throws(Errno) -> UInt64 {
        let end = lseek(raw, 0, SEEK_END)
        guard end >= 0 else { throw Errno(rawValue: errno) }
        return UInt64(end)
    }
}
