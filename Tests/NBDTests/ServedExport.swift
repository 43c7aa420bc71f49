// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import NBD
import StorageTestSupport
import SystemPackage

/// An export that is served on a socket of a test's own for as long as this lives.
final class ServedExport: Sendable {
    let folder: TemporaryFolder
    let server: NBDServer
    let export: Export
    let socket: String

    init(
        _ device: any BlockDevice, limits: Limits = Limits(),
        onEnd: @escaping @Sendable (ConnectionEnd) -> Void = { _ in }
    ) throws {
        folder = try TemporaryFolder()
        // The folder is made by the server, as its own.
        socket = folder.appending("run/s").string
        export = Export(device, summary: "a disk in memory")
        server = NBDServer(limits: limits, onEnd: onEnd)
        try server.listen(at: FilePath(socket), exports: [export])
    }

    var uri: String { "nbd+unix:///?socket=\(socket)" }

    deinit {
        server.stop()
    }
}
