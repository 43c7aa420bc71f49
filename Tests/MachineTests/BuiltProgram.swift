// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import Glibc
import Synchronization
import SystemPackage

/// A run of a program that was built beside the tests, which may be killed, and after which nothing may be left.
///
/// The folder for temporary files is the run's own. Every process that the program starts inherits its name, which
/// tells them from those of other tests.
final class BuiltProgram: Sendable {
    /// What a run ended with.
    struct Result: Sendable {
        /// The exit code; nil when a signal ended it.
        var code: Int32?
        var lines: [String]
        var messages: String

        var json: JSON {
            get throws { try JSON(parsing: lines.joined(separator: "\n")) }
        }
    }

    private let process = Process()
    private let mark: FilePath
    private let lines = Mutex<[String]>([])
    private let messages: FilePath

    /// Starts a program.
    ///
    /// - Parameter onLine: told of each line that it prints, on a thread of its own.
    init(
        _ name: String, _ arguments: [String], environment: [String: String] = [:],
        onLine: @escaping @Sendable (BuiltProgram, String) -> Void = { _, _ in }
    ) throws {
        let tests = FilePath(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        mark = FilePath(NSTemporaryDirectory()).appending("fermata-run-\(UUID().uuidString)")
        try FileManager.default.createDirectory(atPath: mark.string, withIntermediateDirectories: false)
        messages = mark.appending("messages")
        _ = FileManager.default.createFile(atPath: messages.string, contents: nil)
        process.executableURL = URL(filePath: tests.removingLastComponent().appending(name).string)
        process.arguments = arguments
        process.environment = [
            "PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "TMPDIR": mark.string, "FERMATA_TRASH": "off",
        ]
        .merging(environment) { $1 }
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle(forWritingAtPath: messages.string)
        process.standardInput = FileHandle.nullDevice
        ended = DispatchGroup()
        ended.enter()
        try process.run()
        try? pipe.fileHandleForWriting.close()
        let input = FileDescriptor(rawValue: dup(pipe.fileHandleForReading.fileDescriptor))
        DispatchQueue(label: "fermata.tests.output").async { [self] in
            read(input, onLine)
            try? input.close()
            process.waitUntilExit()
            ended.leave()
        }
    }

    private let ended: DispatchGroup

    deinit {
        try? FileManager.default.removeItem(atPath: mark.string)
    }

    private func read(_ input: FileDescriptor, _ onLine: (BuiltProgram, String) -> Void) {
        var rest: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while let count = try? unsafe buffer.withUnsafeMutableBytes({ try unsafe input.read(into: $0) }), count > 0 {
            rest += buffer[..<count]
            while let end = rest.firstIndex(of: 10) {
                let line = String(decoding: rest[..<end], as: UTF8.self)
                rest.removeFirst(end + 1)
                lines.withLock { $0.append(line) }
                onLine(self, line)
            }
        }
    }

    /// Ends it as a crash would.
    func kill() {
        if process.isRunning { _ = Glibc.kill(process.processIdentifier, SIGKILL) }
    }

    /// Asks it to end.
    func terminate() {
        _ = Glibc.kill(process.processIdentifier, SIGTERM)
    }

    /// Waits for its end, and for that of all that it started.
    ///
    /// - Parameter mayLeaveHost: whether a process that it started may stay.
    /// - Throws: when a process of it outlives it.
    func result(mayLeaveHost: Bool = false) async throws -> Result {
        await withCheckedContinuation { continuation in
            ended.notify(queue: .global()) { continuation.resume() }
        }
        if !mayLeaveHost { try await expectNobodyLeft() }
        let text = try String(contentsOfFile: messages.string, encoding: .utf8)
        let code = process.terminationReason == .exit ? process.terminationStatus : nil
        return Result(code: code, lines: lines.withLock { $0 }, messages: text)
    }

    /// A killed process takes a moment to be gone, even one that was killed with its parent.
    private func expectNobodyLeft() async throws {
        let limit = ContinuousClock.now + .seconds(30)
        while true {
            let left = Self.processes(with: "TMPDIR=\(mark)")
            if left.isEmpty { return }
            guard ContinuousClock.now < limit else { throw Survivors(left: left) }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Runs a program to its end.
    static func run(
        _ name: String, _ arguments: [String], environment: [String: String] = [:], mayLeaveHost: Bool = false
    ) async throws -> Result {
        try await BuiltProgram(name, arguments, environment: environment).result(mayLeaveHost: mayLeaveHost)
    }

    /// The command lines of the living processes whose environment holds an entry.
    private static func processes(with entry: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.filter { $0.allSatisfy(\.isNumber) }.compactMap { id in
            // What is dead and not yet reaped has no environment any more.
            guard let environment = contents("/proc/\(id)/environ"), environment.contains(entry) else { return nil }
            return "\(id): \(contents("/proc/\(id)/cmdline")?.joined(separator: " ") ?? "")"
        }
    }

    private static func contents(_ path: String) -> [String]? {
        FileManager.default.contents(atPath: path).map {
            $0.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    struct Survivors: Error, CustomStringConvertible {
        let left: [String]
        var description: String { "these processes outlive their host: \(left)" }
    }
}
