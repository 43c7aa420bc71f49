// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

package import BlockStorage
package import Synchronization
import SystemPackage

/// Files in memory, as small as an input is.
package final class MemoryFiles: FileTree {
    package let files: Mutex<[String: [UInt8]]>
    package let name: String = "/fuzz"

    package init(_ files: [String: [UInt8]]) {
        self.files = Mutex(files)
    }

    package func open(_ path: [String], access: FileAccess) throws(StorageError) -> any ByteStore {
        let file = path.joined(separator: "/")
        guard files.withLock({ $0[file] != nil }) else {
            throw StorageError(.io, name: file, detail: "cannot be opened", errno: .noSuchFileOrDirectory)
        }
        return MemoryFile(files: self, name: file)
    }

    package func create(_ path: [String]) throws(StorageError) -> any ByteStore {
        files.withLock { $0[path.joined(separator: "/")] = [] }
        return try open(path, access: .readWrite)
    }

    package func remove(_ path: [String]) throws(StorageError) {
        files.withLock { $0[path.joined(separator: "/")] = nil }
    }

    package func files(withExtensions extensions: Set<String>) throws(StorageError) -> [[String]] {
        files.withLock { $0.keys.sorted().map { [$0] } }
    }
}

/// One of the files; it grows to 64 MiB at most, so that an input that asks for more meets a full disk.
struct MemoryFile: ByteStore {
    let files: MemoryFiles
    let name: String

    private static let largest = 64 << 20

    private func change(_ body: (inout [UInt8]) -> Void) {
        files.files.withLock { body(&$0[name, default: []]) }
    }

    private func grow(to length: UInt64) throws(StorageError) {
        guard length <= UInt64(Self.largest) else {
            throw StorageError(.noSpace, name: name, detail: "is full", errno: .noSpace)
        }
        change { bytes in
            if bytes.count < Int(length) { bytes += [UInt8](repeating: 0, count: Int(length) - bytes.count) }
        }
    }

    func length() throws(StorageError) -> UInt64 {
        files.files.withLock { UInt64($0[name]?.count ?? 0) }
    }

    func status() throws(StorageError) -> FileStatus {
        let length = try length()
        return FileStatus(length: length, allocated: length, modificationTime: 0)
    }

    func setModificationTime(_ seconds: Int64) throws(StorageError) {}

    func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(StorageError) -> Int {
        let count = buffer.byteCount
        let found = files.files.withLock { files -> ArraySlice<UInt8> in
            let bytes = files[name] ?? []
            guard offset < UInt64(bytes.count) else { return [] }
            return bytes[Int(offset)..<min(bytes.count, Int(offset) + count)]
        }
        unsafe buffer.withUnsafeMutableBytes { unsafe $0.copyBytes(from: found) }
        return found.count
    }

    func write(_ buffer: RawSpan, at offset: UInt64) throws(StorageError) {
        let (end, overflow) = offset.addingReportingOverflow(UInt64(buffer.byteCount))
        try grow(to: overflow ? .max : end)
        let added = unsafe buffer.withUnsafeBytes { unsafe Array($0) }
        change { $0.replaceSubrange(Int(offset)..<Int(end), with: added) }
    }

    func truncate(to length: UInt64) throws(StorageError) {
        try grow(to: length)
        change { $0.removeSubrange(Int(length)...) }
    }

    func allocate(_ range: Range<UInt64>) throws(StorageError) { try grow(to: range.upperBound) }

    func punchHole(_ range: Range<UInt64>) throws(StorageError) {
        change { bytes in
            let part = range.clamped(to: 0..<UInt64(bytes.count))
            for index in part { bytes[Int(index)] = 0 }
        }
    }

    func synchronize() throws(StorageError) {}

    func nextData(from offset: UInt64) throws(StorageError) -> Range<UInt64>? {
        let length = try length()
        return offset < length ? offset..<length : nil
    }
}
