// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Glibc
public import SystemPackage

/// Keeps operations of other commands away from a disk's file for as long as it lives.
public struct DiskClaim: Sendable {
    private let claims: [any Sendable]

    /// Claims a file.
    ///
    /// - Parameter root: the folder beneath which the file lies.
    /// - Throws: ``DiskError/Code/inUse`` when another command is changing the disk.
    public init(on path: FilePath, beneath root: FilePath) throws(DiskError) {
        let folder = try reaching(root.string) { () throws(StorageError) in try Folder(opening: root) }
        claims = try DiskRecovery.claim([LabPath.location(of: path, beneath: folder.path)], in: folder)
    }

    /// Waits until nobody has claimed a file; at once when it is not there.
    ///
    /// - Parameter path: the file, or one that an error names.
    public static func waitForOthers(at path: FilePath) {
        guard let file = try? FileDescriptor.open(path, .readOnly, options: [.noFollow, .nonBlocking, .closeOnExec])
        else { return }
        defer { try? file.close() }
        while flock(file.rawValue, LOCK_SH) != 0, errno == EINTR {}
    }
}
