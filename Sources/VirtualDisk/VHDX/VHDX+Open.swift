// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

extension VHDX {
    /// Opens one file; its parent, if it has one, is somebody else's matter.
    ///
    /// What the log holds is done first, in memory alone when the file is opened for reading.
    ///
    /// - Parameters:
    ///   - kind: what the configuration says the disk is, if it does.
    ///   - keepsIdentity: that the disk's children know it still after it was written.
    static func open(
        _ file: any ByteStore, location: [String], access: FileAccess, expecting kind: DiskKind?,
        keepingIdentity keepsIdentity: Bool
    ) throws(DiskError) -> any DiskImage {
        var headers = try VHDXHeaderPair(file)
        let replay = headers.current.log == .zero ? nil : try VHDXReplay(file, headers.current)
        let replayed: any ByteStore = replay.map { VHDXReplayedStore(file, $0) } ?? file
        var structure = try VHDXStructure(replayed, headers.current, expecting: kind)
        var warnings = structure.warnings
        if headers.isOneDamaged {
            warnings.append(
                DiskWarning(.copyDamaged, path: file.name, "one of the headers is damaged, the other is used"))
        }
        guard access == .readWrite else {
            if replay != nil {
                warnings.append(
                    DiskWarning(
                        .logReplayed, path: file.name,
                        "the disk was not closed; what its log holds is read as if it had been written"))
            }
            return VHDXImage(
                structure, headers, store: replayed, location: location, access: access, warnings: warnings)
        }
        try reaching(file.name) { () throws(StorageError) in
            // The file becomes another one before anything in it changes, and the disk before anybody can write to it:
            // a child may be made of a disk that is in use, and names what its header says.
            try headers.update(in: file) { header in
                header.fileWrite = .random()
                if replay == nil, !keepsIdentity { header.dataWrite = .random() }
            }
            if let replay {
                try replay.apply(to: file)
                try headers.update(in: file) { header in
                    header.log = .zero
                    if !keepsIdentity { header.dataWrite = .random() }
                }
            }
            try structure.tidy(file)
        }
        return VHDXImage(structure, headers, store: file, location: location, access: access, warnings: warnings)
    }
}

extension VHDXStructure {
    /// Makes the file end at a whole unit, and gives back what a crash left behind the last block.
    mutating func tidy(_ store: any ByteStore) throws(StorageError) {
        // What another program put there may be wanted, and a fixed disk keeps its space.
        let canShrink = isOwn && metadata.kind != .fixed
        let end = VHDX.roundUp(canShrink ? usedEnd : length, to: VHDX.alignment)
        guard end != length else { return }
        try store.truncate(to: end)
        length = end
    }
}
