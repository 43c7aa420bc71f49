// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport

/// Recorded files in a place that says how much may still be written to it.
struct FullTree: NamedFiles {
    let files: RecordingTree
    let space: UInt64

    var name: String { files.name }

    func availableSpace(for path: [String]) throws(StorageError) -> UInt64? { space }

    func open(_ path: [String], access: FileAccess) throws(StorageError) -> any ByteStore {
        try files.open(path, access: access)
    }

    func create(_ path: [String]) throws(StorageError) -> any ByteStore { try files.create(path) }

    func create(_ path: [String], asAccessibleAs other: [String]?) throws(StorageError) -> any ByteStore {
        try files.create(path, asAccessibleAs: other)
    }

    func remove(_ path: [String]) throws(StorageError) { try files.remove(path) }

    func files(withExtensions extensions: Set<String>) throws(StorageError) -> [[String]] {
        try files.files(withExtensions: extensions)
    }

    func contains(_ path: [String]) throws(StorageError) -> Bool { try files.contains(path) }

    func isOwn(_ path: [String]) throws(StorageError) -> Bool { try files.isOwn(path) }

    func isAsAccessible(_ path: [String], as other: [String]) throws(StorageError) -> Bool {
        try files.isAsAccessible(path, as: other)
    }

    func rename(_ source: [String], to target: [String], replacing: Bool) throws(StorageError) {
        try files.rename(source, to: target, replacing: replacing)
    }

    func synchronizeFolder(of path: [String]) throws(StorageError) { try files.synchronizeFolder(of: path) }

    func claim(_ path: [String]) throws(StorageError) -> (any Sendable)? { try files.claim(path) }
}
