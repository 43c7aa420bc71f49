// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Synchronization

/// Lets one writer at a time into an image, and none once the image is frozen.
///
/// It remembers whether anything was written since the last flush. It knows nothing of what is written.
package final class WriteGate: Sendable {
    private let isFrozen: Mutex<Bool>
    private let isDirty: Atomic<Bool> = Atomic(false)
    private let flushing: Mutex<Void> = Mutex(())
    private let name: String

    init(name: String, isReadOnly: Bool) {
        self.name = name
        isFrozen = Mutex(isReadOnly)
    }

    /// Runs a write alone.
    func write(_ body: () throws(StorageError) -> Void) throws(StorageError) {
        try isFrozen.withLock { (isFrozen) throws(StorageError) in
            guard !isFrozen else {
                throw StorageError(.readOnly, name: name, detail: "takes no writes")
            }
            // Before the write is acknowledged, and after its bytes are in place: a flush in between must not
            // make the next one believe that there is nothing to do.
            defer { isDirty.store(true, ordering: .releasing) }
            try body()
        }
    }

    /// Waits for the write in progress and refuses those to come.
    func freeze() {
        isFrozen.withLock { $0 = true }
    }

    /// Runs a flush alone, when there is something to flush; after a failure there still is.
    func flush(_ body: () throws(StorageError) -> Void) throws(StorageError) {
        try flushing.withLock { (_) throws(StorageError) in
            guard isDirty.exchange(false, ordering: .acquiringAndReleasing) else { return }
            do throws(StorageError) { try body() } catch {
                isDirty.store(true, ordering: .releasing)
                throw error
            }
        }
    }
}
