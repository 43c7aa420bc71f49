// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Handshake {
    /// `LIST_META_CONTEXT` and `SET_META_CONTEXT`: tells, or chooses, the kinds of block status.
    ///
    /// ```
    ///  0        4                 4+n     8+n
    ///  ├────────┼─────────────────┼───────┼─────────────────────────────────┐
    ///  │length n│ export's name: n│count m│ queries: m × (length, query)    │   client
    ///  └────────┴─────────────────┴───────┴─────────────────────────────────┘
    ///  0      4
    ///  ├──────┼──────────────┐
    ///  │  id  │ name         │   server, for each
    ///  └──────┴──────────────┘
    /// ```
    ///
    /// A choice replaces the one before, and holds for its own export alone.
    mutating func metaContext(
        _ data: OptionData, choosing: Bool, _ channel: inout Channel
    ) throws(NBDError) -> Step {
        let option: Option = choosing ? .setMetaContext : .listMetaContext
        if choosing {
            allocationExport = nil
        }
        guard structuredReplies else {
            return try refuse(option, "block status needs structured replies", &channel)
        }
        var data = data
        guard let name = data.string(), let count = data.number(UInt32.self) else {
            return try refuse(option, "the option names no export", &channel)
        }
        var isMatched = count == 0 && !choosing
        var read: UInt32 = 0
        while read < count {
            guard let query = data.string() else {
                return try refuse(option, "the option asks for more than it carries", &channel)
            }
            isMatched = isMatched || query == AllocationContext.name || (!choosing && query == "base:")
            read += 1
        }
        guard data.isAtEnd else {
            return try refuse(option, "the option carries more than it says", &channel)
        }
        guard let export = export(name) else {
            return try reply(.errorUnknown, to: option.rawValue, "there is no export of that name", &channel)
        }
        if isMatched {
            if choosing {
                allocationExport = export
            }
            var context: [UInt8] = []
            context.append(networkOrder: choosing ? AllocationContext.id : 0)
            context += AllocationContext.name.utf8
            _ = try reply(.metaContext, to: option.rawValue, context, &channel)
        }
        return try acknowledge(option, &channel)
    }
}
