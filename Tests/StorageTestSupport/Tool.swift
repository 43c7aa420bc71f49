// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Subprocess
public import SystemPackage

/// Another program that reads or writes what Fermata wrote or reads.
public struct Tool: Sendable {
    /// What a run ended with.
    public struct Result: Sendable {
        /// The exit code; nil when a signal ended it.
        public var code: Int32?
        /// What it printed.
        public var output: String
        /// What it printed as messages.
        public var messages: String
    }

    /// Its name, looked up in the search path.
    public let name: String

    /// Names a program.
    public init(_ name: String) {
        self.name = name
    }

    /// Whether the machine has it.
    public var isInstalled: Bool {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
        return folders.contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") }
    }

    /// Runs it to its end.
    ///
    /// - Parameter file: where its output goes, created anew, instead of into the result.
    public func run(_ arguments: [String], outputTo file: FilePath? = nil) async throws -> Result {
        guard let file else {
            let result = try await Subprocess.run(
                .name(name), arguments: Arguments(arguments), output: .string(limit: 16 << 20),
                error: .string(limit: 16 << 20))
            return Result(
                code: result.terminationStatus.code, output: result.standardOutput,
                messages: result.standardError)
        }
        let descriptor = try FileDescriptor.open(
            file, .writeOnly, options: [.create, .truncate], permissions: [.ownerReadWrite])
        let result = try await Subprocess.run(
            .name(name), arguments: Arguments(arguments),
            output: .fileDescriptor(descriptor, closeAfterSpawningProcess: true), error: .string(limit: 16 << 20))
        return Result(code: result.terminationStatus.code, output: "", messages: result.standardError)
    }
}

extension TerminationStatus {
    fileprivate var code: Int32? {
        if case .exited(let code) = self { Int32(code) } else { nil }
    }
}
