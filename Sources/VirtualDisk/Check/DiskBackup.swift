// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// Keeps what an operation is about to replace in a disk's file, as the steps that would put it back.
///
/// The file lies beside the disk, named `NAME.backup-1` and so on, in the format of a journal.
enum DiskBackup {
    /// - Returns: where it is kept.
    static func keep(
        _ steps: [DiskStep], of disk: [String], in tree: any NamedFiles
    ) throws(DiskError) -> [String] {
        try reaching(tree.path(of: disk)) { () throws(StorageError) in
            let store = try tree.open(disk, access: .readOnly)
            let length = try store.length()
            var undo: [DiskStep] = []
            for case .write(disk, let offset, let bytes) in steps where offset < length {
                let count = min(UInt64(bytes.count), length - offset)
                undo.append(
                    .write(file: disk, offset: offset, bytes: try store.bytes(at: offset, count: Int(count))))
            }
            undo.append(.length(file: disk, length))
            var number = 1
            var place = disk
            repeat {
                place = disk.dropLast() + ["\(disk.last ?? "").backup-\(number)"]
                number += 1
            } while try tree.contains(place)
            let backup = try tree.create(place, asAccessibleAs: nil)
            try backup.write(DiskJournal(.rewriting, of: disk, steps: undo.reversed()).encoded(from: place), at: 0)
            try backup.synchronize()
            try tree.synchronizeFolder(of: place)
            return place
        }
    }
}
