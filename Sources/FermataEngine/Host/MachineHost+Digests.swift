// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import Foundation
import Glibc
import Logging
import VirtualDisk

/// The digests of what the disks of checkpoints read as.
///
/// ```
///   checkpoint ──► exists, digests pending ──► read ──► <CP>.xml names them
///                                              away     in turn
/// ```
/// A machine that runs goes on meanwhile: its sealed disks are read through chains of their own, before any of them is
/// merged. Who takes disks away ends the reading first. What a crash leaves pending, the next host that runs the machine
/// or makes a checkpoint works out.
extension MachineHost {
    /// The checkpoints without digests, parents before children.
    var pendingDigests: [GUID] {
        record.checkpoints
            .filter { $0.value.digests == nil && !$0.value.disks.isEmpty && !failedDigests.contains($0.key) }
            .sorted { ($0.value.ancestors.count, $0.key) < ($1.value.ancestors.count, $1.key) }
            .map(\.key)
    }

    /// Works out all that is pending, of a machine without a process, in its turn.
    func recordDigests() {
        for id in pendingDigests {
            do {
                try record(try record.contentDigests(of: id), of: id)
            } catch {
                note(error, of: id)
            }
        }
    }

    /// Works out all that is pending, beside the machine.
    func recordDigests(_ control: MergeControl) async {
        while !control.isCancelled, let id = pendingDigests.first {
            do {
                let files = record
                let digests = try await aside { try files.contentDigests(of: id, progress: control.check) }
                try await exclusively { host in
                    try control.requireGoing()
                    try host.record(digests, of: id)
                }
            } catch {
                guard !control.isCancelled else { return }
                note(error, of: id)
            }
        }
    }

    /// The commit: the checkpoint's file is replaced by one that names its digests.
    private func record(_ digests: [ContentDigest], of id: GUID) throws(EngineError) {
        guard var configuration = record.checkpoints[id], configuration.disks.count == digests.count else { return }
        configuration.digests = digests
        try FileSystem.commit(configuration.file(), to: folder.checkpoint(id), fault: .digestCommit)
        record = record.committed(id, configuration)
    }

    private func note(_ error: any Error, of id: GUID) {
        failedDigests.insert(id)
        Logger(label: "fermata.engine").warning(
            "machine '\(folder.name)': the digests of checkpoint \(id) stay pending: \(error)")
    }

    /// Does blocking work on a thread that gives way to all others.
    private nonisolated func aside<Result: Sendable>(
        _ work: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                // Of the calling thread alone, and it ends with the work.
                _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
                continuation.resume(with: Swift.Result { try work() })
            }
        }
    }
}

extension MachineRecord {
    /// What each disk of a checkpoint reads as.
    ///
    /// Of a disk that grew from that of the parent checkpoint, whose digest is known, only its own file's blocks are read.
    func contentDigests(of id: GUID, progress: DiskProgress? = nil) throws -> [ContentDigest] {
        guard let configuration = checkpoints[id] else {
            throw EngineError(.notFound, "machine '\(folder.name)' has no checkpoint \(id)")
        }
        let parent = parent(of: configuration).flatMap { checkpoints[$0] }
        var digests: [ContentDigest] = []
        for disk in configuration.disks {
            let path = try DiskFiles.path(of: disk, machine: configuration.machine, in: folder)
            let chain = try DiskFiles.open(path, in: folder, .readOnly)
            guard let parent, let index = parent.disks.firstIndex(where: { $0.name == disk.name }),
                let known = parent.digests, known.indices.contains(index), chain.layers.count > 1,
                case let origin = try DiskFiles.path(of: parent.disks[index], machine: parent.machine, in: folder),
                chain.layers[1].path == origin,
                case let below = try DiskFiles.open(origin, in: folder, .readOnly), below.size == chain.size
            else {
                digests.append(try ContentDigest(of: chain, progress: progress))
                continue
            }
            digests.append(try ContentDigest(of: chain, grownFrom: below, with: known[index], progress: progress))
        }
        return digests
    }
}
