// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Synchronization
import SystemPackage

/// One file of a recording tree.
final class RecordingStore: ByteStore {
    let name: String
    private let tree: RecordingTree
    private let file: String
    private let access: FileAccess

    init(tree: RecordingTree, file: String, name: String, access: FileAccess) {
        self.tree = tree
        self.file = file
        self.name = name
        self.access = access
    }

    func length() throws(StorageError) -> UInt64 { try status().length }

    func status() throws(StorageError) -> FileStatus {
        try use { state throws(StorageError) in
            let length = UInt64(state.bytes[file]?.count ?? 0)
            return FileStatus(
                length: length, allocated: length, modificationTime: state.times[file] ?? RecordingTree.time)
        }
    }

    func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(StorageError) -> Int {
        let count = buffer.byteCount
        let found = try use { state throws(StorageError) in
            let bytes = state.bytes[file] ?? []
            guard offset < UInt64(bytes.count) else { return [UInt8]() }
            return Array(bytes[Int(offset)..<min(bytes.count, Int(offset) + count)])
        }
        unsafe buffer.withUnsafeMutableBytes { target in
            unsafe target.copyBytes(from: found)
        }
        return found.count
    }

    func write(_ buffer: RawSpan, at offset: UInt64) throws(StorageError) {
        let bytes = unsafe buffer.withUnsafeBytes { unsafe Array($0) }
        // A write that fails may have been made in part.
        let half = Array(bytes.prefix(bytes.count / 1024 * 512))
        try change(
            .write(file: file, offset: offset, bytes: bytes),
            orPart: half.isEmpty ? nil : .write(file: file, offset: offset, bytes: half))
    }

    func truncate(to length: UInt64) throws(StorageError) {
        try change(.length(file: file, length), orPart: nil)
    }

    func allocate(_ range: Range<UInt64>) throws(StorageError) {
        let length = try length()
        guard range.upperBound > length else { return }
        let part = max(length, (range.lowerBound + range.upperBound) / 2)
        try change(.length(file: file, range.upperBound), orPart: .length(file: file, part))
    }

    func punchHole(_ range: Range<UInt64>) throws(StorageError) {
        try change(.zero(file: file, range: range), orPart: nil)
    }

    func synchronize() throws(StorageError) {
        guard access == .readWrite else { return }
        do throws(StorageError) { try change(.synchronize(file: file), orPart: nil) } catch {
            tree.state.withLock { state in _ = state.lost.insert(file) }
            throw error
        }
    }

    func setModificationTime(_ seconds: Int64) throws(StorageError) {
        try synchronize()
        tree.state.withLock { state in state.times[file] = seconds }
    }

    func nextData(from offset: UInt64) throws(StorageError) -> Range<UInt64>? {
        let length = try length()
        return offset < length ? offset..<length : nil
    }

    private func use<Result: Sendable>(
        _ body: (inout RecordingTree.State) throws(StorageError) -> Result
    ) throws(StorageError) -> Result {
        try tree.state.withLock { state throws(StorageError) in
            guard !state.lost.contains(file) else {
                throw StorageError(.io, name: name, detail: "must be opened again", errno: .ioError)
            }
            return try body(&state)
        }
    }

    private func change(_ change: RecordingTree.Change, orPart part: RecordingTree.Change?) throws(StorageError) {
        try use { state throws(StorageError) in
            guard access == .readWrite else {
                throw StorageError(.readOnly, name: name, detail: "is open for reading only")
            }
            let failure = state.nextFailure(name)
            if let made = failure == nil ? change : part {
                state.log.append(made)
                made.apply(to: &state.bytes[file, default: []])
            }
            if let failure { throw failure }
        }
    }
}
