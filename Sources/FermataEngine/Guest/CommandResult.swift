// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// How a command in a guest ended.
public struct CommandResult: Hashable, Sendable {
    /// Its exit code; 128 and the signal's number when a signal ended it.
    public var exitCode: Int
    /// What it wrote to standard output.
    public var standardOutput: [UInt8]
    /// What it wrote to standard error.
    public var standardError: [UInt8]
    /// Whether it wrote more than was kept.
    public var isTruncated: Bool

    /// Makes a result.
    public init(exitCode: Int, standardOutput: [UInt8], standardError: [UInt8], isTruncated: Bool = false) {
        self.exitCode = exitCode
        self.standardOutput = standardOutput
        self.standardError = standardError
        self.isTruncated = isTruncated
    }
}
