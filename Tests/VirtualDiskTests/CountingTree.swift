// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Synchronization
import SystemPackage

/// A folder that counts the reads of its files, and their bytes.
final class CountingTree: FileTree {
    private let folder: Folder
    private let counts: Mutex<(reads: Int, bytes: Int)> = Mutex((0, 0))

    init(_ path: FilePath) throws {
        folder = try Folder(opening: path)
    }

    /// The reads since the last time that this was asked.
    func takeCounts() -> (reads: Int, bytes: Int) {
        counts.withLock { counts in
            defer { counts = (0, 0) }
            return counts
        }
    }

    var name: String { folder.name }

    func open(_ path: [String], access: FileAccess) throws(StorageError) -> any ByteStore {
        CountingStore(store: try folder.open(path, access: access), tree: self)
    }

    func create(_ path: [String]) throws(StorageError) -> any ByteStore {
        CountingStore(store: try folder.create(path), tree: self)
    }

    func remove(_ path: [String]) throws(StorageError) { try folder.remove(path) }

    func files(withExtensions extensions: Set<String>) throws(StorageError) -> [[String]] {
        try folder.files(withExtensions: extensions)
    }

    fileprivate func count(_ bytes: Int) {
        counts.withLock { $0 = ($0.reads + 1, $0.bytes + bytes) }
    }
}

private struct CountingStore: ByteStore {
    let store: any ByteStore
    let tree: CountingTree

    var name: String { store.name }

    func length() throws(StorageError) -> UInt64 { try store.length() }

    func status() throws(StorageError) -> FileStatus { try store.status() }

    func setModificationTime(_ seconds: Int64) throws(StorageError) { try store.setModificationTime(seconds) }

    func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(StorageError) -> Int {
        tree.count(buffer.byteCount)
        return try store.read(into: &buffer, at: offset)
    }

    func write(_ buffer: RawSpan, at offset: UInt64) throws(StorageError) { try store.write(buffer, at: offset) }

    func truncate(to length: UInt64) throws(StorageError) { try store.truncate(to: length) }

    func allocate(_ range: Range<UInt64>) throws(StorageError) { try store.allocate(range) }

    func punchHole(_ range: Range<UInt64>) throws(StorageError) { try store.punchHole(range) }

    func synchronize() throws(StorageError) { try store.synchronize() }

    func nextData(from offset: UInt64) throws(StorageError) -> Range<UInt64>? { try store.nextData(from: offset) }
}
