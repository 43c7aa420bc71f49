// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

package import BlockStorage
import Synchronization
package import SystemPackage

/// Files in memory that write down every change in order, and fail where a test says so.
package final class RecordingTree: FileTree {
    /// One change of one file.
    package enum Change: Sendable {
        case write(file: String, offset: UInt64, bytes: [UInt8])
        case zero(file: String, range: Range<UInt64>)
        case length(file: String, UInt64)
        case synchronize(file: String)
    }

    /// Which call fails, counted over all files and from one, and how.
    package struct Fault: Sendable {
        package var call: Int
        package var errno: Errno
        /// Whether every call after it fails too.
        package var lasts: Bool

        package init(call: Int, errno: Errno, lasts: Bool) {
            self.call = call
            self.errno = errno
            self.lasts = lasts
        }
    }

    struct State: Sendable {
        var files: [String: [UInt8]]
        var times: [String: Int64] = [:]
        var log: [Change] = []
        var fault: Fault?
        var calls: Int = 0
        /// Files that could not be made durable, and answer nothing until they are opened again.
        var lost: Set<String> = []
    }

    package let name: String = "/recording"
    let state: Mutex<State>

    package init(_ files: [String: [UInt8]]) {
        state = Mutex(State(files: files))
    }

    /// The files as a reader sees them now.
    package var files: [String: [UInt8]] { state.withLock { $0.files } }

    /// The changes so far.
    package var log: [Change] { state.withLock { $0.log } }

    /// The number of changes so far.
    package var logCount: Int { state.withLock { $0.log.count } }

    /// The number of changing calls so far, the refused ones included.
    package var calls: Int { state.withLock { $0.calls } }

    /// Lets a call fail from now on; nil lets all succeed.
    package func fail(_ fault: Fault?) {
        state.withLock { state in
            state.fault = fault
            state.calls = 0
        }
    }

    package func open(_ path: [String], access: FileAccess) throws(StorageError) -> any ByteStore {
        let file = path.joined(separator: "/")
        let isThere = state.withLock { state in
            state.lost.remove(file)
            return state.files[file] != nil
        }
        guard isThere else {
            throw StorageError(.io, name: file, detail: "cannot be opened", errno: .noSuchFileOrDirectory)
        }
        return RecordingStore(tree: self, file: file, access: access)
    }

    package func create(_ path: [String]) throws(StorageError) -> any ByteStore {
        let file = path.joined(separator: "/")
        state.withLock { $0.files[file] = [] }
        return RecordingStore(tree: self, file: file, access: .readWrite)
    }

    package func remove(_ path: [String]) throws(StorageError) {
        state.withLock { $0.files[path.joined(separator: "/")] = nil }
    }

    package func files(withExtensions extensions: Set<String>) throws(StorageError) -> [[String]] {
        files.keys.sorted().filter { extensions.contains(FilePath($0).extension ?? "") }
            .map { $0.split(separator: "/").map(String.init) }
    }
}

extension RecordingTree.Change {
    /// The file that it changes.
    package var file: String {
        switch self {
        case .write(let file, _, _), .zero(let file, _), .length(let file, _), .synchronize(let file): file
        }
    }

    /// Makes the change to a file's bytes, one sector of it at a time as far as `keeps` says.
    package func apply(to bytes: inout [UInt8], keeps: () -> Bool = { true }) {
        switch self {
        case .write(_, let offset, let source):
            var position = 0
            while position < source.count {
                let count = min(512 - (Int(offset) + position) % 512, source.count - position)
                if keeps() {
                    let start = Int(offset) + position
                    if bytes.count < start + count {
                        bytes.append(contentsOf: [UInt8](repeating: 0, count: start + count - bytes.count))
                    }
                    unsafe bytes.withUnsafeMutableBytes { target in
                        unsafe source.withUnsafeBytes { source in
                            unsafe target[start..<start + count].copyBytes(from: source[position..<position + count])
                        }
                    }
                }
                position += count
            }
        case .zero(let file, let range):
            let end = min(range.upperBound, UInt64(bytes.count))
            guard range.lowerBound < end else { return }
            let zeros = [UInt8](repeating: 0, count: Int(end - range.lowerBound))
            Self.write(file: file, offset: range.lowerBound, bytes: zeros).apply(to: &bytes, keeps: keeps)
        case .length(_, let length):
            guard keeps() else { return }
            if bytes.count > Int(length) {
                bytes.removeLast(bytes.count - Int(length))
            } else {
                bytes.append(contentsOf: [UInt8](repeating: 0, count: Int(length) - bytes.count))
            }
        case .synchronize: break
        }
    }
}
