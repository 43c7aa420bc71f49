// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import SystemPackage

/// Where a command in the guest reads from and writes to.
///
/// The descriptors stay the caller's, who keeps them open until the command has ended. Any kind will do: a pipe, a file,
/// a terminal.
public struct CommandStreams: Sendable {
    /// What its standard input is; nil for none.
    public var input: FileDescriptor?
    /// Where its standard output goes; nil throws it away.
    public var output: FileDescriptor?
    /// Where its standard error goes; nil throws it away.
    public var error: FileDescriptor?

    /// Makes streams.
    public init(input: FileDescriptor? = nil, output: FileDescriptor? = nil, error: FileDescriptor? = nil) {
        self.input = input
        self.output = output
        self.error = error
    }
}
