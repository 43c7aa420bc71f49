// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

package import BlockStorage
import Synchronization
package import SystemPackage

/// Files in memory that write down every change of their bytes and names in order, and fail where a test says so.
///
/// A change of bytes names the file as it was first called, so that it stays the same one through a rename.
package final class RecordingTree: NamedFiles {
    /// When every file was changed last, unless its time was set.
    package static let time: Int64 = 1_000_000_000

    /// One change of one file's bytes, or of the names.
    package enum Change: Sendable {
        case write(file: String, offset: UInt64, bytes: [UInt8])
        case zero(file: String, range: Range<UInt64>)
        case length(file: String, UInt64)
        case synchronize(file: String)
        case create(name: String, file: String)
        case remove(name: String)
        case rename(from: String, to: String)
        case synchronizeNames
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
        /// The files' bytes, each under the name that it was first given.
        var bytes: [String: [UInt8]]
        /// Which file has a name.
        var names: [String: String]
        var times: [String: Int64] = [:]
        /// The changes so far.
        package var log: [Change] = []
        var fault: Fault?
        var calls: Int = 0
        /// Files that could not be made durable, and answer nothing until they are opened again.
        var lost: Set<String> = []

        /// What the call that begins now fails with, if it is the one that does.
        mutating func nextFailure(_ name: String) -> StorageError? {
            calls += 1
            guard let fault, calls == fault.call || fault.lasts && calls > fault.call else { return nil }
            return StorageError(
                fault.errno == .noSpace ? .noSpace : .io, name: name, detail: "failed as told", errno: fault.errno)
        }

        /// Makes a change of names, unless it is the call that fails.
        mutating func change(_ change: Change, _ name: String) throws(StorageError) {
            if let failure = nextFailure(name) { throw failure }
            log.append(change)
            if case .create(_, let file) = change { bytes[file] = [] }
            change.apply(toNames: &names)
        }
    }

    package let name: String = "/recording"
    let state: Mutex<State>

    package init(_ files: [String: [UInt8]]) {
        let names = Dictionary(uniqueKeysWithValues: files.keys.map { ($0, $0) })
        state = Mutex(State(bytes: files, names: names))
    }

    /// The files as a reader sees them now.
    package var files: [String: [UInt8]] {
        state.withLock { state in state.names.mapValues { state.bytes[$0] ?? [] } }
    }

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
        let name = path.joined(separator: "/")
        let file = state.withLock { state in
            let file = state.names[name]
            if let file { state.lost.remove(file) }
            return file
        }
        guard let file else {
            throw StorageError(.io, name: name, detail: "cannot be opened", errno: .noSuchFileOrDirectory)
        }
        return RecordingStore(tree: self, file: file, name: "\(self.name)/\(name)", access: access)
    }

    package func create(_ path: [String]) throws(StorageError) -> any ByteStore {
        let name = path.joined(separator: "/")
        let file = try state.withLock { state throws(StorageError) in
            guard state.names[name] == nil else {
                throw StorageError(.io, name: name, detail: "cannot be created", errno: .fileExists)
            }
            var file = name
            while state.bytes[file] != nil { file += "+" }
            try state.change(.create(name: name, file: file), name)
            return file
        }
        return RecordingStore(tree: self, file: file, name: "\(self.name)/\(name)", access: .readWrite)
    }

    package func create(_ path: [String], asAccessibleAs other: [String]?) throws(StorageError) -> any ByteStore {
        try create(path)
    }

    package func contains(_ path: [String]) throws(StorageError) -> Bool {
        state.withLock { $0.names[path.joined(separator: "/")] != nil }
    }

    package func isOwn(_ path: [String]) throws(StorageError) -> Bool { try contains(path) }

    package func isAsAccessible(_ path: [String], as other: [String]) throws(StorageError) -> Bool { true }

    package func remove(_ path: [String]) throws(StorageError) {
        let name = path.joined(separator: "/")
        try state.withLock { state throws(StorageError) in
            guard state.names[name] != nil else {
                throw StorageError(.io, name: name, detail: "cannot be removed", errno: .noSuchFileOrDirectory)
            }
            try state.change(.remove(name: name), name)
        }
    }

    package func rename(_ source: [String], to target: [String], replacing: Bool) throws(StorageError) {
        let (from, to) = (source.joined(separator: "/"), target.joined(separator: "/"))
        try state.withLock { state throws(StorageError) in
            guard state.names[from] != nil, replacing || state.names[to] == nil else {
                throw StorageError(
                    .io, name: from, detail: "cannot be renamed",
                    errno: state.names[from] == nil ? .noSuchFileOrDirectory : .fileExists)
            }
            try state.change(.rename(from: from, to: to), from)
        }
    }

    package func synchronizeFolder(of path: [String]) throws(StorageError) {
        try state.withLock { state throws(StorageError) in
            try state.change(.synchronizeNames, path.joined(separator: "/"))
        }
    }

    package func availableSpace(for path: [String]) throws(StorageError) -> UInt64? { nil }

    package func claim(_ path: [String]) throws(StorageError) -> (any Sendable)? { true }

    package func files(withExtensions extensions: Set<String>) throws(StorageError) -> [[String]] {
        files.keys.sorted().filter { extensions.contains(FilePath($0).extension ?? "") }
            .map { $0.split(separator: "/").map(String.init) }
    }
}
