// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A descriptor that crosses a control socket; it is closed when the last reference goes.
public final class ControlDescriptor: Sendable {
    /// The descriptor's number in this process.
    public let rawValue: CInt

    /// Takes a descriptor over.
    public init(owning rawValue: CInt) {
        self.rawValue = rawValue
    }

    deinit {
        close(rawValue)
    }
}
