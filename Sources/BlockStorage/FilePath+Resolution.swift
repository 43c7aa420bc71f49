// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc
public import SystemPackage

extension FilePath {
    /// The absolute path without links of something that exists.
    public func resolved() throws(StorageError) -> FilePath {
        let found = unsafe withPlatformString { path -> FilePath? in
            guard let result = unsafe realpath(path, nil) else { return nil }
            defer { unsafe free(result) }
            return unsafe FilePath(platformString: result)
        }
        guard let found else { throw .system(string, "cannot be found") }
        return found
    }

    /// The same of a path as text.
    package static func resolved(_ path: String) throws(StorageError) -> String {
        guard let result = unsafe realpath(path, nil) else { throw .system(path, "cannot be found") }
        defer { unsafe free(result) }
        return unsafe String(cString: result)
    }

    /// The folder that holds the path's last name; the current folder for a bare name.
    package var containingFolder: FilePath {
        let folder = removingLastComponent()
        return folder.isEmpty ? "." : folder
    }
}
