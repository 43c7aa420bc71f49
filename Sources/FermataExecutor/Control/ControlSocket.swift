// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// A connected Unix socket: bytes and descriptors in both directions.
final class ControlSocket: Sendable {
    /// The most descriptors that one message carries.
    static let mostDescriptors = 8
    /// How long the other side may leave its end full before the connection counts as broken, in seconds.
    private static let sendLimit = 30

    private let descriptor: CInt

    /// Takes a connected socket over.
    init(owning descriptor: CInt) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        setLimit(SO_SNDTIMEO, milliseconds: Self.sendLimit * 1000)
    }

    deinit {
        close(descriptor)
    }

    /// How long a wait for bytes may take, in milliseconds; 0 for as long as it needs.
    func limitReceiving(milliseconds: Int) {
        setLimit(SO_RCVTIMEO, milliseconds: milliseconds)
    }

    private func setLimit(_ option: CInt, milliseconds: Int) {
        var limit = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// The user whose process is at the other end.
    var peer: uid_t? {
        // A `struct ucred`, which the system declares for _GNU_SOURCE only: process, user, group.
        var credentials: [UInt32] = [0, 0, 0]
        var length = socklen_t(12)
        let result = unsafe getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length)
        return result == 0 ? credentials[1] : nil
    }

    /// Sends all bytes, the descriptors with the first of them.
    func send(_ bytes: [UInt8], passing passed: [ControlDescriptor] = []) throws(Errno) {
        var sent = 0
        while sent < bytes.count {
            let step = send(bytes, from: sent, passing: sent == 0 ? passed : [])
            if step > 0 {
                sent += step
            } else if errno != EINTR {
                throw Errno(rawValue: errno)
            }
        }
    }

    private func send(_ bytes: [UInt8], from start: Int, passing passed: [ControlDescriptor]) -> Int {
        // A control message: its length, level and type, and the descriptors, with room to align.
        var control = [UInt64](repeating: 0, count: 2 + (passed.count + 1) / 2)
        let length = MemoryLayout<cmsghdr>.size + MemoryLayout<CInt>.size * passed.count
        return unsafe bytes.withUnsafeBytes { buffer in
            unsafe control.withUnsafeMutableBytes { area in
                var vector = unsafe iovec(
                    iov_base: UnsafeMutableRawPointer(mutating: buffer.baseAddress?.advanced(by: start)),
                    iov_len: buffer.count - start)
                return unsafe withUnsafeMutablePointer(to: &vector) { vector in
                    var message = unsafe msghdr()
                    unsafe message.msg_iov = vector
                    unsafe message.msg_iovlen = 1
                    if !passed.isEmpty {
                        unsafe area.storeBytes(of: length, toByteOffset: 0, as: Int.self)
                        unsafe area.storeBytes(of: SOL_SOCKET, toByteOffset: 8, as: CInt.self)
                        unsafe area.storeBytes(of: CInt(SCM_RIGHTS), toByteOffset: 12, as: CInt.self)
                        for (index, descriptor) in passed.enumerated() {
                            unsafe area.storeBytes(
                                of: descriptor.rawValue, toByteOffset: 16 + 4 * index, as: CInt.self)
                        }
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
        /// That many bytes were stored, and these descriptors came with them.
        case bytes(Int, [ControlDescriptor])
        /// The other side will send no more, or broke off.
        case end
        /// Nothing came within the limit.
        case nothing
        /// More descriptors came than a message may carry.
        case tooManyDescriptors
    }

    /// Waits for bytes.
    func receive(into buffer: inout [UInt8]) -> Arrival {
        // Room for one descriptor too many, so that too many can be told from the right number.
        var control = [UInt64](repeating: 0, count: 2 + (Self.mostDescriptors + 2) / 2)
        return unsafe buffer.withUnsafeMutableBytes { buffer in
            unsafe control.withUnsafeMutableBytes { area in
                var vector = unsafe iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
                return unsafe withUnsafeMutablePointer(to: &vector) { vector in
                    while true {
                        var message = unsafe msghdr()
                        unsafe message.msg_iov = vector
                        unsafe message.msg_iovlen = 1
                        unsafe message.msg_control = area.baseAddress
                        unsafe message.msg_controllen = area.count
                        let count = unsafe recvmsg(descriptor, &message, CInt(MSG_CMSG_CLOEXEC))
                        if count < 0, errno == EINTR { continue }
                        if count < 0, errno == EAGAIN { return .nothing }
                        guard count > 0 else { return .end }
                        let passed = unsafe Self.descriptors(
                            in: UnsafeRawBufferPointer(
                                rebasing: UnsafeRawBufferPointer(area)[..<message.msg_controllen]))
                        let isCut = unsafe message.msg_flags & CInt(MSG_CTRUNC) != 0
                        return isCut || passed.count > Self.mostDescriptors
                            ? .tooManyDescriptors : .bytes(count, passed)
                    }
                }
            }
        }
    }

    private static func descriptors(in control: UnsafeRawBufferPointer) -> [ControlDescriptor] {
        var found: [ControlDescriptor] = []
        var start = 0
        while start + 16 <= control.count {
            let length = unsafe control.load(fromByteOffset: start, as: Int.self)
            guard length >= 16, length <= control.count - start else { break }
            let kind = unsafe (
                control.load(fromByteOffset: start + 8, as: CInt.self),
                control.load(fromByteOffset: start + 12, as: CInt.self)
            )
            if kind == (SOL_SOCKET, CInt(SCM_RIGHTS)) {
                for offset in stride(from: start + 16, through: start + length - 4, by: 4) {
                    found.append(
                        ControlDescriptor(owning: unsafe control.load(fromByteOffset: offset, as: CInt.self)))
                }
            }
            start += (length + 7) & ~7
        }
        return found
    }

    /// Ends what is received, what is sent, or both; who waits for bytes then meets their end.
    func shutDown(receiving: Bool = true, sending: Bool = true) {
        _ = shutdown(descriptor, CInt(receiving && sending ? SHUT_RDWR : receiving ? SHUT_RD : SHUT_WR))
    }
}
