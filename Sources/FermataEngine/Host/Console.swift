// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import Glibc
import Synchronization
import SystemPackage

/// What a guest writes on its console: kept in a bounded log, and searched for what a script waits for.
///
/// ```
///   … already matched │ unmatched ──────────────────────► written
///                     ▲ a wait looks from here on, and moves this mark behind its match
/// ```
/// A restore puts the mark and the unmatched text back to what they were at the checkpoint. Besides, anyone can read along:
/// see ``read(from:)``.
public final class Console: Sendable {
    /// The most unmatched bytes that are kept; older ones are forgotten.
    static let unmatchedLimit = 1 << 20
    /// The most unmatched bytes that a checkpoint keeps.
    static let savedLimit = 1 << 16
    /// The size at which the log starts anew, the old one kept beside it.
    static let logLimit = 4 << 20

    struct State {
        var unmatched: [UInt8] = []
        var tail: [UInt8] = []
        var history = ConsoleHistory()
        /// Whether no guest is there that could write.
        var isOver = true
        fileprivate var waiters: [Int: Waiter] = [:]
        var readers: [Int: CheckedContinuation<Void, any Error>] = [:]
        var nextWaiter = 0
        fileprivate var logged = 0
        fileprivate var log: FileDescriptor?

        /// Lets every reader look again.
        mutating func wakeReaders() {
            for reader in readers.values { reader.resume() }
            readers = [:]
        }
    }

    fileprivate struct Waiter {
        let matcher: ConsoleMatcher
        let continuation: CheckedContinuation<String, any Error>
    }

    let state: Mutex<State>
    private let path: FilePath

    /// Makes a console whose log goes to a file.
    init(log path: FilePath) throws(EngineError) {
        self.path = path
        try FileSystem.create(path.removingLastComponent())
        let logged = FileSystem.status(of: path).map { Int($0.st_size) } ?? 0
        state = Mutex(State(logged: logged, log: try? Console.openLog(path)))
    }

    /// Where the log goes when a new one begins.
    static func older(_ path: FilePath) -> FilePath {
        path.removingLastComponent().appending("\(path.lastComponent?.string ?? "").1")
    }

    /// Removes the logs of a machine that is gone.
    static func removeLogs(of machine: GUID, in lab: LabFolder) throws(EngineError) {
        let log = lab.consoleLog(machine)
        for file in [log, older(log), lab.processLog(machine), lab.hostLog(machine)] { try FileSystem.remove(file) }
    }

    private static func openLog(_ path: FilePath) throws -> FileDescriptor {
        try FileDescriptor.open(
            path, .writeOnly, options: [.create, .append, .closeOnExec, .noFollow], permissions: .ownerReadWrite)
    }

    deinit {
        state.withLock { try? $0.log?.close() }
    }

    /// Takes in what the guest wrote.
    func append(_ bytes: [UInt8]) {
        state.withLock { state in
            log(bytes, &state)
            state.history.append(bytes)
            state.wakeReaders()
            state.tail = Array((state.tail + bytes).suffix(4096))
            state.unmatched += bytes
            if state.unmatched.count > Console.unmatchedLimit {
                state.unmatched.removeFirst(state.unmatched.count - Console.unmatchedLimit)
            }
            for id in state.waiters.keys.sorted() {
                guard let waiter = state.waiters[id], let match = waiter.matcher.match(in: state.unmatched) else {
                    continue
                }
                state.unmatched.removeFirst(match.end)
                state.waiters[id] = nil
                waiter.continuation.resume(returning: match.text)
            }
        }
    }

    private func log(_ bytes: [UInt8], _ state: inout State) {
        // The log serves people; a host whose disk is full must not lose its machine over it.
        _ = try? state.log?.writeAll(bytes)
        state.logged += bytes.count
        guard state.logged > Console.logLimit else { return }
        try? state.log?.close()
        try? FileSystem.move(path, to: Console.older(path))
        state.log = try? Console.openLog(path)
        state.logged = 0
    }

    /// Waits for a match after the last one.
    ///
    /// - Returns: the text that matched.
    func wait(for matcher: ConsoleMatcher) async throws -> String {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                state.withLock { state in
                    if Task.isCancelled {
                        continuation.resume(throwing: CancellationError())
                    } else if let match = matcher.match(in: state.unmatched) {
                        state.unmatched.removeFirst(match.end)
                        continuation.resume(returning: match.text)
                    } else {
                        state.waiters[id] = Waiter(matcher: matcher, continuation: continuation)
                    }
                }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.continuation.resume(throwing: CancellationError())
        }
    }

    /// The newest text, matched or not, for messages.
    var tail: String {
        String(decoding: state.withLock { $0.tail }, as: UTF8.self)
    }

    /// The unmatched text that a checkpoint keeps.
    var unmatched: [UInt8] {
        state.withLock { Array($0.unmatched.suffix(Console.savedLimit)) }
    }

    /// Lets a process write that has taken this moment: puts the unmatched text back, and ends every wait, which was for
    /// a future that is gone.
    ///
    /// - Parameter beginning: what readers and the log are told; nil when the guest goes on where it was.
    func begin(at unmatched: [UInt8], because reason: EngineError, telling beginning: ConsoleOutput.Part?) {
        let waiters = state.withLock { state in
            state.unmatched = unmatched
            state.tail = Array(unmatched.suffix(4096))
            state.isOver = false
            if let beginning {
                state.history.append(beginning)
                state.wakeReaders()
                log(Array("\r\n--- \(beginning.sentence), \(Date().formatted(.iso8601)) ---\r\n".utf8), &state)
            }
            defer { state.waiters = [:] }
            return state.waiters.values.map(\.continuation)
        }
        for waiter in waiters { waiter.resume(throwing: reason) }
    }

    /// Ends every wait; what was written can still be read.
    func end(because reason: EngineError) {
        let waiters = state.withLock { state in
            state.isOver = true
            state.wakeReaders()
            defer { state.waiters = [:] }
            return state.waiters.values.map(\.continuation)
        }
        for waiter in waiters { waiter.resume(throwing: reason) }
    }
}
