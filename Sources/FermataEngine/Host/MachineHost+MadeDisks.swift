// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import SystemPackage
import VirtualDisk

/// The files of disks that were made for the machine, once no configuration has them any more.
extension MachineHost {
    /// Removes those of some disks' files that no configuration of the lab needs.
    ///
    /// Only a file that has the name that a new disk gets: one that was brought along stays its owner's. What cannot
    /// be removed stays as a file, too.
    ///
    /// - Parameter disks: disks whose files are no differencing ones.
    func removeMade(_ disks: [Configuration.Disk]) {
        let files = disks.compactMap(madeFile)
        guard !files.isEmpty, let needed = try? DiskReferences(of: folder.lab).needed else { return }
        for file in files where !needed.contains(file) { try? FileSystem.remove(file) }
    }

    /// The disks of configurations that now and the checkpoints know no more by their names, with their bases' files.
    func basesKnownNoMore(of configurations: [Configuration]) -> [Configuration.Disk] {
        let known = Set(([record.now] + record.checkpoints.values).flatMap { $0.disks.map(\.name) })
        return configurations.flatMap { configuration -> [Configuration.Disk] in
            var gone = configuration
            gone.disks.removeAll { known.contains($0.name) }
            guard !gone.disks.isEmpty, let layers = try? DiskFiles.layers(of: gone, in: folder) else { return [] }
            return zip(gone.disks, layers).compactMap { disk, layers in
                layers.last.map { Configuration.Disk(name: disk.name, path: $0.path.string) }
            }
        }
    }

    private func madeFile(of disk: Configuration.Disk) -> FilePath? {
        guard let name = FilePath(disk.path).lastComponent, let fileExtension = name.extension else { return nil }
        let path = folder.path.appending(name)
        let isMade = [true, false].contains { isFirst in
            let first = folder.baseDisk(disk.name, isFirst: isFirst, fileExtension: fileExtension)
            guard let stem = first.lastComponent?.stem, name.stem.hasPrefix(stem) else { return false }
            let rest = name.stem.dropFirst(stem.count)
            return rest.isEmpty || (rest.first == "-" && Int(rest.dropFirst()) != nil)
        }
        return isMade && FileSystem.exists(path) ? path : nil
    }
}
