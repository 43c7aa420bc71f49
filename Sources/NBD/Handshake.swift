// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// The server's side of the handshake: fixed newstyle, without TLS.
///
/// ```
///             client flags                       EXPORT_NAME, GO
///  greeting ───────────────► options ─────────────────────────────► transmission
///                             │   ▲ │
///        LIST, INFO,          └───┘ │ ABORT, end of stream
///        STRUCTURED_REPLY,          ▼
///        LIST/SET_META_CONTEXT    ended
/// ```
///
/// ```
///  0          8          16      18
///  ├──────────┼──────────┼───────┤           0       4
///  │ NBDMAGIC │ IHAVEOPT │ flags │  server   │ flags │  client
///  └──────────┴──────────┴───────┘           └───────┘
/// ```
///
/// Each option has a file of its own.
struct Handshake {
    /// How the handshake goes on after an option.
    enum Step {
        case next
        case end
        case transmission(Session)
    }

    /// What can be chosen; the first is the default.
    let exports: [Export]
    let limits: Limits

    /// What the client has agreed to.
    var clientFlags: HandshakeFlags = []
    var structuredReplies = false
    /// The export for which `base:allocation` was chosen.
    var allocationExport: Export?

    init(_ exports: [Export], _ limits: Limits) {
        self.exports = exports
        self.limits = limits
    }

    /// Comes to terms with the client.
    ///
    /// - Returns: nil when the client ended the session.
    mutating func run(_ channel: inout Channel) throws(NBDError) -> Session? {
        try greet(&channel)
        for _ in 0..<limits.options {
            guard try channel.receive(16) else {
                return nil
            }
            switch try serveOption(&channel) {
            case .next: continue
            case .end: return nil
            case .transmission(let session):
                try channel.send()
                channel.liftDeadline()
                return session
            }
        }
        throw violation("the client sent more than \(limits.options) options", channel)
    }

    /// The export of a name.
    func export(_ name: String) -> Export? {
        exports.first { $0.name == name } ?? (name.isEmpty ? exports.first : nil)
    }

    func violation(_ detail: String, _ channel: borrowing Channel) -> NBDError {
        NBDError(.protocolViolation, name: channel.socket.name, detail: detail)
    }

    private mutating func greet(_ channel: inout Channel) throws(NBDError) {
        let flags: HandshakeFlags = [.fixedNewstyle, .noZeroes]
        channel.append(Magic.greeting)
        channel.append(Magic.option)
        channel.append(UInt16(flags.rawValue))
        guard try channel.receive(4) else {
            throw NBDError(.disconnected, name: channel.socket.name, detail: "the client left after the greeting")
        }
        clientFlags = HandshakeFlags(rawValue: channel.load(UInt32.self, at: 0))
        channel.consume(4)
        guard clientFlags.isSubset(of: flags) else {
            throw violation("the client sent unknown handshake flags", channel)
        }
    }

    private mutating func serveOption(_ channel: inout Channel) throws(NBDError) -> Step {
        let magic = channel.load(UInt64.self, at: 0)
        let code = channel.load(UInt32.self, at: 8)
        let length = Int(channel.load(UInt32.self, at: 12))
        guard magic == Magic.option else {
            throw violation("the client sent something that is no option", channel)
        }
        guard length <= limits.optionLength else {
            throw violation("the client sent an option of \(length) bytes", channel)
        }
        channel.consume(16)
        try channel.require(length)
        var bytes: [UInt8] = []
        channel.withAvailable(length) { span in
            bytes = unsafe span.withUnsafeBytes { unsafe [UInt8]($0) }
        }
        channel.consume(length)
        let option = Option(rawValue: code)
        guard clientFlags.contains(.fixedNewstyle) || option == .exportName else {
            throw violation("the client sent an option before it agreed to fixed newstyle", channel)
        }
        let data = OptionData(bytes)
        switch option {
        case .exportName: return .transmission(try exportName(data, &channel))
        case .abort: return try abort(&channel)
        case .list: return try list(data, &channel)
        case .info: return try info(data, starting: false, &channel)
        case .go: return try info(data, starting: true, &channel)
        case .structuredReply: return try structuredReply(data, &channel)
        case .listMetaContext: return try metaContext(data, choosing: false, &channel)
        case .setMetaContext: return try metaContext(data, choosing: true, &channel)
        case nil: return try reply(.errorUnsupported, to: code, "the server does not know this option", &channel)
        }
    }
}

extension Handshake {
    /// What transmission will be like for an export.
    func session(_ export: Export) -> Session {
        Session(export: export, structuredReplies: structuredReplies, tellsAllocation: allocationExport === export)
    }

    /// Replies to an option.
    func reply(
        _ type: OptionReply, to option: UInt32, _ data: [UInt8], _ channel: inout Channel
    ) throws(NBDError) -> Step {
        try channel.reserve(20 + data.count)
        channel.append(Magic.optionReply)
        channel.append(option)
        channel.append(type.rawValue)
        channel.append(UInt32(data.count))
        channel.append(data)
        return .next
    }

    /// Replies to an option with a sentence for people.
    func reply(
        _ type: OptionReply, to option: UInt32, _ message: String, _ channel: inout Channel
    ) throws(NBDError) -> Step {
        try reply(type, to: option, Array(message.utf8), &channel)
    }

    /// Replies to an option that it is done.
    func acknowledge(_ option: Option, _ channel: inout Channel) throws(NBDError) -> Step {
        try reply(.ack, to: option.rawValue, [], &channel)
    }

    /// Replies to an option that its data are wrong.
    func refuse(_ option: Option, _ message: String, _ channel: inout Channel) throws(NBDError) -> Step {
        try reply(.errorInvalid, to: option.rawValue, message, &channel)
    }
}
