// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// The socket under a connection: lines out, bytes in, and a way to wake who waits for bytes.
struct QMPSocket: ~Copyable, Sendable {
    private let descriptor: CInt
    /// A byte sent to the first end wakes who waits at the second.
    private let bell: (sender: CInt, listener: CInt)

    /// How long a peer may leave its side full before the connection counts as broken.
    private static let sendLimit = 10

    /// Takes the connected descriptor over and closes it when done, or at once when this fails.
    init(_ connected: FileDescriptor) throws(QMPError) {
        descriptor = connected.rawValue
        var ends: [CInt] = [-1, -1]
        let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        let made = unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0
        let reason = Errno(rawValue: errno)
        bell = (ends[0], ends[1])
        guard made else {
            close(descriptor)
            throw QMPError(.disconnected, detail: "no socket pair could be made: \(reason)")
        }
        var limit = timeval(tv_sec: Self.sendLimit, tv_usec: 0)
        _ = unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit {
        close(descriptor)
        close(bell.sender)
        close(bell.listener)
    }

    /// Sends all bytes, the descriptor (if any) with the first of them.
    func send(_ bytes: [UInt8], passing passed: CInt?) throws(Errno) {
        var sent = 0
        while sent < bytes.count {
            let step = send(bytes, from: sent, passing: sent == 0 ? passed : nil)
            if step > 0 {
                sent += step
            } else if errno != EINTR {
                throw Errno(rawValue: errno)
            }
        }
    }

    private func send(_ bytes: [UInt8], from start: Int, passing passed: CInt?) -> Int {
        // A control message of one descriptor: length, level, type, the descriptor, and room to align.
        var control: [UInt64] = [0, 0, 0]
        let controlLength = MemoryLayout<cmsghdr>.size + MemoryLayout<CInt>.size
        return unsafe bytes.withUnsafeBytes { buffer in
            unsafe control.withUnsafeMutableBytes { area in
                var vector = unsafe iovec(
                    iov_base: UnsafeMutableRawPointer(mutating: buffer.baseAddress?.advanced(by: start)),
                    iov_len: buffer.count - start)
                return unsafe withUnsafeMutablePointer(to: &vector) { vector in
                    var message = unsafe msghdr()
                    unsafe message.msg_iov = vector
                    unsafe message.msg_iovlen = 1
                    if let passed {
                        unsafe area.storeBytes(of: controlLength, toByteOffset: 0, as: Int.self)
                        unsafe area.storeBytes(of: SOL_SOCKET, toByteOffset: 8, as: CInt.self)
                        unsafe area.storeBytes(of: CInt(SCM_RIGHTS), toByteOffset: 12, as: CInt.self)
                        unsafe area.storeBytes(of: passed, toByteOffset: 16, as: CInt.self)
                        unsafe message.msg_control = area.baseAddress
                        unsafe message.msg_controllen = area.count
                    }
                    return unsafe sendmsg(descriptor, &message, CInt(MSG_NOSIGNAL))
                }
            }
        }
    }

    /// What a wait for bytes ended with.
    enum Arrival {
        /// That many bytes were stored.
        case bytes(Int)
        /// The peer will send no more.
        case end
        /// Nothing came before the limit, or the wait was woken.
        case nothing
    }

    /// Waits for bytes, for ``wakeReader()`` or for the limit in milliseconds (-1: none).
    func receive(into buffer: inout [UInt8], limit: CInt) -> Arrival {
        var waiting = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: bell.listener, events: Int16(POLLIN), revents: 0),
        ]
        guard unsafe poll(&waiting, 2, limit) > 0 else { return .nothing }
        if waiting[1].revents != 0 {
            var rings: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0]
            while unsafe read(bell.listener, &rings, rings.count) > 0 {}
        }
        guard waiting[0].revents != 0 else { return .nothing }
        let count = unsafe buffer.withUnsafeMutableBytes { area in
            unsafe recv(descriptor, area.baseAddress, area.count, CInt(MSG_DONTWAIT))
        }
        if count > 0 { return .bytes(count) }
        return count < 0 && (errno == EINTR || errno == EAGAIN) ? .nothing : .end
    }

    /// Ends a wait for bytes.
    func wakeReader() {
        var ring: UInt8 = 1
        _ = unsafe Glibc.write(bell.sender, &ring, 1)
    }

    /// Ends the connection in both directions; the descriptor stays.
    func shutDown() {
        _ = shutdown(descriptor, CInt(SHUT_RDWR))
    }
}
