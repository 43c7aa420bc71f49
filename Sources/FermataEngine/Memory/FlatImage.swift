// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CFiles
import FermataModel
import Glibc
import Hashing
import SystemPackage

/// A flat memory image in the lab's cache: what a machine maps, page for page.
///
/// A checkpoint's is made from its `.bin`, and can be deleted at any time: the
/// next restore makes it again. It appears under its name only when it is complete and durable.
/// ```
/// .cache/<CPGUID>.flat         the image
/// .cache/<CPGUID>.flat.made    from which .bin it was made, and its stamp since then
/// ```
/// An image that anybody wrote to, or that was copied here, no longer has the stamp, and is made again. Memories with the
/// same pages, a checkpoint's and those of its forks, share an image.
///
/// A tmpfs takes space for every page of a hole that a mapping looks at, and who finds none is killed. A lab that lies
/// on one keeps no images: they are made where only memory is their limit, and go with their machine.
enum FlatImage {
    /// The image that a machine maps at a start from power-off: zeros throughout.
    static func zero(memory: UInt64, in lab: LabFolder) throws(EngineError) -> PageFile {
        let fill = { (file: PageFile) throws(EngineError) in try file.truncate(to: Int(memory)) }
        if try isVolatile(lab.cache) { return try make("zeros", fill) }
        let path = lab.cache.appending("zero-\(memory >> 20)M.flat")
        if let status = FileSystem.status(of: path), status.st_size == Int64(memory), status.st_blocks == 0 {
            return try PageFile(reading: path)
        }
        return try make(path, fill)
    }

    /// A checkpoint's image, made from its `.bin` if it is not there.
    static func of(
        _ checkpoint: GUID, in folder: MachineFolder, from image: MemoryImage
    ) throws(EngineError) -> PageFile {
        let fill = { (file: PageFile) throws(EngineError) in try image.expand(into: file) }
        if try isVolatile(folder.lab.cache) { return try make("\(checkpoint)", fill) }
        let path = folder.flatImage(checkpoint)
        let mark = self.mark(of: path)
        if let found = found(path, from: image) { return found }
        // A fork's memory is its source's.
        for name in try FileSystem.entries(of: folder.lab.cache) where name.hasSuffix(".flat") {
            if let found = found(folder.lab.cache.appending(name), from: image) { return found }
        }
        let made = try make(path, fill)
        // A crash before this only makes the image once more.
        try FileSystem.commit(try markText(image, PageFile(reading: path)), to: mark)
        return made
    }

    /// An image that was made from a `.bin`, if it is one; whatever else lies there is no image of ours.
    private static func found(_ path: FilePath, from image: MemoryImage) -> PageFile? {
        guard let file = try? PageFile(reading: path), let mark = try? FileSystem.read(mark(of: path), limit: 4096),
            let text = try? markText(image, file), mark == text
        else { return nil }
        return file
    }

    /// Removes a checkpoint's image, if there is one, finished or not.
    static func remove(of checkpoint: GUID, in lab: LabFolder) throws(EngineError) {
        guard FileSystem.exists(lab.cache) else { return }
        for name in try FileSystem.entries(of: lab.cache) where name.contains("\(checkpoint).flat") {
            try FileSystem.remove(lab.cache.appending(name))
        }
    }

    private static func mark(of path: FilePath) -> FilePath {
        var mark = path
        mark.extension = "flat.made"
        return mark
    }

    private static func markText(_ image: MemoryImage, _ file: PageFile) throws(EngineError) -> [UInt8] {
        Array("\(image.digest) \(try file.stamp())\n".utf8)
    }

    private static func make(
        _ path: FilePath, _ fill: (PageFile) throws(EngineError) -> Void
    ) throws(EngineError) -> PageFile {
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
        return try PageFile(reading: path)
    }

    private static func make(
        _ name: String, _ fill: (PageFile) throws(EngineError) -> Void
    ) throws(EngineError) -> PageFile {
        let file = try PageFile(inMemory: "fermata: \(name)")
        try fill(file)
        return file
    }

    /// Whether files in a folder lie in memory, as on a tmpfs.
    static func isVolatile(_ folder: FilePath) throws(EngineError) -> Bool {
        try FileSystem.create(folder)
        let answer = unsafe folder.withPlatformString { unsafe fermata_lies_on_tmpfs($0) }
        guard answer >= 0 else {
            let error = Errno(rawValue: errno)
            throw EngineError(.system, "\(folder): looking at it failed: \(error)", underlying: error)
        }
        return answer == 1
    }
}
