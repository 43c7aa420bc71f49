// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import SystemPackage

/// An exclusive lock on a folder, held until it is released or the value ends.
///
/// It is `flock` on a descriptor of the folder itself, so that it holds across users, paths and names, and ends with
/// the process.
final class FolderLock: Sendable {
    /// -1 once it is released.
    private let descriptor: Atomic<CInt>

    /// Takes the lock without waiting.
    ///
    /// - Throws: ``EngineError/Code/busy`` when another holds it.
    init(_ folder: FilePath, of what: String) throws(EngineError) {
        let descriptor = unsafe folder.withPlatformString { unsafe open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else {
            throw EngineError(.notFound, "\(what) cannot be opened: \(folder): \(Errno(rawValue: errno))")
        }
        // A reader that only asks whether the lock is held has it for a moment.
        var attempts = 0
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0, attempts < 20 {
            attempts += 1
            usleep(10_000)
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw EngineError(
                .busy, "\(what) is in use by another process; wait for it to end, or turn the machine off there")
        }
        self.descriptor = Atomic(descriptor)
    }

    deinit {
        release()
    }

    /// Whether this value has the lock.
    var isHeld: Bool { descriptor.load(ordering: .acquiring) >= 0 }

    /// Lets others have it.
    func release() {
        let descriptor = descriptor.exchange(-1, ordering: .acquiringAndReleasing)
        if descriptor >= 0 { close(descriptor) }
    }

    /// Whether somebody holds the lock now.
    static func isHeld(_ folder: FilePath) -> Bool {
        let descriptor = unsafe folder.withPlatformString { unsafe open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // Who has just ended a machine may be letting go of it at this moment.
        for _ in 0..<20 {
            if flock(descriptor, LOCK_SH | LOCK_NB) == 0 { return false }
            usleep(10_000)
        }
        return true
    }
}
