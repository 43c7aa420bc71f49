// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataExecutor
import FermataModel
import FermataPlan
import SystemPackage

/// Why a program ends early: what it says on standard error, and its exit code.
package struct ProgramFailure: Error, Sendable {
    /// Done in vain.
    package static let failed: Int32 = 1
    /// Used wrongly, or given an invalid recipe; nothing was done.
    package static let wrongUse: Int32 = 2

    /// The lines for standard error.
    package let lines: [String]
    /// The exit code.
    package let exitCode: Int32

    /// Says these lines as they are.
    package init(lines: [String], exitCode: Int32) {
        self.lines = lines
        self.exitCode = exitCode
    }

    /// Says one sentence in the program's name.
    package init(_ sentence: String, exitCode: Int32 = failed) {
        lines = ["\(ProgramOutput.name): error: \(sentence.onOneLine)"]
        self.exitCode = exitCode
    }

    /// Says what an error says, with the exit code that fits.
    package init(_ error: any Error) {
        switch error {
        case let failure as ProgramFailure: self = failure
        case let errors as PlanningErrors:
            self.init(lines: errors.diagnostics.map(\.description), exitCode: Self.wrongUse)
        case let error as RunError where error.at != nil:
            self.init(lines: error.description.split(separator: "\n").map(String.init), exitCode: Self.failed)
        case let error as RunError: self.init(error.message)
        case let error as EngineError:
            self.init(
                error.description,
                exitCode: error.code == .notFound || error.code == .notALab ? Self.wrongUse : Self.failed)
        case let error as ValueError: self.init(error.description, exitCode: Self.wrongUse)
        default: self.init("\(error)")
        }
    }
}

extension String {
    /// The text without its line breaks.
    fileprivate var onOneLine: String {
        split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
