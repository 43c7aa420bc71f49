// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataEngine
import NBD

/// A disk of a machine that this process serves over a connection of its own.
struct ServedDisk: GuestDisk {
    let name: String
    let export: Export

    init(_ disk: Launch.Disk) {
        name = disk.name
        export = Export(disk.device, name: "")
    }

    func holdFlushes(limit: Duration) async -> Bool {
        await BlockingWork.run { export.holdFlushes(waitingUpTo: limit) }
    }

    /// How many FLUSHes have arrived and are not answered.
    var waitingFlushes: Int { export.flushesInFlight }

    /// Counts FLUSHes that are held, now that the guest stands; without a hold nothing changes.
    func guestStands() {
        export.countFlushes()
    }

    var heldFlushes: Int {
        guard case .counted(let count, _) = export.flushMode else { return 0 }
        return count.answered
    }

    func release(behind barrier: (@Sendable () throws -> Void)?) {
        guard let work = barrier else {
            _ = export.resumeFlushes()
            return
        }
        let barrier = Barrier()
        _ = export.resumeFlushes(behind: barrier)
        BlockingWork.start { [name] in
            do {
                try work()
                barrier.complete()
            } catch let error as StorageError {
                barrier.fail(error)
            } catch {
                barrier.fail(StorageError(.io, name: name, detail: "what a FLUSH waits for failed: \(error)"))
            }
        }
    }

    func replace(with device: any BlockDevice) throws {
        _ = try export.swap(to: device)
    }

    func exchange(for make: @escaping @Sendable () throws -> any BlockDevice) async throws {
        let result: Result<Void, any Error> = await BlockingWork.run {
            Result {
                export.closeGate()
                defer { export.openGate() }
                try export.drain(within: Self.longestDrain)
                _ = try export.swap(to: try make())
            }
        }
        try result.get()
    }

    /// Requests that take longer wait for something that does not end by itself, such as a disk of the host.
    private static let longestDrain: Duration = .seconds(10)
}
