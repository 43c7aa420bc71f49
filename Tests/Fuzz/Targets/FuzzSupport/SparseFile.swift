// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

package import BlockStorage
import Synchronization
import SystemPackage

/// A file in memory of which most is holes, as a disk of several MiB is that is made from a small input.
package final class SparseFile: ByteStore {
    package let name: String = "/fuzz/sparse"
    private static let page = 4096
    /// Beyond this the disk is full.
    private static let largest: UInt64 = 1 << 30

    private struct State {
        var pages: [UInt64: [UInt8]] = [:]
        var length: UInt64
    }
    private let state: Mutex<State>

    /// Makes a file that is one hole.
    package init(length: UInt64) {
        state = Mutex(State(length: length))
    }

    /// The pages that hold something.
    package var pages: [UInt64: [UInt8]] { state.withLock { $0.pages } }

    package func length() throws(StorageError) -> UInt64 { state.withLock { $0.length } }

    package func status() throws(StorageError) -> FileStatus {
        let length = try length()
        return FileStatus(length: length, allocated: length, modificationTime: 0)
    }

    package func setModificationTime(_ seconds: Int64) throws(StorageError) {}

    package func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(StorageError) -> Int {
        let wanted = UInt64(buffer.byteCount)
        return unsafe buffer.withUnsafeMutableBytes { target in
            state.withLock { state in
                guard offset < state.length else { return 0 }
                let count = Int(min(wanted, state.length - offset))
                var done = 0
                while done < count {
                    let position = offset + UInt64(done)
                    let first = Int(position % UInt64(Self.page))
                    let length = min(Self.page - first, count - done)
                    let part = unsafe UnsafeMutableRawBufferPointer(rebasing: target[done..<done + length])
                    if let page = state.pages[position / UInt64(Self.page)] {
                        unsafe part.copyBytes(from: page[first..<first + length])
                    } else {
                        _ = unsafe part.initializeMemory(as: UInt8.self, repeating: 0)
                    }
                    done += length
                }
                return count
            }
        }
    }

    package func write(_ buffer: RawSpan, at offset: UInt64) throws(StorageError) {
        let (end, overflow) = offset.addingReportingOverflow(UInt64(buffer.byteCount))
        try grow(to: overflow ? .max : end)
        let bytes = unsafe buffer.withUnsafeBytes { unsafe Array($0) }
        state.withLock { state in
            var done = 0
            while done < bytes.count {
                let position = offset + UInt64(done)
                let first = Int(position % UInt64(Self.page))
                let length = min(Self.page - first, bytes.count - done)
                state.pages[position / UInt64(Self.page), default: [UInt8](repeating: 0, count: Self.page)]
                    .replaceSubrange(first..<first + length, with: bytes[done..<done + length])
                done += length
            }
        }
    }

    private func grow(to length: UInt64) throws(StorageError) {
        guard length <= Self.largest else {
            throw StorageError(.noSpace, name: name, detail: "is full", errno: .noSpace)
        }
        state.withLock { $0.length = max($0.length, length) }
    }

    package func truncate(to length: UInt64) throws(StorageError) {
        try grow(to: length)
        state.withLock { state in
            state.length = length
            state.pages = state.pages.filter { $0.key * UInt64(Self.page) < length }
        }
    }

    package func allocate(_ range: Range<UInt64>) throws(StorageError) { try grow(to: range.upperBound) }

    package func punchHole(_ range: Range<UInt64>) throws(StorageError) {
        state.withLock { state in
            for key in state.pages.keys {
                let start = key * UInt64(Self.page)
                let part = range.clamped(to: start..<start + UInt64(Self.page))
                for index in part { state.pages[key]?[Int(index - start)] = 0 }
            }
        }
    }

    package func synchronize() throws(StorageError) {}

    package func nextData(from offset: UInt64) throws(StorageError) -> Range<UInt64>? {
        let length = try length()
        return offset < length ? offset..<length : nil
    }
}

/// A folder with that file alone.
package struct SparseFolder: FileTree {
    package let name: String = "/fuzz"
    private let file: SparseFile

    /// Makes it.
    package init(_ file: SparseFile) {
        self.file = file
    }

    package func open(_ path: [String], access: FileAccess) throws(StorageError) -> any ByteStore {
        guard path == ["leaf.vhdx"] else {
            throw StorageError(.io, name: "/fuzz", detail: "cannot be opened", errno: .noSuchFileOrDirectory)
        }
        return file
    }

    package func create(_ path: [String]) throws(StorageError) -> any ByteStore {
        throw StorageError(.io, name: name, detail: "takes no file", errno: .permissionDenied)
    }

    package func remove(_ path: [String]) throws(StorageError) {}

    package func files(withExtensions extensions: Set<String>) throws(StorageError) -> [[String]] { [["leaf.vhdx"]] }
}
