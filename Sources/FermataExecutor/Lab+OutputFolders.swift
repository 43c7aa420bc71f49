// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataPlan
import Foundation
import Glibc
import SystemPackage

/// Where the steps of a recipe write.
extension Lab {
    /// The absolute path, without detours, of a folder that a step names.
    static func path(of written: String, in recipeFolder: FilePath) -> FilePath {
        FilePath(FileManager.default.currentDirectoryPath).pushing(recipeFolder).pushing(FilePath(written))
            .lexicallyNormalized()
    }

    /// Looks at the place where a step is to make a folder.
    func look(atFolderToMake written: String, in recipeFolder: FilePath) -> Inventory.Folder {
        guard !written.isEmpty, !written.utf8.contains(0) else { return .unreadable("it is no path") }
        let path = Self.path(of: written, in: recipeFolder)
        var status = stat()
        if unsafe path.withPlatformString({ unsafe lstat($0, &status) }) == 0 { return .exists }
        if ![ENOENT, ENOTDIR].contains(errno) { return .unreadable(Self.reason(Errno(rawValue: errno))) }
        guard let name = path.lastComponent, let parent = Self.resolved(path.removingLastComponent()),
            unsafe parent.withPlatformString({ unsafe stat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFDIR
        else { return .noParent }
        let place = parent.appending(name)
        let isInLab = place.starts(with: folder.path) || Self.resolved(folder.path).map(place.starts(with:)) == true
        return isInLab ? .inLab : .free(path: place.string)
    }

    /// The path without links of something that exists.
    private static func resolved(_ path: FilePath) -> FilePath? {
        guard let found = unsafe path.withPlatformString({ unsafe realpath($0, nil) }) else { return nil }
        defer { unsafe free(found) }
        return unsafe FilePath(platformString: found)
    }
}
