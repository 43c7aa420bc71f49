// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Something that is on until it is turned off for good.
final class Switch: Sendable {
    private let state = Atomic<Bool>(true)

    var isOn: Bool { state.load(ordering: .acquiring) }

    func turnOff() {
        state.store(false, ordering: .releasing)
    }
}
