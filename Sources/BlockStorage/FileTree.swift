// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// The files beneath one folder, addressed by the names on the way to them.
///
/// A path is a list of plain names: no `..`, no link and nothing but regular files can be reached through it.
package protocol FileTree: Sendable {
    /// What messages call the folder: its path.
    var name: String { get }

    /// Opens an existing file.
    func open(_ path: [String], access: FileAccess) throws(StorageError) -> any ByteStore

    /// Creates a file that must not exist yet.
    func create(_ path: [String]) throws(StorageError) -> any ByteStore

    /// Removes a file.
    func remove(_ path: [String]) throws(StorageError)

    /// Lists the files beneath the folder whose name has one of the extensions, links left out.
    func files(withExtensions extensions: Set<String>) throws(StorageError) -> [[String]]
}
