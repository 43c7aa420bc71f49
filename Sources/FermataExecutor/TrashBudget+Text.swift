// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataEngine
import FermataModel
import Foundation

extension TrashBudget {
    /// What the trash of a lab may hold that a command or a recipe makes: nothing when `$FERMATA_TRASH` is `off`.
    ///
    /// - Parameter environment: the variables to look at; nil for the process's own.
    public static func ofNewLabs(environment: [String: String]? = nil) -> TrashBudget? {
        let environment = environment ?? ProcessInfo.processInfo.environment
        return environment["FERMATA_TRASH"] == "off" ? nil : .standard
    }

    /// Reads an age and a size, such as `24h,4G`.
    ///
    /// - Throws: a ``FermataModel/ValueError`` that says what was expected.
    public init(parsing text: String) throws {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else {
            throw ValueError("expected an age and a size such as \"24h,4G\", or \"off\", got \"\(text)\"")
        }
        self.init(
            age: Int(clamping: try TimeSpan(parsing: parts[0]).milliseconds / 1000),
            bytes: try ByteSize(parsing: parts[1]).bytes)
    }
}
