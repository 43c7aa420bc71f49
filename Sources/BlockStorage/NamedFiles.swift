// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Files beneath one folder, whose names change too: what an operation on several disks works on.
///
/// It knows nothing of disks.
package protocol NamedFiles: FileTree {
    /// Whether there is something of that name; a link is something.
    func contains(_ path: [String]) throws(StorageError) -> Bool

    /// Creates a file that must not exist yet: as accessible as another one, or nobody's but the user's own.
    func create(_ path: [String], asAccessibleAs other: [String]?) throws(StorageError) -> any ByteStore

    /// Whether the file was made by the user, and nobody else may have written to it.
    func isOwn(_ path: [String]) throws(StorageError) -> Bool

    /// Whether both files have the same owner, group and permissions.
    func isAsAccessible(_ path: [String], as other: [String]) throws(StorageError) -> Bool

    /// Gives a file another name; one that has it already is replaced, or in the way.
    func rename(_ source: [String], to target: [String], replacing: Bool) throws(StorageError)

    /// Makes the names in the folder of a file durable: files created, renamed or removed.
    func synchronizeFolder(of path: [String]) throws(StorageError)

    /// The bytes that may still be written where a file lies; nil when nobody knows.
    func availableSpace(for path: [String]) throws(StorageError) -> UInt64?

    /// Claims a file for as long as what is returned lives; nil when another process has it.
    func claim(_ path: [String]) throws(StorageError) -> (any Sendable)?
}
