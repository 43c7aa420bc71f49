// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import Synchronization
public import SystemPackage

/// A byte stream between the host and a device of the guest: one socket pair, both ends held here.
///
/// ```
///   host ──write()────► host end ═════ guest end ──► device     the gate stops write() between two sends
///   host ◄──receive()── host end ═════ guest end ◄── device     discardUnread() takes back what the device
///                                                               has not read yet
/// ```
/// The hypervisor gets a duplicate of the guest's end. A restore must let nothing of the discarded future arrive: shut
/// the gate, discard what is unread, stop the machine, discard again, take what it had sent, restore, continue, open
/// the gate. Each discard begins a new epoch, and a write that began in an older one ends without sending the rest.
public final class ByteChannel: Sendable {
    private let host: Descriptor
    private let guest: Descriptor
    /// Made shut and then opened: a semaphore may not end with less than it was made with, and a paused machine ends
    /// with its gate shut.
    private let gate = DispatchSemaphore(value: 0)
    private let isShut = Mutex<Bool>(false)
    private let epoch = Mutex<Int>(0)
    private let receiving = Mutex<Void>(())

    /// Makes a connected pair.
    public init() throws(Errno) {
        var ends: [CInt] = [-1, -1]
        guard unsafe socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0, &ends) == 0
        else { throw Errno(rawValue: errno) }
        host = Descriptor(ends[0])
        guest = Descriptor(ends[1])
        gate.signal()
    }

    /// The end for the hypervisor to inherit; stays owned by this channel.
    public var guestEnd: FileDescriptor { FileDescriptor(rawValue: guest.raw) }

    /// Waits for bytes from the device and hands them over; nothing else is taken out of the channel meanwhile.
    ///
    /// - Returns: whether more may come; false once the channel is shut down.
    public func receive(_ body: ([UInt8]) -> Void) -> Bool {
        var waiting = pollfd(fd: host.raw, events: Int16(POLLIN), revents: 0)
        while unsafe poll(&waiting, 1, -1) < 0 {
            guard errno == EINTR else { return false }
        }
        return receiving.withLock { _ in
            var buffer = [UInt8](repeating: 0, count: 65536)
            let count = Self.receive(host.raw, into: &buffer)
            if count > 0 { body(Array(buffer[..<count])) }
            return count != 0
        }
    }

    /// Takes out what the device has sent so far, without waiting, and hands it over.
    public func receivePending(_ body: ([UInt8]) -> Void) {
        receiving.withLock { _ in
            var buffer = [UInt8](repeating: 0, count: 65536)
            while true {
                let count = Self.receive(host.raw, into: &buffer)
                guard count > 0 else { return }
                body(Array(buffer[..<count]))
            }
        }
    }

    /// Sends bytes to the device, waiting for room and for the gate.
    ///
    /// - Parameter began: the epoch in which the sending was decided; nil for now.
    /// - Returns: whether all was sent; false once what is unread was discarded or the channel is shut down.
    public func write(_ bytes: [UInt8], since began: Int? = nil) -> Bool {
        write(bytes, since: began, while: Switch())
    }

    /// Sends bytes to the device for as long as that is wanted.
    func write(_ bytes: [UInt8], since began: Int? = nil, while isWanted: Switch) -> Bool {
        let began = began ?? currentEpoch
        var sent = 0
        while sent < bytes.count {
            // The timeout lets a write that waits for a gate that stays shut see that it is wanted no more.
            while gate.wait(timeout: .now() + .milliseconds(100)) == .timedOut {
                guard isWanted.isOn else { return false }
            }
            guard isWanted.isOn, epoch.withLock({ $0 }) == began else {
                gate.signal()
                return false
            }
            let step = unsafe bytes.withUnsafeBytes { buffer in
                unsafe send(
                    host.raw, buffer.baseAddress?.advanced(by: sent), bytes.count - sent,
                    CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
            }
            let error = errno
            gate.signal()
            if step > 0 {
                sent += step
            } else if error == EAGAIN {
                // The timeout lets a write that waits for a guest that reads no more see its epoch end.
                var waiting = pollfd(fd: host.raw, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&waiting, 1, 100)
            } else if error != EINTR {
                return false
            }
        }
        return true
    }

    /// The epoch that ends with the next discard.
    public var currentEpoch: Int { epoch.withLock { $0 } }

    /// Ends every write that was decided before, those under way between two sends.
    ///
    /// - Returns: the new epoch.
    public func beginEpoch() -> Int {
        epoch.withLock { epoch in
            epoch += 1
            return epoch
        }
    }

    /// Stops every write, those under way included, until ``openGate()``; a shut gate stays shut.
    public func shutGate() {
        let wasShut = isShut.withLock { isShut in
            defer { isShut = true }
            return isShut
        }
        if !wasShut { gate.wait() }
    }

    /// Lets writes pass again.
    public func openGate() {
        let wasShut = isShut.withLock { isShut in
            defer { isShut = false }
            return isShut
        }
        if wasShut { gate.signal() }
    }

    /// Takes back what was sent and the device has not read, and ends every write under way; only with the gate shut.
    public func discardUnread() {
        _ = beginEpoch()
        var buffer = [UInt8](repeating: 0, count: 65536)
        while Self.receive(guest.raw, into: &buffer) > 0 {}
    }

    /// Ends the channel: receivers and writers return false.
    public func shutDown() {
        epoch.withLock { $0 += 1 }
        _ = shutdown(host.raw, CInt(SHUT_RDWR))
    }

    /// Bytes received without waiting; 0 at the stream's end, negative when there are none now.
    private static func receive(_ descriptor: CInt, into buffer: inout [UInt8]) -> Int {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe recv(descriptor, $0.baseAddress, $0.count, CInt(MSG_DONTWAIT))
            }
            if count >= 0 { return count }
            if errno == EINTR { continue }
            return errno == EAGAIN ? -1 : 0
        }
    }

    /// Closes a descriptor when its last user is gone.
    private final class Descriptor: Sendable {
        let raw: CInt

        init(_ raw: CInt) {
            self.raw = raw
        }

        deinit {
            close(raw)
        }
    }
}
