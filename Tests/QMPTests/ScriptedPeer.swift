// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import QMP
import SystemPackage

/// The other end of a connection, which does what a script says.
final class ScriptedPeer: Sendable {
    /// The end for the client.
    let client: FileDescriptor
    private let own: CInt

    static let greeting = #"{"QMP": {"version": {"qemu": {"micro": 1, "minor": 2, "major": 7}}, "capabilities": []}}"#

    init() throws {
        var ends: [CInt] = [-1, -1]
        guard unsafe socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0 else {
            throw Errno(rawValue: errno)
        }
        client = FileDescriptor(rawValue: ends[0])
        own = ends[1]
    }

    deinit {
        close(own)
    }

    /// Runs the script on a thread of its own.
    func run(_ script: @escaping @Sendable (ScriptedPeer) -> Void) {
        Thread { [self] in script(self) }.start()
    }

    /// Greets and agrees on what the connection can do.
    func greet() {
        send(Self.greeting)
        if let number = command().number { send(#"{"return": {}, "id": \#(number)}"#) }
    }

    func send(_ text: String, end: String = "\r\n") {
        let bytes = Array((text + end).utf8)
        _ = unsafe Glibc.send(own, bytes, bytes.count, CInt(MSG_NOSIGNAL))
    }

    /// The next command's message, its number, and the descriptor that came with it.
    func command() -> (message: JSONValue, number: Int64?, descriptor: CInt?) {
        var line: [UInt8] = []
        var passed: CInt?
        while line.last != UInt8(ascii: "\n") {
            var byte: UInt8 = 0
            var control = [UInt64](repeating: 0, count: 4)
            let count = unsafe withUnsafeMutablePointer(to: &byte) { byte in
                var vector = unsafe iovec(iov_base: byte, iov_len: 1)
                return unsafe withUnsafeMutablePointer(to: &vector) { vector in
                    unsafe control.withUnsafeMutableBytes { area in
                        var message = unsafe msghdr()
                        unsafe message.msg_iov = vector
                        unsafe message.msg_iovlen = 1
                        unsafe message.msg_control = area.baseAddress
                        unsafe message.msg_controllen = area.count
                        let count = unsafe recvmsg(own, &message, 0)
                        if unsafe message.msg_controllen > 0 {
                            unsafe passed = area.load(fromByteOffset: 16, as: CInt.self)
                        }
                        return count
                    }
                }
            }
            guard count == 1 else { return (.null, nil, passed) }
            line.append(byte)
        }
        let message = JSONValue(text: line) ?? .null
        return (message, message["id"]?.integer, passed)
    }

    /// Ends the connection.
    func hangUp() {
        shutdown(own, CInt(SHUT_RDWR))
    }
}
