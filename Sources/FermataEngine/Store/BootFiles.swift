// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Hashing
import SystemPackage

extension LabFolder {
    /// Keeps a boot file by its content, so that a reboot after a restore is exact too.
    ///
    /// - Parameter expected: the digest that its content must have, unless nil.
    /// - Returns: the SHA-256 of its content, its name in the lab's `Boot` folder.
    func addBootFile(_ path: FilePath, expecting expected: String? = nil) throws(EngineError) -> String {
        try FileSystem.create(boot)
        let source = try PageFile(reading: path)
        let temporary = boot.appending(".\(GUID.random()).new")
        do throws(EngineError) {
            let digest = try LabFolder.copy(source, to: PageFile(creating: temporary)).description
            guard expected == nil || expected == digest else {
                throw EngineError(.stale, "\(path) changed while the machine was made from it; run it again")
            }
            if FileSystem.exists(boot.appending(digest)) {
                try FileSystem.remove(temporary)
            } else {
                try FileSystem.move(temporary, to: boot.appending(digest))
            }
            return digest
        } catch {
            try? FileSystem.remove(temporary)
            throw error
        }
    }

    /// The SHA-256 of a file's content.
    static func digest(of path: FilePath) throws(EngineError) -> Digest {
        try copy(PageFile(reading: path), to: nil)
    }

    private static func copy(_ source: PageFile, to target: PageFile?) throws(EngineError) -> Digest {
        let length = try source.length()
        let buffer = PageBuffer()
        try buffer.reserve(MemoryImage.chunk)
        var hash = SHA256()
        var offset = 0
        while offset < length {
            let bytes = unsafe buffer.bytes(min(MemoryImage.chunk, length - offset))
            try unsafe source.read(into: bytes, at: offset)
            unsafe hash.update(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(bytes)))
            try unsafe target?.write(UnsafeRawBufferPointer(bytes), at: offset)
            offset += bytes.count
        }
        try target?.synchronize()
        return hash.finish()
    }
}
