// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Glibc
import SystemPackage
import VirtualDisk

/// The files of disks that were made for the machine, before any configuration has them and once none has any more.
///
/// ```
///   .NAME.made            a second name of NAME, or its first: NAME goes unless something needs it
///   ──► NAME, needed      the commit has happened, or never will: the second name goes
///   ──► NAME, not needed  both go
/// ```
/// A second name is there while a configuration is committed, and is settled right after, or by the next writer.
extension MachineHost {
    /// Lets those of some disks' files go that nothing in the lab needs after a commit, wherever the process ends.
    ///
    /// Only a file that has the name that a new disk gets: one that was brought along stays its owner's.
    ///
    /// - Parameter disks: disks of which the commit may take away the last need.
    /// - Returns: whether there are marks to be settled after it.
    func mark(_ disks: [Configuration.Disk]) throws(EngineError) -> Bool {
        let files = disks.compactMap(madeFile)
        for file in files {
            let mark = folder.mark(of: file)
            try FileSystem.remove(mark)
            try FileSystem.link(file, as: mark)
        }
        if !files.isEmpty { try FileSystem.synchronize(folder.path) }
        return !files.isEmpty
    }

    /// Takes the marks of disks off after what they were for; what cannot be done now is done at the next open.
    func settleMarks() {
        guard let needed = try? DiskReferences(of: folder.lab).needed else { return }
        try? folder.settleMarks(needed: needed)
    }

    /// The disks of configurations that no other one of a machine knows by their names, with their bases' files.
    func basesKnownNoMore(
        of configurations: [Configuration], in record: MachineRecord
    ) -> [Configuration.Disk] {
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

extension MachineFolder {
    /// The second name of a disk's file.
    func mark(of disk: FilePath) -> FilePath {
        disk.removingLastComponent().appending(".\(disk.lastComponent?.string ?? "").made")
    }

    /// The disk of which a name is the second one, unless it is none; it need not be there.
    static func disk(markedAs name: String) -> String? {
        guard name.hasPrefix("."), name.hasSuffix(".made"), name.count > 6 else { return nil }
        return String(name.dropFirst().dropLast(5))
    }

    /// Removes the marked disks that nothing needs, and then the marks.
    func settleMarks(needed: Set<FilePath>) throws(EngineError) {
        for name in try FileSystem.entries(of: path) {
            guard let disk = MachineFolder.disk(markedAs: name) else { continue }
            let (mark, file) = (path.appending(name), path.appending(disk))
            // Another file that has got the name since is not the one that was made.
            if !needed.contains(file), let made = FileSystem.status(of: mark), let found = FileSystem.status(of: file),
                made.st_ino == found.st_ino, made.st_dev == found.st_dev
            {
                try FileSystem.remove(file)
            }
            try FileSystem.remove(mark)
        }
    }
}
