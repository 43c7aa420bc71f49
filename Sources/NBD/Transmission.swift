// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage

/// The transmission phase of one connection: requests in, replies out.
///
/// One thread receives requests and does them one after the other. Two others do what it should not wait for, and whose
/// replies may come after those of later requests: the connection's ``FlushThread`` waits for syncs, and its
/// ``WriteThread`` does long WRITEs while more is being received. Each is started when it is first needed.
///
/// ```
///  ┌► receive ──► check ──► enter the export ──► device ──► leave ──► reply ─┐
///  │                │ wrong                                   │ FUA, FLUSH   │
///  │                │ long WRITE                              └► FlushThread │
///  │                ├──────► WriteThread                                     │
///  │                └──────► error reply ──────────────────┐                 │
///  └───────────────────────────────────────────────────────┴─────────────────┘
///     DISC or end of stream: the end; a wrong magic, or a WRITE longer than the maximum: disconnected
/// ```
///
/// Each command has a file of its own.
struct Transmission: ~Copyable {
    let session: Session
    let stop: StopFlag
    private var flushThread: FlushThread?
    private var writeThread: WriteThread?

    init(_ session: Session, unless stop: StopFlag) {
        self.session = session
        self.stop = stop
    }

    var export: Export { session.export }

    /// Serves requests until the client ends the session.
    mutating func run(_ channel: inout Channel) throws(NBDError) {
        do throws(NBDError) {
            try serveRequests(&channel)
        } catch {
            // The other threads may wait for a client that does not take its replies.
            channel.socket.shutDown(.both)
            finishThreads()
            throw error
        }
        finishThreads()
    }

    private func finishThreads() {
        writeThread?.finish()
        flushThread?.finish()
    }

    private mutating func serveRequests(_ channel: inout Channel) throws(NBDError) {
        while try channel.receive(Request.headerLength) {
            guard channel.load(UInt32.self, at: 0) == Magic.request else {
                throw violation("the client sent something that is no request", channel)
            }
            let request = Request(
                flags: CommandFlags(rawValue: channel.load(UInt16.self, at: 4)),
                command: channel.load(UInt16.self, at: 6),
                cookie: channel.load(UInt64.self, at: 8),
                offset: channel.load(UInt64.self, at: 16),
                length: channel.load(UInt32.self, at: 24))
            channel.consume(Request.headerLength)
            channel.socket.activity.ask()
            let command = Command(rawValue: request.command)
            if command == .disconnect {
                break
            }
            try serve(request, command, &channel)
        }
        try channel.send()
    }

    private mutating func serve(
        _ request: Request, _ command: Command?, _ channel: inout Channel
    ) throws(NBDError) {
        switch command {
        case .read: try read(request, &channel)
        case .write: try write(request, &channel)
        case .flush: try flush(request, &channel)
        case .trim: try trim(request, &channel)
        case .cache: try cache(request, &channel)
        case .writeZeroes: try writeZeroes(request, &channel)
        case .blockStatus: try blockStatus(request, &channel)
        case .disconnect, nil: try reply(to: request, .invalid, &channel)
        }
    }

    func violation(_ detail: String, _ channel: borrowing Channel) -> NBDError {
        NBDError(.protocolViolation, name: channel.socket.name, detail: detail)
    }
}

extension Transmission {
    /// The bytes that a request is about, when it may be done.
    ///
    /// - Parameter writing: whether the request changes the disk: beyond its end there is no space, then.
    func check(_ request: Request, _ command: Command, writing: Bool = false) throws(ErrorNumber) -> Range<UInt64> {
        #if FERMATA_PLANTED_BUG
            guard request.length - 1 < BlockSize.maximum * 16 else { throw .invalid }
        #endif
        guard request.flags.isSubset(of: command.knownFlags), request.length > 0 else {
            throw .invalid
        }
        guard !writing || !export.isReadOnly else {
            throw .notPermitted
        }
        let unit = export.sectorSize
        guard request.length.isMultiple(of: unit), request.offset.isMultiple(of: UInt64(unit)) else {
            throw .invalid
        }
        guard let range = request.range, range.upperBound <= export.size else {
            throw writing ? .noSpace : .invalid
        }
        return range
    }

    /// Uses the export's device for one request.
    ///
    /// - Throws: the device's failure, or ``ErrorNumber/shutdown`` when the connection stops while the export is held.
    func withDevice(
        writing: Bool, _ channel: inout Channel, _ body: (any BlockDevice, inout Channel) throws(StorageError) -> Void
    ) throws(ErrorNumber) {
        guard let device = export.enterAtOnce() ?? waitToEnter(&channel) else {
            throw .shutdown
        }
        defer { export.leave() }
        do {
            try body(device, &channel)
        } catch {
            export.report(error)
            throw ErrorNumber(error, writing: writing)
        }
    }

    private func waitToEnter(_ channel: inout Channel) -> (any BlockDevice)? {
        do {
            try channel.send()
        } catch {
            // The client is gone, as the next receive will find.
        }
        return export.enter(unless: stop)
    }

    /// Appends a simple reply that the request is done.
    func reply(to request: Request, _ channel: inout Channel) throws(NBDError) {
        try reply(to: request, nil, &channel)
    }

    /// Appends a simple reply that the request is done, or that it failed.
    func reply(to request: Request, _ error: ErrorNumber?, _ channel: inout Channel) throws(NBDError) {
        try channel.reserve(SimpleReply.length)
        channel.append(Magic.simpleReply)
        channel.append(error?.rawValue ?? 0)
        channel.append(request.cookie)
    }

    /// The thread for long WRITEs; nil when the system has none to give.
    mutating func writes(_ channel: borrowing Channel) -> WriteThread? {
        if writeThread == nil {
            writeThread = try? WriteThread(export, channel.socket, unless: stop)
        }
        return writeThread
    }

    /// Replies once everything that was done so far is durable.
    mutating func replyWhenDurable(to request: Request, _ channel: inout Channel) throws(NBDError) {
        writeThread?.settle()
        guard !export.flushArrives() else {
            try reply(to: request, &channel)
            return
        }
        let thread: FlushThread
        do throws(NBDError) {
            if let flushThread {
                thread = flushThread
            } else {
                thread = try FlushThread(export, channel.socket, unless: stop)
            }
        } catch {
            // Without a thread for it, the request is done here.
            let failure = export.synchronize(1, unless: stop)
            try reply(to: request, failure, &channel)
            return
        }
        flushThread = thread
        // The replies to the writes that this one covers come first.
        try channel.send()
        thread.submit(request.cookie)
    }

    /// Appends the head of a chunk, whose payload of `length` bytes must follow.
    func beginChunk(_ chunk: Chunk, _ request: Request, length: Int, isLast: Bool, _ channel: inout Channel) {
        channel.append(Magic.structuredReply)
        channel.append(isLast ? Chunk.done : 0)
        channel.append(chunk.rawValue)
        channel.append(request.cookie)
        channel.append(UInt32(truncatingIfNeeded: length))
    }

    /// Appends a reply that READ or BLOCK_STATUS failed.
    func replyInChunks(to request: Request, _ error: ErrorNumber, _ channel: inout Channel) throws(NBDError) {
        guard session.structuredReplies else {
            try reply(to: request, error, &channel)
            return
        }
        try channel.reserve(Chunk.headerLength + 6)
        beginChunk(.error, request, length: 6, isLast: true, &channel)
        channel.append(error.rawValue)
        channel.append(UInt16(0))
    }
}
