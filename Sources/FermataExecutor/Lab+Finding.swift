// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import Foundation
import Glibc
public import SystemPackage

extension Lab {
    /// The name of a lab's folder where none is said.
    public static let folderName: String = ".fermata"

    /// Finds a lab's folder as git finds a repository.
    ///
    /// It is the one that is said, else `$FERMATA_STORE`, else the nearest `.fermata/` from the current folder upward,
    /// else `.fermata/` in the recipe's folder, and without a recipe in the current one. The last need not exist.
    ///
    /// - Parameters:
    ///   - environment: the variables to look at; nil for the process's own.
    ///   - currentFolder: where to begin, absolute; nil for the process's own.
    /// - Returns: an absolute path.
    public static func find(
        store: FilePath? = nil, recipeFolder: FilePath? = nil,
        environment: [String: String]? = nil, currentFolder: FilePath? = nil
    ) -> FilePath {
        let environment = environment ?? ProcessInfo.processInfo.environment
        let currentFolder = currentFolder ?? FilePath(FileManager.default.currentDirectoryPath)
        if let store { return currentFolder.pushing(store).lexicallyNormalized() }
        if let store = environment["FERMATA_STORE"], !store.isEmpty {
            return currentFolder.pushing(FilePath(store)).lexicallyNormalized()
        }
        var folder = currentFolder.lexicallyNormalized()
        while true {
            let candidate = folder.appending(folderName)
            if isFolder(candidate) { return candidate }
            guard folder.removeLastComponent() else { break }
        }
        return currentFolder.pushing(recipeFolder ?? ".").lexicallyNormalized().appending(folderName)
    }

    private static func isFolder(_ path: FilePath) -> Bool {
        var status = stat()
        return unsafe path.withPlatformString { unsafe stat($0, &status) } == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
