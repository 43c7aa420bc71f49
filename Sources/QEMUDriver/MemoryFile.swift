// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CFiles
import Glibc
import SystemPackage

/// A file that lies in memory only and has no path.
enum MemoryFile {
    static func make(_ name: String) throws(Errno) -> Descriptor {
        let raw = unsafe fermata_memory_file(name)
        guard raw >= 0 else { throw Errno(rawValue: errno) }
        return Descriptor(raw)
    }

    /// Empties the file, and lets whoever shares the descriptor begin at its start.
    static func rewind(_ file: Descriptor) throws(Errno) {
        guard ftruncate(file.raw, 0) == 0, lseek(file.raw, 0, SEEK_SET) == 0 else { throw Errno(rawValue: errno) }
    }

    /// Writes all bytes.
    static func write(_ bytes: [UInt8], to file: Descriptor, at offset: Int) throws(Errno) {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe pwrite(file.raw, buffer.baseAddress?.advanced(by: done), bytes.count - done, offset + done)
            }
            if count > 0 {
                done += count
            } else if errno != EINTR {
                throw Errno(rawValue: errno)
            }
        }
    }

    /// Reads the whole file.
    static func contents(of file: Descriptor) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(clamping: try file.length()))
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe pread(file.raw, buffer.baseAddress?.advanced(by: done), buffer.count - done, done)
            }
            if count > 0 {
                done += count
            } else if count == 0 {
                bytes.removeLast(bytes.count - done)
            } else if errno != EINTR {
                throw Errno(rawValue: errno)
            }
        }
        return bytes
    }
}
