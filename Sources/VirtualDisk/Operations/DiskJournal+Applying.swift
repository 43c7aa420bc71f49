// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

extension DiskJournal {
    /// Makes the steps, durable on return, and removes the journal.
    func apply(in tree: any NamedFiles) throws(DiskError) {
        try reaching(tree.path(of: disk)) { () throws(StorageError) in
            try write(in: tree)
            for step in steps {
                switch step {
                case .write, .zeros, .space, .length, .modificationTime: continue
                case .rename(let from, let to):
                    guard try tree.contains(from) else { continue }
                    try tree.rename(from, to: to, replacing: true)
                    try tree.synchronizeFolder(of: from)
                    try tree.synchronizeFolder(of: to)
                case .remove(let file):
                    guard try tree.contains(file) else { continue }
                    try tree.remove(file)
                    try tree.synchronizeFolder(of: file)
                }
            }
        }
        try discard(in: tree)
    }

    /// Removes the journal, beside its first disk last.
    func discard(in tree: any NamedFiles) throws(DiskError) {
        for file in files + [disk] {
            let place = Self.place(kind, of: file)
            try reaching(tree.path(of: place)) { () throws(StorageError) in
                guard try tree.contains(place) else { return }
                try tree.remove(place)
                try tree.synchronizeFolder(of: place)
            }
        }
    }

    /// Changes the files' bytes; a file whose name a later step takes away may have lost it already.
    private func write(in tree: any NamedFiles) throws(StorageError) {
        let vacated = Set(steps.compactMap(\.vacated))
        var stores: [(file: [String], store: any ByteStore)] = []
        var times: [(any ByteStore, Int64)] = []
        for step in steps {
            guard let file = step.written else { continue }
            if vacated.contains(file), try !tree.contains(file) { continue }
            let store: any ByteStore
            if let open = stores.first(where: { $0.file == file }) {
                store = open.store
            } else {
                store = try tree.open(file, access: .readWrite)
                stores.append((file, store))
            }
            switch step {
            case .write(_, let offset, let bytes): try store.write(bytes, at: offset)
            case .zeros(_, let range): try store.writeZeroes(range)
            case .space(_, let range): try store.allocate(range)
            case .length(_, let length): try store.truncate(to: length)
            case .modificationTime(_, let seconds): times.append((store, seconds))
            case .rename, .remove: continue
            }
        }
        for (_, store) in stores { try store.synchronize() }
        for (store, seconds) in times { try store.setModificationTime(seconds) }
    }
}
