// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// The sizes and offsets that requests may have.
///
/// A request that is not a multiple of the minimum, which is the device's sector, is refused, and so is one that is
/// longer than the maximum where it carries data.
enum BlockSize {
    /// What costs least; no sector is larger.
    static let preferred: UInt32 = 4096
    /// The most data that one request may carry.
    static let maximum: UInt32 = 32 << 20
}
