// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Handshake {
    /// `LIST`: tells the exports' names, each as its length of four bytes and its bytes.
    func list(_ data: OptionData, _ channel: inout Channel) throws(NBDError) -> Step {
        guard data.isAtEnd else {
            return try refuse(.list, "LIST carries no data", &channel)
        }
        for export in exports {
            var server: [UInt8] = []
            let name = Array(export.name.utf8)
            server.append(networkOrder: UInt32(name.count))
            server += name
            _ = try reply(.server, to: Option.list.rawValue, server, &channel)
        }
        return try acknowledge(.list, &channel)
    }
}
