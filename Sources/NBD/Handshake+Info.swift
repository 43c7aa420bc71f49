// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Handshake {
    /// `INFO` and `GO`: describes an export, and with `GO` starts.
    ///
    /// ```
    ///  0        4                 4+n     6+n
    ///  ├────────┼─────────────────┼───────┼──────────────────┐
    ///  │length n│ export's name: n│count m│ kinds: m × 2     │   client
    ///  └────────┴─────────────────┴───────┴──────────────────┘
    ///  0      2            10      12
    ///  ├──────┼────────────┼───────┤
    ///  │EXPORT│ size       │ flags │   server
    ///  ├──────┼────────┬───┴────┬──┴─────┐
    ///  │BLOCK_│ minimum│  pre-  │ maximum│
    ///  │SIZE  │        │ ferred │        │
    ///  ├──────┼────────┴────────┴────────┤
    ///  │NAME, │ text                     │
    ///  │DESCR.│                          │
    ///  └──────┴──────────────────────────┘
    /// ```
    func info(_ data: OptionData, starting: Bool, _ channel: inout Channel) throws(NBDError) -> Step {
        let option: Option = starting ? .go : .info
        var data = data
        guard let name = data.string(), let count = data.number(UInt16.self) else {
            return try refuse(option, "the option names no export", &channel)
        }
        var kinds: Set<UInt16> = []
        for _ in 0..<count {
            guard let kind = data.number(UInt16.self) else {
                return try refuse(option, "the option asks for more than it carries", &channel)
            }
            kinds.insert(kind)
        }
        guard data.isAtEnd else {
            return try refuse(option, "the option carries more than it says", &channel)
        }
        guard let export = export(name) else {
            return try reply(.errorUnknown, to: option.rawValue, "there is no export of that name", &channel)
        }

        let flags = TransmissionFlags(isReadOnly: export.isReadOnly, structuredReplies: structuredReplies)
        try tell(.export, of: option, &channel) { data in
            data.append(networkOrder: export.size)
            data.append(networkOrder: flags.rawValue)
        }
        try tell(.blockSize, of: option, &channel) { data in
            data.append(networkOrder: export.sectorSize)
            data.append(networkOrder: BlockSize.preferred)
            data.append(networkOrder: BlockSize.maximum)
        }
        if kinds.contains(Info.name.rawValue) {
            try tell(.name, of: option, &channel) { $0 += export.name.utf8 }
        }
        if kinds.contains(Info.description.rawValue), !export.summary.isEmpty {
            try tell(.description, of: option, &channel) { $0 += export.summary.utf8 }
        }
        _ = try acknowledge(option, &channel)
        return starting ? .transmission(session(export)) : .next
    }

    private func tell(
        _ info: Info, of option: Option, _ channel: inout Channel, _ body: (inout [UInt8]) -> Void
    ) throws(NBDError) {
        var data: [UInt8] = []
        data.append(networkOrder: info.rawValue)
        body(&data)
        _ = try reply(.info, to: option.rawValue, data, &channel)
    }
}
