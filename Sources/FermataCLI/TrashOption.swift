// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// Whether what is discarded can come back.
struct TrashOption: ParsableArguments {
    @Flag(name: .customLong("no-trash"), help: "Discard it for good, though the lab has a trash.")
    var isForGood: Bool = false

    /// Whether it goes to the trash, if the lab has one.
    var isTrashing: Bool { !isForGood }
}
