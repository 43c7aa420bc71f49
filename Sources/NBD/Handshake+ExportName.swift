// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Handshake {
    /// `EXPORT_NAME`: chooses an export and starts; a wrong name can only be answered by disconnecting.
    ///
    /// ```
    ///  0            8       10
    ///  ├────────────┼───────┼───────────────────────┐
    ///  │ size       │ flags │ 124 zeroes, or nothing│   server
    ///  └────────────┴───────┴───────────────────────┘
    /// ```
    func exportName(_ data: OptionData, _ channel: inout Channel) throws(NBDError) -> Session {
        var data = data
        guard let name = data.remainingString(), let export = export(name) else {
            throw violation("the client asked for an export that does not exist", channel)
        }
        let flags = TransmissionFlags(isReadOnly: export.isReadOnly, structuredReplies: structuredReplies)
        try channel.reserve(134)
        channel.append(export.size)
        channel.append(flags.rawValue)
        if !clientFlags.contains(.noZeroes) {
            channel.append([UInt8](repeating: 0, count: 124))
        }
        return session(export)
    }
}
