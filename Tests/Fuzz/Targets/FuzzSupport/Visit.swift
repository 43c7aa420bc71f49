// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Glibc
import NBD
import Synchronization
import SystemPackage

/// A server with one small disk, and clients that send what they are given and take every reply.
package struct Visit {
    private static let server = NBDServer()

    /// Sends everything, and waits until the server has closed the connection.
    package static func send(_ bytes: [UInt8]) {
        var pair: [CInt] = [-1, -1]
        let files = MemoryFiles(["disk": [UInt8](repeating: 0x5A, count: 64 << 10)])
        guard unsafe socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &pair) == 0,
            let device = try? RawDevice(MemoryFile(files: files, name: "disk"), isReadOnly: false),
            (try? server.serve(connection: FileDescriptor(rawValue: pair[0]), export: Export(device))) != nil
        else { return }
        defer { close(pair[1]) }
        // An input is shorter than the socket's buffer, so this waits for nobody.
        unsafe bytes.withUnsafeBytes { bytes in
            _ = unsafe Glibc.send(pair[1], bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL))
        }
        shutdown(pair[1], CInt(SHUT_WR))
        var replies = [UInt8](repeating: 0, count: 64 << 10)
        while unsafe replies.withUnsafeMutableBytes({ unsafe recv(pair[1], $0.baseAddress, $0.count, 0) }) > 0 {}
        // No request makes the disk longer.
        precondition(files.files.withLock { $0["disk"]?.count } == 64 << 10)
    }
}
