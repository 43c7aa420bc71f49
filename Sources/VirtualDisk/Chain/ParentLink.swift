// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What a child records of its parent.
public struct ParentLink: Hashable, Sendable {
    /// The parent's identity.
    public var identity: DiskIdentity
    /// Another identity that the parent may have, while the one gives way to the other.
    public var otherIdentity: DiskIdentity?
    /// The parent's time of change, in seconds since 1970; nil when the format does not record it.
    public var modificationTime: Int64?
    /// The parent's name, or path, as the child's header has it.
    public var name: String
    /// The paths relative to the child's folder, as recorded.
    public var relativePaths: [String]
    /// The absolute paths, which are reported and never followed.
    public var absolutePaths: [String]

    /// Makes a link.
    public init(
        identity: DiskIdentity, otherIdentity: DiskIdentity? = nil, modificationTime: Int64? = nil, name: String,
        relativePaths: [String] = [],
        absolutePaths: [String] = []
    ) {
        self.identity = identity
        self.otherIdentity = otherIdentity
        self.modificationTime = modificationTime
        self.name = name
        self.relativePaths = relativePaths
        self.absolutePaths = absolutePaths
    }

    /// Whether a disk with this identity is the parent.
    public func names(_ identity: DiskIdentity?) -> Bool {
        identity.map { $0 == self.identity || $0 == otherIdentity } ?? false
    }
}
