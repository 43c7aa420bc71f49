// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// The sizes and offsets that requests may have.
///
/// A request that is not a multiple of the minimum, or is longer than the maximum where it carries data, is refused.
enum BlockSize {
    /// Every device is a whole number of sectors, and formats keep track of whole sectors.
    static let minimum: UInt32 = 512
    /// What costs least.
    static let preferred: UInt32 = 4096
    /// The most data that one request may carry.
    static let maximum: UInt32 = 32 << 20
}
