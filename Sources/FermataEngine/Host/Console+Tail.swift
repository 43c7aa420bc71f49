// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Console {
    /// The last lines that the guest wrote, matched or not.
    public func lastLines(_ count: Int) -> [String] {
        // Terminals end lines with CR LF, which is one Character.
        let text = tail.replacing("\r\n", with: "\n").replacing("\r", with: "\n")
        return text.split(separator: "\n").suffix(count).map(String.init)
    }
}
