// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import SystemPackage
import VirtualDisk

/// A disk of a machine, now or at a checkpoint, with the files that hold it.
public struct DiskFile: Hashable, Sendable {
    /// The disk's name, unique within the machine.
    public var name: String
    /// The file with the newest state.
    public var path: FilePath
    /// The files from that one to its base.
    public var chain: [FilePath]
}

extension MachineRecord {
    /// The files of a configuration's disks, in the guest's order; changes nothing.
    ///
    /// - Parameter configuration: the machine's own, or one of its checkpoints'.
    public func diskFiles(of configuration: Configuration) throws(EngineError) -> [DiskFile] {
        zip(configuration.disks, try DiskFiles.layers(of: configuration, in: folder)).map { disk, layers in
            DiskFile(name: disk.name, path: layers.first?.path ?? FilePath(disk.path), chain: layers.map(\.path))
        }
    }
}
