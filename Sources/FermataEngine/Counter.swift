// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A number that several threads count up.
final class Counter: Sendable {
    private let value = Atomic<Int>(0)

    /// Adds one, and tells the new number.
    func increment() -> Int {
        value.wrappingAdd(1, ordering: .relaxed).newValue
    }
}
