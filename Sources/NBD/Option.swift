// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What a client asks for during the handshake.
///
/// ```
///  0        8        12       16
///  ├────────┼────────┼────────┼──────────────┐
///  │IHAVEOPT│ option │ length │ data: length │   client
///  └────────┴────────┴────────┴──────────────┘
///  0        8        12       16       20
///  ├────────┼────────┼────────┼────────┼──────────────┐
///  │ magic  │ option │ reply  │ length │ data: length │   server, one or more
///  └────────┴────────┴────────┴────────┴──────────────┘
/// ```
enum Option: UInt32 {
    /// Choose an export and start, without any way to refuse but to disconnect.
    case exportName = 1
    /// End the session.
    case abort = 2
    /// Tell the exports' names.
    case list = 3
    /// Describe an export.
    case info = 6
    /// Describe an export and start.
    case go = 7
    /// From now on, replies may come in chunks.
    case structuredReply = 8
    /// Tell which kinds of block status there are.
    case listMetaContext = 9
    /// Choose the kinds of block status.
    case setMetaContext = 10
}

/// How the server replies to an option.
enum OptionReply: UInt32 {
    /// The option is done.
    case ack = 1
    /// An export's name.
    case server = 2
    /// A fact about an export.
    case info = 3
    /// A kind of block status.
    case metaContext = 4
    /// The server does not know the option.
    case errorUnsupported = 0x8000_0001
    /// The option's data are wrong.
    case errorInvalid = 0x8000_0003
    /// There is no such export.
    case errorUnknown = 0x8000_0006
    /// The option's data are too long.
    case errorTooBig = 0x8000_0009
}

/// A fact about an export, as `INFO` and `GO` tell it.
enum Info: UInt16 {
    /// Size and transmission flags.
    case export = 0
    /// The canonical name.
    case name = 1
    /// A sentence for people.
    case description = 2
    /// Minimum, preferred and maximum block size.
    case blockSize = 3
}

/// What the two sides say about themselves before the first option.
struct HandshakeFlags: OptionSet {
    let rawValue: UInt32
    /// The handshake is fixed newstyle: unknown options get a reply.
    static let fixedNewstyle = HandshakeFlags(rawValue: 1 << 0)
    /// `EXPORT_NAME` is answered without 124 bytes of padding.
    static let noZeroes = HandshakeFlags(rawValue: 1 << 1)
}
