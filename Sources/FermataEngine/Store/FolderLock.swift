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
        while true {
            let descriptor = unsafe folder.withPlatformString { unsafe open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
            guard descriptor >= 0 else {
                throw EngineError(.notFound, "\(what) cannot be opened: \(folder): \(Errno(rawValue: errno))")
            }
            guard Self.lock(descriptor) else {
                let holder = LockHolder(of: descriptor)?.description ?? "another process"
                close(descriptor)
                throw EngineError(
                    .busy, "\(what) is in use by \(holder); wait for it to end, or turn the machine off there")
            }
            // Who had the lock before may have put another folder there, whose lock is another one.
            if Self.isSame(descriptor, as: folder) {
                self.descriptor = Atomic(descriptor)
                return
            }
            close(descriptor)
        }
    }

    private static func lock(_ descriptor: CInt) -> Bool {
        // A reader that only asks whether the lock is held has it for a moment.
        for _ in 0..<20 {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
            usleep(10_000)
        }
        return flock(descriptor, LOCK_EX | LOCK_NB) == 0
    }

    private static func isSame(_ descriptor: CInt, as folder: FilePath) -> Bool {
        var (held, named) = (stat(), stat())
        guard unsafe fstat(descriptor, &held) == 0,
            unsafe folder.withPlatformString({ unsafe stat($0, &named) }) == 0
        else { return false }
        return held.st_dev == named.st_dev && held.st_ino == named.st_ino
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
