// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Hashing

/// What devices a machine has, and where: the part of QEMU's device tree that a saved state depends on.
enum DeviceList {
    /// Properties whose values name this host's files and connections, or the machine itself.
    private static let identities: Set<String> = [
        "chardev", "drive", "filename", "guid", "mac", "netdev", "romfile", "uuid",
    ]

    /// The digest of the tree that `info qtree` prints.
    static func digest(tree: String) -> String {
        SHA256.digest(of: lines(of: tree).joined(separator: "\n").utf8).description
    }

    /// The tree's lines, indented as printed, without what differs between two processes of the same hardware.
    static func lines(of tree: String) -> [String] {
        tree.split(whereSeparator: \.isNewline).compactMap { line in
            let content = line.drop(while: { $0 == " " })
            // Where the guest has mapped a device is state, not hardware.
            if content.hasPrefix("bar ") || content.hasPrefix("mmio ") { return nil }
            if let equals = content.range(ofFirst: " = "), identities.contains(String(content[..<equals.lowerBound])) {
                return nil
            }
            return String(line)
        }
    }
}
