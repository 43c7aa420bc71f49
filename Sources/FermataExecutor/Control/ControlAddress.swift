// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import Foundation
import Glibc
import Hashing
import SystemPackage

/// Where the host of a machine listens: a socket in a folder that is the user's own.
///
/// ```
/// $XDG_RUNTIME_DIR/fermata       when that variable names a folder of the user's own
/// /run/fermata                   else for root
/// <temporary>/fermata-<uid>      else
///     <hash>.sock                of the machine folder's device and inode: a copied lab is another lab
/// ```
/// The socket is reached through the folder's descriptor, so its path has no length to keep to.
final class ControlAddress: Sendable {
    /// The socket's path, for messages.
    let path: FilePath
    private let folder: CInt
    private let name: String

    /// Finds the address of a machine's host.
    ///
    /// - Parameter isToBeMade: makes the folder when it is missing.
    /// - Returns: nil when the folder is missing, and nobody can be listening.
    init?(of machine: MachineFolder, makingFolder isToBeMade: Bool) throws(EngineError) {
        var status = stat()
        guard unsafe machine.path.withPlatformString({ unsafe stat($0, &status) }) == 0 else {
            throw EngineError(.notFound, "there is no machine '\(machine.name)' in \(machine.lab.path)")
        }
        let path = Self.folder()
        if isToBeMade, unsafe path.withPlatformString({ unsafe mkdir($0, 0o700) }) != 0, errno != EEXIST {
            throw EngineError(.system, "\(path): making the folder failed: \(Errno(rawValue: errno))")
        }
        folder = unsafe path.withPlatformString { unsafe open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) }
        name = Self.name(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        self.path = path.appending(name)
        guard folder >= 0 else {
            if errno == ENOENT { return nil }
            throw EngineError(.system, "\(path): opening the folder failed: \(Errno(rawValue: errno))")
        }
        guard unsafe fstat(folder, &status) == 0, status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
            throw EngineError(
                .system,
                "\(path): others can reach this folder, which must be yours with mode 0700; remove it, or set "
                    + "XDG_RUNTIME_DIR to a folder of your own")
        }
    }

    deinit {
        if folder >= 0 { close(folder) }
    }

    private static func name(device: UInt64, inode: UInt64) -> String {
        var hash = SHA256()
        unsafe hash.update("\(device):\(inode)".utf8.span.bytes)
        return "\(hash.finish().description.prefix(16)).sock"
    }

    private static func folder() -> FilePath {
        let user = geteuid()
        if let text = ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"], text.hasPrefix("/") {
            var status = stat()
            // Of a user who became another one, the variable still names the first one's folder.
            if unsafe stat(text, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == user {
                return FilePath(text).appending("fermata")
            }
        }
        if user == 0 { return "/run/fermata" }
        return FilePath(FileManager.default.temporaryDirectory.path).appending("fermata-\(user)")
    }

    /// Connects to whoever listens.
    ///
    /// - Returns: nil when nobody does.
    func connect() throws(EngineError) -> ControlSocket? {
        let attempt = try attempt()
        // What a killed host left goes with whoever meets it, unless a host is about to listen there.
        if case .refused = attempt, flock(folder, LOCK_EX | LOCK_NB) == 0 {
            defer { flock(folder, LOCK_UN) }
            if case .refused = try self.attempt() { remove() }
        }
        guard case .connected(let socket) = attempt else { return nil }
        return socket
    }

    /// Whether there is a socket on which nobody listens.
    var isStale: Bool {
        if case .refused = try? attempt() { true } else { false }
    }

    private enum Attempt {
        case connected(ControlSocket)
        /// There is a socket, on which nobody listens.
        case refused
        case absent
    }

    private func attempt() throws(EngineError) -> Attempt {
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("making a socket") }
        // A host that takes no more clients must not hold up who only asks.
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let result = unsafe withAddress { address, length in unsafe Glibc.connect(descriptor, address, length) }
        if result == 0 { return .connected(ControlSocket(owning: descriptor)) }
        let error = errno
        close(descriptor)
        switch error {
        case ENOENT: return .absent
        case ECONNREFUSED: return .refused
        default:
            errno = error
            throw failure("connecting")
        }
    }

    /// Makes a socket that listens; one on which nobody listens any more gives way.
    ///
    /// - Returns: its descriptor.
    func listen() throws(EngineError) -> CInt {
        // Two hosts that find the same stale socket must not both replace it.
        while flock(folder, LOCK_EX) != 0 && errno == EINTR {}
        defer { flock(folder, LOCK_UN) }
        if case .connected = try attempt() {
            throw EngineError(.busy, "\(path): another host listens here")
        }
        unsafe unlinkat(folder, name, 0)
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("making a socket") }
        let result = unsafe withAddress { address, length in unsafe bind(descriptor, address, length) }
        // Nobody can connect before listen, so nobody ever meets another mode.
        guard result == 0, unsafe fchmodat(folder, name, 0o600, 0) == 0, Glibc.listen(descriptor, 128) == 0 else {
            let error = failure("listening")
            close(descriptor)
            throw error
        }
        return descriptor
    }

    /// Removes the socket's file.
    func remove() {
        unsafe unlinkat(folder, name, 0)
    }

    private func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = "/proc/self/fd/\(folder)/\(name)"
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe body(pointer, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private func failure(_ what: String) -> EngineError {
        let error = Errno(rawValue: errno)
        return EngineError(.system, "\(path): \(what) failed: \(error)", underlying: error)
    }
}
