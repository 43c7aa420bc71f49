// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
internal import SystemPackage

/// A Unix socket at a path that nobody else can connect to.
final class ListeningSocket: Sendable {
    /// What came of waiting for a client.
    enum Accepted {
        case client(FileDescriptor)
        /// The process or the system has no descriptors or memory left for now.
        case exhausted
        /// The socket accepts no one any more.
        case closed
    }

    private let path: FilePath
    private let descriptor: CInt
    /// The file that was made, so that no other's is removed.
    private let identity: FileIdentity?

    /// Makes the socket and listens.
    init(_ path: FilePath, _ kind: SocketFolder) throws(NBDError) {
        self.path = path
        guard let name = path.lastComponent?.string else {
            throw NBDError(.invalidAddress, name: path.string, detail: "names no socket")
        }
        let folder = path.removingLastComponent()
        let folderDescriptor = try Self.openFolder(folder.isEmpty ? "." : folder, kind)
        defer { _ = Glibc.close(folderDescriptor) }
        // Two servers that find the same stale socket must not both replace it.
        while flock(folderDescriptor, LOCK_EX) != 0 && errno == EINTR {}
        try Self.removeStale(path, name, in: folderDescriptor)

        let descriptor = Glibc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else {
            throw NBDError(.system, name: path.string, detail: "cannot make a socket", errno: Errno(rawValue: errno))
        }
        do throws(NBDError) {
            try unsafe Self.withAddress(path) { address, length throws(NBDError) in
                guard unsafe bind(descriptor, address, length) == 0 else {
                    throw NBDError(.system, name: path.string, detail: "cannot bind", errno: Errno(rawValue: errno))
                }
            }
            // Nobody can connect before listen, so nobody ever meets another mode.
            guard unsafe fchmodat(folderDescriptor, name, 0o600, 0) == 0, Glibc.listen(descriptor, Self.backlog) == 0
            else {
                let error = Errno(rawValue: errno)
                unsafe unlinkat(folderDescriptor, name, 0)
                throw NBDError(.system, name: path.string, detail: "cannot listen", errno: error)
            }
        } catch {
            _ = Glibc.close(descriptor)
            throw error
        }
        self.descriptor = descriptor
        identity = FileIdentity(name, in: folderDescriptor)
    }

    /// Clients that are turned away do not try again, so as many may wait as the system allows by default.
    private static let backlog: CInt = 4096

    /// Waits for a client.
    func accept() -> Accepted {
        while true {
            let client = Glibc.accept(descriptor, nil, nil)
            if client >= 0 {
                return .client(FileDescriptor(rawValue: client))
            }
            switch errno {
            case EINTR, ECONNABORTED: continue
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted
            default: return .closed
            }
        }
    }

    /// Removes the file, if it is still the one that was made.
    func remove() {
        if let identity, FileIdentity(path.string, in: AT_FDCWD) == identity {
            unsafe unlink(path.string)
        }
    }

    /// Wakes the thread that waits for a client.
    func shutDown() {
        _ = shutdown(descriptor, CInt(SHUT_RDWR))
    }

    /// Closes the descriptor; no thread may be waiting.
    func close() {
        _ = Glibc.close(descriptor)
    }
}
