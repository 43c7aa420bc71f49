// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What the system knows of a file besides its bytes.
public struct FileStatus: Hashable, Sendable {
    /// The length in bytes.
    public var length: UInt64
    /// The space that the file takes, in bytes.
    public var allocated: UInt64
    /// When it was last changed, in seconds since 1970.
    public var modificationTime: Int64

    /// Makes a status.
    public init(length: UInt64, allocated: UInt64, modificationTime: Int64) {
        self.length = length
        self.allocated = allocated
        self.modificationTime = modificationTime
    }
}
