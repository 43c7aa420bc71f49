// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Glibc
import Hashing
import SystemPackage

/// A flat memory image in the lab's cache: what a machine maps, page for page.
///
/// A checkpoint's is made from its `.bin`, or at once from the pages in hand, and can be deleted at any time: the
/// next restore makes it again. It appears under its name only when it is complete and durable.
enum FlatImage {
    /// The image that a machine maps at a start from power-off: zeros throughout.
    static func zero(memory: UInt64, in lab: LabFolder) throws(EngineError) -> FilePath {
        let path = lab.cache.appending("zero-\(memory >> 20)M.flat")
        if let status = FileSystem.status(of: path), status.st_size == Int64(memory), status.st_blocks == 0 {
            return path
        }
        return try make(path) { file throws(EngineError) in try file.truncate(to: Int(memory)) }
    }

    /// A checkpoint's image, made from its `.bin` if it is not there.
    static func of(
        _ checkpoint: GUID, in folder: MachineFolder, from image: MemoryImage
    ) throws(EngineError) -> FilePath {
        let path = folder.flatImage(checkpoint)
        if let status = FileSystem.status(of: path), status.st_size == Int64(image.memory) { return path }
        return try make(path) { file throws(EngineError) in try image.expand(into: file) }
    }

    private static func make(
        _ path: FilePath, _ fill: (PageFile) throws(EngineError) -> Void
    ) throws(EngineError) -> FilePath {
        try FileSystem.create(path.removingLastComponent())
        let temporary = path.removingLastComponent().appending(
            ".\(path.lastComponent?.string ?? "").\(GUID.random()).new")
        do {
            let file = try PageFile(creating: temporary)
            try fill(file)
            try file.synchronize()
            try FileSystem.move(temporary, to: path)
        } catch {
            try? FileSystem.remove(temporary)
            throw error
        }
        return path
    }
}
