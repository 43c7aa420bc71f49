// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import FermataModel
import Glibc

/// A client of a control socket that sends whatever bytes it likes.
final class RawClient: Sendable {
    private let descriptor: CInt
    private let reader = DispatchQueue(label: "fermata.tests.client")

    /// Connects to the only socket of a process's own that listens for a machine.
    init(to path: String) throws {
        descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe connect(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw Refused() }
    }

    struct Refused: Error {}

    deinit {
        close(descriptor)
    }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.send(
                    descriptor, buffer.baseAddress?.advanced(by: sent), bytes.count - sent, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    /// Says that no more will be sent.
    func endSending() {
        shutdown(descriptor, CInt(SHUT_WR))
    }

    /// The next line; nil when the host has let go.
    func line() async -> JSON? {
        // The threads of tasks are few, and the host needs them to answer.
        await withCheckedContinuation { continuation in
            reader.async { [self] in continuation.resume(returning: read()) }
        }
    }

    private func read() -> JSON? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while unsafe Glibc.read(descriptor, &byte, 1) == 1 {
            if byte == 10 { return try? JSON(parsing: String(decoding: bytes, as: UTF8.self)) }
            bytes.append(byte)
        }
        return nil
    }
}
