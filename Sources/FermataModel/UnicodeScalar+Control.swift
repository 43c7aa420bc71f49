// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Unicode.Scalar {
    /// Whether it is no text: a control character, or one of those that Unicode keeps free, such as U+FFFF.
    package var isControl: Bool {
        properties.generalCategory == .control || value & 0xFFFE == 0xFFFE
    }

    /// Its number as Unicode writes it, such as `U+0007`.
    package var code: String {
        let digits = String(value, radix: 16, uppercase: true)
        return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
