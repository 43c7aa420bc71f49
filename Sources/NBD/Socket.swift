// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage
internal import Glibc
internal import Synchronization
internal import SystemPackage

/// A connected stream socket, read by one thread and written by several.
final class Socket: Sendable {
    /// What messages call it.
    let name: String
    /// What its connection is at.
    let activity = Activity()
    private let descriptor: CInt
    /// Whether the descriptor is still ours, so that ``shutDown(_:)`` never meets another file's.
    private let isOpen = Mutex(true)
    /// Held for one whole message, so that messages of several threads do not mix.
    private let sending = Mutex(())

    /// Which way a socket is shut.
    enum Direction {
        case receiving
        case both
    }

    /// Takes the descriptor over, and closes it when it is no stream socket.
    init(_ descriptor: FileDescriptor, name: String) throws(NBDError) {
        self.descriptor = descriptor.rawValue
        self.name = name
        var type: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        let result = unsafe getsockopt(descriptor.rawValue, SOL_SOCKET, SO_TYPE, &type, &length)
        guard result == 0, type == CInt(SOCK_STREAM.rawValue) else {
            let error = NBDError(
                .system, name: name, detail: "is no connected stream socket", errno: Errno.last(result))
            close()
            throw error
        }
        let flags = fcntl(descriptor.rawValue, F_GETFL)
        _ = fcntl(descriptor.rawValue, F_SETFL, flags & ~O_NONBLOCK)
        _ = fcntl(descriptor.rawValue, F_SETFD, FD_CLOEXEC)
    }

    /// Waits for bytes.
    ///
    /// - Parameter all: whether to wait until the buffer is full.
    /// - Returns: the number of bytes; 0 when the client will send no more.
    func receive(into buffer: UnsafeMutableRawBufferPointer, all: Bool) throws(NBDError) -> Int {
        activity.beginReceiving()
        defer { activity.endReceiving() }
        while true {
            let count = unsafe recv(descriptor, buffer.baseAddress, buffer.count, all ? CInt(MSG_WAITALL) : 0)
            if count >= 0 {
                return count
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: throw NBDError(.timedOut, name: name, detail: "the client took too long")
            case ECONNRESET: return 0
            default: throw NBDError(.system, name: name, detail: "cannot receive", errno: Errno(rawValue: errno))
            }
        }
    }

    /// Whether something can be received without waiting.
    func hasInput() -> Bool {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe Glibc.poll(&poll, 1, 0) > 0
    }

    /// Sends the whole message, and behind it what waits in a pipe.
    ///
    /// The threads that send take no signals: a pipe's bytes for a client that has gone would raise one.
    func send(_ message: UnsafeRawBufferPointer, then pages: PagePipe? = nil) throws(NBDError) {
        try sending.withLock { _ throws(NBDError) in
            var rest = unsafe message
            defer { activity.endSending() }
            while unsafe !rest.isEmpty {
                activity.beginSending()
                let count = unsafe Glibc.send(descriptor, rest.baseAddress, rest.count, CInt(MSG_NOSIGNAL))
                if count >= 0 {
                    unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                } else if errno != EINTR {
                    throw sendingFailure
                }
            }
            guard let pages else { return }
            activity.beginSending()
            guard pages.drain(to: descriptor) else { throw sendingFailure }
        }
    }

    private var sendingFailure: NBDError {
        switch errno {
        case EAGAIN: NBDError(.timedOut, name: name, detail: "the client does not take its replies")
        case EPIPE, ECONNRESET: NBDError(.disconnected, name: name, detail: "the client went away")
        default: NBDError(.system, name: name, detail: "cannot send", errno: Errno(rawValue: errno))
        }
    }

    /// Lets more wait in the socket for the client, as far as the system allows.
    func enlargeSendBuffer(to size: CInt) {
        var size = size
        let length = socklen_t(MemoryLayout<CInt>.size)
        if unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &size, length) != 0 {
            unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, length)
        }
    }

    /// Bounds how long receiving and sending may take from now on; nil takes the bound away.
    func setTimeout(_ limit: Duration?) {
        var time = timeval()
        if let limit {
            let (seconds, attoseconds) = limit.components
            time.tv_sec = Int(max(0, seconds))
            // Zero would mean no bound.
            time.tv_usec = max(1, Int(attoseconds / 1_000_000_000_000))
        }
        let size = socklen_t(MemoryLayout<timeval>.size)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, size)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, size)
    }

    /// Ends receiving once what has arrived is read, or ends everything at once; wakes threads that wait.
    func shutDown(_ direction: Direction) {
        isOpen.withLock {
            if $0 {
                _ = shutdown(descriptor, CInt(direction == .receiving ? SHUT_RD : SHUT_RDWR))
            }
        }
    }

    /// Closes the descriptor; no thread may be reading or writing.
    func close() {
        isOpen.withLock {
            if $0 {
                _ = Glibc.close(descriptor)
                $0 = false
            }
        }
    }
}

extension Errno {
    /// The error of a call that has just returned `result`, if it failed.
    static func last(_ result: CInt) -> Errno? {
        result < 0 ? Errno(rawValue: errno) : nil
    }
}
