// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
public import SystemPackage

/// The tiny guest that `Scripts/guest` builds.
public struct TinyGuest: Sendable {
    /// Its kernel.
    public let kernel: FilePath
    /// Its initial RAM disk.
    public let initrd: FilePath

    /// A kernel line whose clock can go back.
    public static let arguments = "console=ttyS0 quiet panic=-1 clocksource=hpet tsc=unstable no_timer_check"
    /// A kernel line whose clock cannot.
    public static let timeStampArguments = "console=ttyS0 quiet panic=-1 no_timer_check"

    /// Says that the guest was not built.
    public struct Missing: Error, CustomStringConvertible {
        let folder: FilePath
        /// What is missing, and what to do.
        public var description: String {
            "There is no guest in \(folder): run Scripts/guest, or set FERMATA_GUEST_DIR."
        }
    }

    /// Finds the guest in `$FERMATA_GUEST_DIR`, else in the package's folder.
    public static func find() throws -> TinyGuest {
        let package = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
        let folder =
            ProcessInfo.processInfo.environment["FERMATA_GUEST_DIR"].map { FilePath($0) }
            ?? package.appending(".guest")
        let guest = TinyGuest(kernel: folder.appending("vmlinuz"), initrd: folder.appending("initrd.gz"))
        for file in [guest.kernel, guest.initrd] where !FileManager.default.fileExists(atPath: file.string) {
            throw Missing(folder: folder)
        }
        return guest
    }

    /// The folder of both.
    public var folder: FilePath { kernel.removingLastComponent() }
}
