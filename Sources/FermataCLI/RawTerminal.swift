// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A terminal that hands over every key as it is, until it is put back.
final class RawTerminal: Sendable {
    private let descriptor: CInt
    private let before: Mutex<termios?>

    /// Changes the terminal behind a descriptor; nil when there is none.
    init?(_ descriptor: CInt) {
        var settings = termios()
        guard isatty(descriptor) == 1, unsafe tcgetattr(descriptor, &settings) == 0 else { return nil }
        self.descriptor = descriptor
        before = Mutex(settings)
        unsafe cfmakeraw(&settings)
        unsafe tcsetattr(descriptor, TCSADRAIN, &settings)
    }

    deinit {
        restore()
    }

    /// Puts the terminal back to what it was; once is enough.
    func restore() {
        before.withLock { before in
            guard var settings = before else { return }
            unsafe tcsetattr(descriptor, TCSADRAIN, &settings)
            before = nil
        }
    }
}
