// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Where a run of sectors of one image lies.
package struct SectorRun: Hashable, Sendable {
    /// The number of sectors, at least one.
    package var count: UInt64
    /// The offset of the first one in the image's file; nil when the image does not have them.
    package var offset: UInt64?

    package init(count: UInt64, offset: UInt64?) {
        self.count = count
        self.offset = offset
    }
}
