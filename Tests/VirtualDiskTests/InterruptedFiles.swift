// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Synchronization
import SystemPackage

/// A folder's files, of which another command changes some right before a command first claims one.
final class InterruptedFiles: NamedFiles {
    private let folder: Folder
    private let other: @Sendable () throws -> Void
    private let hasCome: Mutex<Bool> = Mutex(false)
    private let failure: Mutex<(any Error)?> = Mutex(nil)

    init(_ folder: Folder, other: @escaping @Sendable () throws -> Void) {
        self.folder = folder
        self.other = other
    }

    /// Whether the other command came, and did what it should.
    var wasInterrupted: Bool { hasCome.withLock(\.self) && failure.withLock { $0 == nil } }

    func claim(_ path: [String]) throws(StorageError) -> (any Sendable)? {
        let isFirst = hasCome.withLock { hasCome in
            defer { hasCome = true }
            return !hasCome
        }
        if isFirst {
            do { try other() } catch { failure.withLock { $0 = error } }
        }
        return try folder.claim(path)
    }

    var name: String { folder.name }
    func open(_ path: [String], access: FileAccess) throws(StorageError) -> any ByteStore {
        try folder.open(path, access: access)
    }
    func create(_ path: [String]) throws(StorageError) -> any ByteStore { try folder.create(path) }
    func create(_ path: [String], asAccessibleAs other: [String]?) throws(StorageError) -> any ByteStore {
        try folder.create(path, asAccessibleAs: other)
    }
    func remove(_ path: [String]) throws(StorageError) { try folder.remove(path) }
    func files(withExtensions extensions: Set<String>) throws(StorageError) -> [[String]] {
        try folder.files(withExtensions: extensions)
    }
    func contains(_ path: [String]) throws(StorageError) -> Bool { try folder.contains(path) }
    func isOwn(_ path: [String]) throws(StorageError) -> Bool { try folder.isOwn(path) }
    func isAsAccessible(_ path: [String], as other: [String]) throws(StorageError) -> Bool {
        try folder.isAsAccessible(path, as: other)
    }
    func rename(_ source: [String], to target: [String], replacing: Bool) throws(StorageError) {
        try folder.rename(source, to: target, replacing: replacing)
    }
    func synchronizeFolder(of path: [String]) throws(StorageError) { try folder.synchronizeFolder(of: path) }
    func availableSpace(for path: [String]) throws(StorageError) -> UInt64? { try folder.availableSpace(for: path) }
}
