// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Hashing
import SystemPackage

/// Where sockets and what must not touch a disk live while a machine runs: a private folder on a memory file system.
enum RuntimeFolder {
    /// The folder of a machine, named by its folder's device and inode, so that a copied lab is another lab.
    static func of(_ machine: FilePath) throws(EngineError) -> FilePath {
        guard let status = FileSystem.status(of: machine) else {
            throw EngineError(.notFound, "\(machine): there is no such folder")
        }
        let hash = SHA256.digest(of: Array("\(status.st_dev) \(status.st_ino)".utf8)).description.prefix(16)
        let path = try root().appending(String(hash))
        try FileSystem.create(path)
        return path
    }

    private static func root() throws(EngineError) -> FilePath {
        let user = getuid()
        let path =
            if let folder = unsafe getenv("XDG_RUNTIME_DIR").map({ unsafe String(cString: $0) }), !folder.isEmpty {
                FilePath(folder).appending("fermata")
            } else if user == 0 {
                FilePath("/run/fermata")
            } else {
                FilePath("/tmp/fermata-\(user)")
            }
        try FileSystem.create(path)
        guard let status = FileSystem.status(of: path), status.st_mode & S_IFMT == S_IFDIR,
            status.st_uid == user, status.st_mode & 0o077 == 0
        else {
            throw EngineError(
                .system,
                "\(path): expected a folder of this user that no one else can open; remove it, or set "
                    + "XDG_RUNTIME_DIR")
        }
        return path
    }
}
