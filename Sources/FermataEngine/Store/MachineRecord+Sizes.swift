// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import Glibc

extension MachineRecord {
    /// The bytes that a checkpoint's own files take in the file system: the newest file of each disk, its memory and
    /// its devices.
    ///
    /// What lies below in the chains is its ancestors'. Memory that the machine was saved in when the checkpoint was
    /// made may count for others, too. A file that cannot be looked at counts nothing.
    public func ownBytes(of checkpoint: GUID) -> UInt64 {
        guard let configuration = checkpoints[checkpoint] else { return 0 }
        let memory = folder.memory(ofCheckpoint: checkpoint)
        let disks = configuration.disks.compactMap { disk in
            try? DiskFiles.path(of: disk, machine: configuration.machine, in: folder)
        }
        return (disks + [memory.image, memory.devices]).reduce(0) { sum, path in
            sum + (FileSystem.status(of: path).map { UInt64(clamping: $0.st_blocks) * 512 } ?? 0)
        }
    }
}
