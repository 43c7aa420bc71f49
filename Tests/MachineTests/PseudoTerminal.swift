// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Glibc
import StorageTestSupport
import Synchronization
import SystemPackage

/// What a terminal has shown.
private final class Screen: Sendable {
    private struct State {
        var shown: [UInt8] = []
        var waiters: [(text: [UInt8], continuation: CheckedContinuation<Bool, Never>)] = []
        var isOver = false
    }

    private let state = Mutex(State())

    /// Shows what comes until there is nobody any more who could write.
    func show(_ terminal: FileDescriptor) {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while let count = try? unsafe buffer.withUnsafeMutableBytes({ try unsafe terminal.read(into: $0) }), count > 0 {
            let found = state.withLock { state in
                state.shown += buffer[..<count]
                let shown = state.shown
                defer { state.waiters.removeAll { shown.firstRange(of: $0.text) != nil } }
                return state.waiters.filter { shown.firstRange(of: $0.text) != nil }
            }
            for waiter in found { waiter.continuation.resume(returning: true) }
        }
        let waiters = state.withLock { state in
            state.isOver = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.continuation.resume(returning: false) }
    }

    var text: String {
        String(decoding: state.withLock { $0.shown }, as: UTF8.self)
    }

    func clear() {
        state.withLock { $0.shown = [] }
    }

    func wait(for text: String) async -> Bool {
        await withCheckedContinuation { continuation in
            let found: Bool? = state.withLock { state in
                if state.shown.firstRange(of: Array(text.utf8)) != nil { return true }
                if state.isOver { return false }
                state.waiters.append((Array(text.utf8), continuation))
                return nil
            }
            if let found { continuation.resume(returning: found) }
        }
    }
}

/// A terminal with a test at its keyboard, and what is run on it.
final class PseudoTerminal: Sendable {
    /// The side of the person who types and looks.
    private let person: FileDescriptor
    /// The side of the programs; held open, so that the terminal outlives each of them.
    private let programs: FileDescriptor
    private let screen = Screen()

    /// TIOCSPTLCK and TIOCGPTN, which the C library's headers compute.
    private static let (setLock, getNumber): (UInt, UInt) = (0x4004_5431, 0x8004_5430)

    init() throws {
        person = try FileDescriptor.open(FilePath("/dev/ptmx"), .readWrite, options: [.closeOnExec], permissions: nil)
        var (lock, number): (CInt, CUnsignedInt) = (0, 0)
        guard unsafe ioctl(person.rawValue, Self.setLock, &lock) == 0,
            unsafe ioctl(person.rawValue, Self.getNumber, &number) == 0
        else { throw Errno(rawValue: errno) }
        let noTerminal = FileDescriptor.OpenOptions(rawValue: O_NOCTTY)
        programs = try FileDescriptor.open(
            FilePath("/dev/pts/\(number)"), .readWrite, options: [.closeOnExec, noTerminal], permissions: nil)
        DispatchQueue(label: "fermata.tests.terminal").async { [screen, person] in
            screen.show(person)
            try? person.close()
        }
    }

    deinit {
        try? programs.close()
    }

    /// Everything that was shown since it was last forgotten.
    var shown: String { screen.text }

    /// Forgets what was shown.
    func clear() {
        screen.clear()
    }

    /// Waits until a text has been shown.
    ///
    /// - Returns: false when the terminal is closed before.
    func wait(for text: String) async -> Bool {
        await screen.wait(for: text)
    }

    /// Types.
    func type(_ text: String) throws {
        try person.writeAll(Array(text.utf8))
    }

    /// Gives the terminal another size, which a program is told by a signal.
    func resize(columns: UInt16, rows: UInt16) {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = unsafe ioctl(person.rawValue, UInt(TIOCSWINSZ), &size)
    }

    /// How the terminal treats what is typed and shown.
    var settings: Settings {
        var settings = termios()
        _ = unsafe tcgetattr(programs.rawValue, &settings)
        return Settings(
            input: settings.c_iflag, output: settings.c_oflag, control: settings.c_cflag, local: settings.c_lflag)
    }

    /// The flags of a terminal.
    struct Settings: Hashable {
        var input, output, control, local: tcflag_t

        /// Whether keys go to the program as they are.
        var isRaw: Bool { local & tcflag_t(ICANON | ECHO | ISIG) == 0 }
    }

    /// Starts a program with this as its controlling terminal.
    func run(_ program: FilePath, _ arguments: [String], environment: [String: String] = [:]) throws -> Program {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/setsid")
        process.arguments = ["--ctty", "--wait", program.string] + arguments
        process.environment = ["PATH": "/usr/bin:/bin", "TERM": "xterm"].merging(environment) { $1 }
        let side = FileHandle(fileDescriptor: programs.rawValue, closeOnDealloc: false)
        (process.standardInput, process.standardOutput, process.standardError) = (side, side, side)
        let ended = DispatchGroup()
        ended.enter()
        process.terminationHandler = { _ in ended.leave() }
        try process.run()
        return Program(process: process, ended: ended)
    }

    /// A program that runs on the terminal.
    struct Program {
        fileprivate let process: Process
        fileprivate let ended: DispatchGroup

        /// Sends the program a signal; it is the child of what leads the session, if that has one.
        func signal(_ name: String) async throws {
            let leader = process.processIdentifier
            _ = try await Tool("sh").run(["-c", "kill -\(name) $(pgrep -P \(leader) || echo \(leader))"])
        }

        /// Waits for its end.
        ///
        /// - Returns: its exit code; nil when a signal ended it.
        func code() async -> Int32? {
            await withCheckedContinuation { continuation in
                ended.notify(queue: .global()) { continuation.resume() }
            }
            return process.terminationReason == .exit ? process.terminationStatus : nil
        }
    }
}
