// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
public import SystemPackage

/// A folder of a test's own, removed with everything in it when the last reference goes.
public final class TemporaryFolder: Sendable {
    /// The folder's path, absolute and without links.
    public let path: FilePath

    /// Creates an empty folder.
    public init() throws {
        let base = FileManager.default.temporaryDirectory.resolvingSymlinksInPath().path
        path = FilePath(base).appending("fermata-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(atPath: path.string, withIntermediateDirectories: false)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path.string)
    }

    /// The path of something in the folder.
    public func appending(_ relative: String) -> FilePath {
        path.appending(relative)
    }

    /// Creates a folder in it, with those on the way to it.
    @discardableResult
    public func makeFolder(_ relative: String) throws -> FilePath {
        let folder = appending(relative)
        try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
        return folder
    }
}
