// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import SystemPackage
import Testing

/// A run of `fermata disk serve`, as it was built beside the tests.
final class ServingCommand {
    /// The command's file; nil when it was not built.
    static var path: String? {
        guard let tests = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") else {
            return nil
        }
        let path = FilePath(tests).removingLastComponent().appending("fermata").string
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }

    /// What it printed: where clients connect.
    let uri: String
    private let process = Process()

    /// Starts to serve, and waits until clients can connect.
    ///
    /// - Parameter descriptors: how many files and sockets it may have open.
    init(_ disk: FilePath, at socket: FilePath, descriptors: Int) throws {
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = [
            "-c", "ulimit -n \(descriptors) && exec \"$@\"", "sh", try #require(Self.path), "disk", "serve",
            disk.string,
            "--socket", socket.string,
        ]
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        try? pipe.fileHandleForWriting.close()
        var line = Data()
        while !line.contains(10) {
            let more = pipe.fileHandleForReading.availableData
            if more.isEmpty { break }
            line += more
        }
        uri = String(decoding: line, as: UTF8.self).trimmingCharacters(in: .newlines)
    }

    /// Asks it to end, and waits for that.
    ///
    /// - Returns: the exit code; nil when a signal ended it.
    func terminate() -> Int32? {
        process.terminate()
        process.waitUntilExit()
        return process.terminationReason == .exit ? process.terminationStatus : nil
    }

    deinit {
        if process.isRunning { _ = terminate() }
    }
}
