// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Unicode.Scalar {
    /// Whether it is no text: a control character, or one that no XML file can hold.
    var isControl: Bool {
        properties.generalCategory == .control || value & 0xFFFE == 0xFFFE
    }

    /// Its number as Unicode writes it, such as `U+0007`.
    var code: String {
        let digits = String(value, radix: 16, uppercase: true)
        return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
