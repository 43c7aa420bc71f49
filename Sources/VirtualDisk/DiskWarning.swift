// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Something about a disk that is odd, but keeps it readable.
public struct DiskWarning: Hashable, Sendable, CustomStringConvertible {
    /// The kind of oddity.
    public enum Kind: Hashable, Sendable {
        /// The parent's time of change is not the one that the child recorded.
        case parentTimestamp
        /// The footer at the end is damaged; the copy at the start was used.
        case footerRecovered
        /// The copy of the footer at the start is damaged.
        case footerCopyDamaged
        /// One of two headers, or of two region tables, is damaged; the other was used.
        case copyDamaged
        /// The log held changes, which are read as if they had been made.
        case logReplayed
        /// The parent was found by its identity, not where the child says it is.
        case parentMoved
        /// The size comes from the geometry, as the program that made the disk means it.
        case sizeFromGeometry
    }

    /// The kind of oddity.
    public var kind: Kind
    /// The disk's file.
    public var path: String
    /// The rest of the sentence.
    public var detail: String

    /// Makes a warning.
    public init(_ kind: Kind, path: String, _ detail: String) {
        self.kind = kind
        self.path = path
        self.detail = detail
    }

    /// One sentence.
    public var description: String { "\(path): \(detail)" }
}
