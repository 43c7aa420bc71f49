// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// What a program says: data on standard output, messages on standard error.
package enum ProgramOutput {
    /// The program's name, as messages begin.
    package static let name: String =
        CommandLine.arguments.first.flatMap { FilePath($0).lastComponent?.string } ?? "fermata"

    /// Writes data, a line.
    ///
    /// - Throws: ``ProgramFailure`` when it cannot be written: data that is lost must not look like success.
    package static func data(_ text: String) throws(ProgramFailure) {
        try bytes(Array("\(text)\n".utf8))
    }

    /// Writes data as it is.
    ///
    /// - Throws: ``ProgramFailure`` when it cannot be written.
    package static func bytes(_ bytes: [UInt8]) throws(ProgramFailure) {
        do {
            try FileDescriptor.standardOutput.writeAll(bytes)
        } catch {
            throw ProgramFailure("standard output cannot be written: \(error)")
        }
    }

    /// Writes a message, a line; one that nobody can read is no failure.
    package static func message(_ text: String) {
        _ = try? FileDescriptor.standardError.writeAll(Array("\(text)\n".utf8))
    }

    /// Writes a question, to be answered on its line.
    package static func question(_ text: String) {
        _ = try? FileDescriptor.standardError.writeAll(Array("\(name): \(text)".utf8))
    }
}
