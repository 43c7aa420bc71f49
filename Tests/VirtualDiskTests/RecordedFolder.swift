// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import Synchronization
import SystemPackage

@testable import VirtualDisk

/// Files in memory that write down every change of their bytes and names in order, and fail where a test says so.
///
/// A change of bytes names the file as it was first called, so that it stays the same one through a rename.
final class RecordedFolder: NamedFiles {
    /// One change.
    enum Change: Sendable {
        case bytes(RecordingTree.Change)
        case create(name: String, file: String)
        case remove(name: String)
        case rename(from: String, to: String)
        case synchronizeNames

        /// Makes the change to the files' names.
        func apply(to names: inout [String: String]) {
            switch self {
            case .create(let name, let file): names[name] = file
            case .remove(let name): names[name] = nil
            case .rename(let from, let to): names[to] = names.removeValue(forKey: from)
            case .bytes, .synchronizeNames: break
            }
        }
    }

    struct State: Sendable {
        /// The files' bytes, each under the name that it was first given.
        var bytes: [String: [UInt8]]
        /// Which file has a name.
        var names: [String: String]
        var times: [String: Int64] = [:]
        var log: [Change] = []
        var fault: RecordingTree.Fault?
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
            change.apply(to: &names)
        }
    }

    let name: String = "/recorded"
    let state: Mutex<State>

    init(_ files: [String: [UInt8]]) {
        let names = Dictionary(uniqueKeysWithValues: files.keys.map { ($0, $0) })
        state = Mutex(State(bytes: files, names: names))
    }

    /// The files as a reader sees them now.
    var files: [String: [UInt8]] {
        state.withLock { state in state.names.mapValues { state.bytes[$0] ?? [] } }
    }

    var log: [Change] { state.withLock { $0.log } }

    /// The number of changing calls so far, the refused ones included.
    var calls: Int { state.withLock { $0.calls } }

    /// Lets a call fail from now on; nil lets all succeed.
    func fail(_ fault: RecordingTree.Fault?) {
        state.withLock { state in
            state.fault = fault
            state.calls = 0
        }
    }

    func open(_ path: [String], access: FileAccess) throws(StorageError) -> any ByteStore {
        let name = path.joined(separator: "/")
        let file = state.withLock { state in
            let file = state.names[name]
            if let file { state.lost.remove(file) }
            return file
        }
        guard let file else {
            throw StorageError(.io, name: name, detail: "cannot be opened", errno: .noSuchFileOrDirectory)
        }
        return RecordedFile(folder: self, file: file, name: "\(self.name)/\(name)", access: access)
    }

    func create(_ path: [String]) throws(StorageError) -> any ByteStore {
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
        return RecordedFile(folder: self, file: file, name: "\(self.name)/\(name)", access: .readWrite)
    }

    func create(_ path: [String], asAccessibleAs other: [String]?) throws(StorageError) -> any ByteStore {
        try create(path)
    }

    func contains(_ path: [String]) throws(StorageError) -> Bool {
        state.withLock { $0.names[path.joined(separator: "/")] != nil }
    }

    func isOwn(_ path: [String]) throws(StorageError) -> Bool { try contains(path) }

    func isAsAccessible(_ path: [String], as other: [String]) throws(StorageError) -> Bool { true }

    func remove(_ path: [String]) throws(StorageError) {
        let name = path.joined(separator: "/")
        try state.withLock { state throws(StorageError) in
            guard state.names[name] != nil else {
                throw StorageError(.io, name: name, detail: "cannot be removed", errno: .noSuchFileOrDirectory)
            }
            try state.change(.remove(name: name), name)
        }
    }

    func rename(_ source: [String], to target: [String], replacing: Bool) throws(StorageError) {
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

    func synchronizeFolder(of path: [String]) throws(StorageError) {
        try state.withLock { state throws(StorageError) in
            try state.change(.synchronizeNames, path.joined(separator: "/"))
        }
    }

    func availableSpace(for path: [String]) throws(StorageError) -> UInt64? { nil }

    func claim(_ path: [String]) throws(StorageError) -> (any Sendable)? { true }

    func files(withExtensions extensions: Set<String>) throws(StorageError) -> [[String]] {
        files.keys.sorted().filter { extensions.contains(FilePath($0).extension ?? "") }
            .map { $0.split(separator: "/").map(String.init) }
    }
}
