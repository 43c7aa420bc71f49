// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What an export offers, as the client learns it at the end of the handshake.
struct TransmissionFlags: OptionSet {
    let rawValue: UInt16
    static let hasFlags = TransmissionFlags(rawValue: 1 << 0)
    static let readOnly = TransmissionFlags(rawValue: 1 << 1)
    static let sendFlush = TransmissionFlags(rawValue: 1 << 2)
    static let sendFUA = TransmissionFlags(rawValue: 1 << 3)
    static let sendTrim = TransmissionFlags(rawValue: 1 << 5)
    static let sendWriteZeroes = TransmissionFlags(rawValue: 1 << 6)
    static let sendDF = TransmissionFlags(rawValue: 1 << 7)
    /// A FLUSH on one connection covers the writes of all.
    static let canMultiConn = TransmissionFlags(rawValue: 1 << 8)
    static let sendCache = TransmissionFlags(rawValue: 1 << 10)
    static let sendFastZero = TransmissionFlags(rawValue: 1 << 11)

    /// What an export offers to a client.
    init(isReadOnly: Bool, structuredReplies: Bool) {
        self = [.hasFlags, .sendFlush, .canMultiConn, .sendCache]
        if isReadOnly {
            formUnion(.readOnly)
        } else {
            formUnion([.sendFUA, .sendTrim, .sendWriteZeroes, .sendFastZero])
        }
        if structuredReplies {
            formUnion(.sendDF)
        }
    }

    init(rawValue: UInt16) {
        self.rawValue = rawValue
    }
}
