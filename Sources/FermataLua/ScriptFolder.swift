// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import LuaRuntime
import SystemPackage

/// The folder of a script: the one place from which its modules come.
///
/// A module `parts.disk` is the file `parts/disk.lua` in that folder. Links are never followed, so that no module lies
/// outside.
struct ScriptFolder {
    private let folder: Folder
    /// The folder as the script's path names it; empty for the current one.
    private let prefix: FilePath

    /// The longest file that is read as a script.
    static let longestScript: UInt64 = 16 << 20

    /// Opens the folder of a script.
    init(of path: FilePath) throws(StorageError) {
        folder = try Folder(opening: path.containingFolder)
        prefix = path.removingLastComponent()
    }

    /// Reads a script itself; links to it are followed.
    static func script(_ path: FilePath) throws(StorageError) -> [UInt8] {
        let file = try FileStore(opening: try path.resolved(), access: .readOnly)
        return try contents(of: file, name: path.string)
    }

    /// Returns a module, or nil when there is no such file.
    func module(_ name: String) throws -> LuaModule? {
        var names = name.split(separator: ".").map(String.init)
        guard let last = names.popLast() else { return nil }
        names.append(last + ".lua")
        let path = names.reduce(into: prefix) { $0.append($1) }
        do {
            let file = try folder.open(names, access: .readOnly)
            let source = LuaString(bytes: try Self.contents(of: file, name: path.string))
            return LuaModule(name: path.string, source: source)
        } catch {
            guard error.errno != .noSuchFileOrDirectory else { return nil }
            throw WordError("module '\(name)' cannot be read: \(error)", code: .module)
        }
    }

    private static func contents(of file: some ByteStore, name: String) throws(StorageError) -> [UInt8] {
        let length = try file.length()
        guard length <= longestScript else {
            throw StorageError(.io, name: name, detail: "is larger than any script (16 MiB)")
        }
        return try file.bytes(at: 0, count: Int(length))
    }
}
