// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import SystemPackage

extension ListeningSocket {
    /// What tells a file from every other.
    struct FileIdentity: Hashable, Sendable {
        private let device: dev_t
        private let inode: ino_t
        let isSocket: Bool

        /// The file of a name, when there is one; a link is not followed.
        init?(_ name: String, in folder: CInt) {
            var status = stat()
            guard unsafe fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                return nil
            }
            device = status.st_dev
            inode = status.st_ino
            isSocket = status.st_mode & S_IFMT == S_IFSOCK
        }
    }

    /// Opens the socket's folder, and makes it when it is to be private and is missing.
    static func openFolder(_ folder: FilePath, _ kind: SocketFolder) throws(NBDError) -> CInt {
        if kind == .private, unsafe mkdir(folder.string, 0o700) != 0, errno != EEXIST {
            throw NBDError(.system, name: folder.string, detail: "cannot be made", errno: Errno(rawValue: errno))
        }
        let descriptor = unsafe open(folder.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw NBDError(.system, name: folder.string, detail: "cannot be opened", errno: Errno(rawValue: errno))
        }
        var status = stat()
        guard unsafe kind == .existing || fstat(descriptor, &status) == 0 else {
            let error = Errno(rawValue: errno)
            _ = Glibc.close(descriptor)
            throw NBDError(.system, name: folder.string, detail: "cannot be examined", errno: error)
        }
        guard kind == .existing || (status.st_uid == geteuid() && status.st_mode & 0o077 == 0) else {
            _ = Glibc.close(descriptor)
            throw NBDError(
                .notPrivate, name: folder.string,
                detail: "others can reach this folder; choose one that is yours with mode 0700")
        }
        return descriptor
    }

    /// Removes a socket on which nobody listens.
    static func removeStale(_ path: FilePath, _ name: String, in folder: CInt) throws(NBDError) {
        guard let found = FileIdentity(name, in: folder) else {
            return
        }
        guard found.isSocket else {
            throw NBDError(.invalidAddress, name: path.string, detail: "exists and is no socket; choose another path")
        }
        let probe = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        defer { _ = Glibc.close(probe) }
        var result: CInt = -1
        try unsafe withAddress(path) { address, length in
            result = unsafe connect(probe, address, length)
        }
        guard result != 0, errno == ECONNREFUSED else {
            throw NBDError(
                .addressInUse, name: path.string, detail: "another server listens here; stop it or choose another path")
        }
        unsafe unlinkat(folder, name, 0)
    }

    /// Gives the path as the system wants a Unix socket's address.
    static func withAddress(
        _ path: FilePath, _ body: (UnsafePointer<sockaddr>, socklen_t) throws(NBDError) -> Void
    ) throws(NBDError) {
        var address = sockaddr_un()
        let bytes = Array(path.string.utf8)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard bytes.count < capacity, !bytes.contains(0) else {
            throw NBDError(
                .invalidAddress, name: path.string,
                detail: "is too long for a socket; a path may have \(capacity - 1) bytes")
        }
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        try unsafe withUnsafePointer(to: &address) { pointer throws(NBDError) in
            try unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer throws(NBDError) in
                unsafe try body(pointer, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
