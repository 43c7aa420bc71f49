// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import Glibc
import SystemPackage

/// Where QEMU is.
enum QEMUBinary {
    static let name = "qemu-system-x86_64"
    /// The Debian package that holds it.
    static let package = "qemu-system-x86"

    /// Finds QEMU in a list of folders as `$PATH` has it.
    static func find(in searchPath: String?) throws(HypervisorError) -> FilePath {
        let folders = (searchPath ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
        for folder in folders {
            let candidate = FilePath(String(folder)).appending(name)
            if unsafe candidate.withPlatformString({ unsafe access($0, X_OK) }) == 0 { return candidate }
        }
        throw HypervisorError(
            .notInstalled,
            "\(name) is not installed: it is in none of the folders of PATH; install the Debian package \(package).")
    }
}
