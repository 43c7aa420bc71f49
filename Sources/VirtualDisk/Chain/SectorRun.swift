// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Where a run of sectors of one image lies.
package struct SectorRun: Hashable, Sendable {
    /// What an image knows of sectors.
    package enum Place: Hashable, Sendable {
        /// The image does not have them: its parent is asked, and without one they are zeros.
        case absent
        /// The image says that they are zeros, whatever its parent has, and stores nothing for them.
        case zeros
        /// The image stores them from this offset in its file on.
        case stored(UInt64)
    }

    /// The number of sectors, at least one.
    package var count: UInt64
    /// Where they are.
    package var place: Place

    package init(count: UInt64, _ place: Place) {
        self.count = count
        self.place = place
    }

    /// Sectors that the image stores, or does not have.
    package init(count: UInt64, offset: UInt64?) {
        self.init(count: count, offset.map(Place.stored) ?? .absent)
    }

    /// The offset of the first one in the image's file; nil when nothing is stored.
    package var offset: UInt64? {
        if case .stored(let offset) = place { offset } else { nil }
    }
}
