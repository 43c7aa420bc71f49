// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import SystemPackage

/// The guest that `Scripts/guest` builds.
struct TinyGuest {
    var kernel: FilePath
    var initrd: FilePath

    /// What makes its time one that a restore in place turns back.
    static let arguments = "console=ttyS0 quiet panic=-1 clocksource=hpet tsc=unstable"

    struct Missing: Error, CustomStringConvertible {
        var folder: FilePath
        var description: String { "There is no guest in \(folder): run Scripts/guest, or set FERMATA_GUEST_DIR." }
    }

    static func find() throws -> TinyGuest {
        let root = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
        let folder =
            ProcessInfo.processInfo.environment["FERMATA_GUEST_DIR"].map { FilePath($0) }
            ?? root.appending(".guest")
        let guest = TinyGuest(kernel: folder.appending("vmlinuz"), initrd: folder.appending("initrd.gz"))
        for file in [guest.kernel, guest.initrd] where !FileManager.default.fileExists(atPath: file.string) {
            throw Missing(folder: folder)
        }
        return guest
    }
}
