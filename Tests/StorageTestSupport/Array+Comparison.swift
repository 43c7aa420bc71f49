// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation

extension [UInt8] {
    /// Compares bytes as fast as the machine can, also in a build without optimization.
    public func isSame(as other: some Collection<UInt8>) -> Bool {
        guard count == other.count else { return false }
        let same: Bool? = unsafe withUnsafeBytes { left in
            other.withContiguousStorageIfAvailable { right in
                guard let left = left.baseAddress, let right = right.baseAddress else { return true }
                return unsafe memcmp(left, right, count) == 0
            }
        }
        return same ?? elementsEqual(other)
    }
}
