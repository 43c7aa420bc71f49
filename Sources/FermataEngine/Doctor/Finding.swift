// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import SystemPackage

/// Something about a lab that is not as it should be.
public struct Finding: Hashable, Sendable, CustomStringConvertible {
    /// A word for the kind, such as `disk-orphan`.
    public var code: String
    /// The file or folder concerned.
    public var path: FilePath
    /// What is wrong, with what was expected and found: the rest of the sentence.
    public var message: String
    /// What to do about it: a command, or what only a person can do.
    public var remedy: String
    /// Whether it can be mended without losing anything that can still be read.
    public var isFixable: Bool { fix != nil }

    package var fix: Fix?

    /// A mending that loses nothing.
    package enum Fix: Hashable, Sendable {
        /// The next command that changes the machine would do it anyway.
        case recover(MachineFolder)
        /// What crashes left outside of the machines' folders goes.
        case removeLeftovers
        /// The file is nobody's.
        case remove
        /// Nobody but the owner may reach it.
        case makePrivate
        /// The disk is repaired, and the bytes that are replaced are kept beside it.
        case repairDisk
    }

    /// Makes a finding that only a person can mend.
    public init(_ code: String, _ path: FilePath, _ message: String, remedy: String) {
        self.init(code, path, message, remedy: remedy, fix: nil)
    }

    package init(
        _ code: String, _ path: FilePath, _ message: String, remedy: String = "fermata doctor --fix", fix: Fix?
    ) {
        self.code = code
        self.path = path
        self.message = message
        self.remedy = remedy
        self.fix = fix
    }

    /// One sentence.
    public var description: String { "\(path): \(message)" }
}
