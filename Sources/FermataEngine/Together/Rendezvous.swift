// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
public import SystemPackage

/// One machine's end of a meeting, at which several machines do something at one moment; the other end is a
/// ``Gathering``'s.
///
/// ```
///  machine                                   gathering
///     │ ── one byte: the stage that it reached ──► │
///     │                                            │  waits for all the others
///     │ ◄── one byte: go on ────────────────────── │
///     │ ◄── the end of the connection ──────────── │  given up
/// ```
/// A socket joins the two, so that they can be in different processes, and that the end of one is the other's to see.
public final class Rendezvous: Sendable {
    /// How far a machine is.
    public enum Stage: UInt8, Hashable, Sendable {
        /// All that can be refused is checked, and all that can be made before is made.
        case prepared = 0x70
        /// The machine stands.
        case stopped = 0x73
        /// What the machine's moment is has been taken out of it.
        case captured = 0x63
        /// Nothing can fail any more but the commit, which is made for all at once.
        case ready = 0x72
    }

    /// How long a machine may stand because another one does not.
    static let patience: Duration = .seconds(60)
    static let goOn: UInt8 = 0x67

    private let descriptor: CInt

    /// Takes an end over; it is closed when the last reference goes.
    public init(owning descriptor: FileDescriptor) {
        self.descriptor = descriptor.rawValue
    }

    deinit {
        close(descriptor)
    }

    /// Two ends that are joined.
    static func pair() throws(EngineError) -> (Rendezvous, Rendezvous) {
        var ends: [CInt] = [-1, -1]
        guard unsafe socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw EngineError(.system, "the machines cannot be joined: \(Errno(rawValue: errno))")
        }
        return (
            Rendezvous(owning: FileDescriptor(rawValue: ends[0])), Rendezvous(owning: FileDescriptor(rawValue: ends[1]))
        )
    }

    /// The end for another process; the caller's to close.
    public func duplicate() throws(EngineError) -> FileDescriptor {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else {
            throw EngineError(.system, "the machines cannot be joined: \(Errno(rawValue: errno))")
        }
        return FileDescriptor(rawValue: copy)
    }

    /// Tells that the machine has come to a stage, and waits until all have.
    ///
    /// - Throws: ``EngineError/Code/stale`` when it was given up.
    func arrive(at stage: Stage) async throws(EngineError) {
        guard send(stage.rawValue), await receive(within: Self.patience) == Self.goOn else { throw Self.givenUp }
    }

    /// Tells that the machine is ready for the commit, and waits for it.
    ///
    /// - Parameter isCommitted: what the files say, for when nobody else can.
    func decision(_ isCommitted: @Sendable () -> Bool) async -> Bool {
        if send(Stage.ready.rawValue), await receive(within: nil) == Self.goOn { return true }
        // Who made the commit, or was about to, is gone, and nobody will make it any more.
        return isCommitted()
    }

    /// A thing that several machines were to do together, and that did not happen.
    static var givenUp: EngineError {
        EngineError(.stale, "it was given up, since another machine of the lab could not do it")
    }

    /// Waits for the next byte from the other end; nil when there is none.
    func receive(within limit: Duration?) async -> UInt8? {
        let descriptor = descriptor
        return await withCheckedContinuation { continuation in
            Thread.detachNewThread { [self] in
                continuation.resume(returning: withExtendedLifetime(self) { Self.receive(descriptor, within: limit) })
            }
        }
    }

    private static func receive(_ descriptor: CInt, within limit: Duration?) -> UInt8? {
        let end = limit.map { ContinuousClock.now + $0 }
        while true {
            let left = end.map { max(0, Int32(($0 - .now) / .milliseconds(1))) } ?? -1
            var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let count = unsafe Glibc.poll(&poll, 1, left)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            var byte: UInt8 = 0
            let received = unsafe recv(descriptor, &byte, 1, 0)
            if received < 0, errno == EINTR { continue }
            return received == 1 ? byte : nil
        }
    }

    func send(_ byte: UInt8) -> Bool {
        while true {
            let sent = unsafe withUnsafePointer(to: byte) {
                unsafe Glibc.send(descriptor, $0, 1, CInt(MSG_NOSIGNAL))
            }
            if sent < 0, errno == EINTR { continue }
            return sent == 1
        }
    }

    /// Lets the other end see that this one is over.
    func end() {
        shutdown(descriptor, CInt(SHUT_RDWR))
    }
}
