// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage

/// A socket's bytes, buffered both ways by the one thread that reads it.
///
/// Requests that have arrived together are read together, and their replies sent together:
/// what waits to be sent is sent before the thread waits for the client.
///
/// ```
///  input   ├ done ┼──── available ────┼──── free ────┤
///               start                end
///  output  ├──── pending ────┼──────── free ─────────┤
/// ```
struct Channel: ~Copyable {
    /// The buffers' first size, so that a client that asks for nothing costs next to nothing.
    static let firstCapacity = 8 << 10
    /// The buffers' usual size: what a client with sixteen small requests under way can have sent.
    static let usualCapacity = 256 << 10
    /// What needs more than this is received and sent in pieces.
    static let largestCapacity = 4 << 20
    /// How much may wait in the socket for a client that reads much at once: enough for both to be at work.
    static let pagesUnderWay: CInt = 512 << 10

    let socket: Socket
    /// When the client must have sent what is waited for, while there is such a limit.
    private var deadline: ContinuousClock.Instant?

    private var input: [UInt8]
    private var start = 0
    private var end = 0
    private var output: [UInt8]
    /// What long READs pass through, once there was one.
    private(set) var pages: PagePipe?
    private var hasAskedForPages = false

    /// The number of bytes that wait to be sent.
    private(set) var pending = 0
    /// The number of bytes that were sent before them.
    private var sent = 0

    /// Where the output is, counted from the connection's beginning: a mark to which it can be taken back.
    var position: Int { sent + pending }

    init(_ socket: Socket, within limit: Duration) {
        self.socket = socket
        deadline = .now.advanced(by: limit)
        input = [UInt8](repeating: 0, count: Self.firstCapacity)
        output = [UInt8](repeating: 0, count: Self.firstCapacity)
    }

    /// Lets the client take its time from now on.
    mutating func liftDeadline() {
        deadline = nil
        socket.setTimeout(nil)
    }
}

// MARK: - Input

extension Channel {
    /// The number of bytes that can be read without waiting.
    var available: Int { end - start }

    /// Waits until `count` bytes can be read.
    ///
    /// - Returns: false when the client has ended between two messages.
    mutating func receive(_ count: Int) throws(NBDError) -> Bool {
        if available >= count {
            return true
        }
        try send()
        makeRoom(for: count)
        while available < count {
            if let deadline {
                let left = ContinuousClock.now.duration(to: deadline)
                guard left > .zero else {
                    throw NBDError(.timedOut, name: socket.name, detail: "the client took too long over its handshake")
                }
                socket.setTimeout(left)
            }
            // What is large is read alone, so that it never has to be moved.
            let missing = count - available
            let isLarge = missing > 64 << 10
            let from = end
            let to = isLarge ? from + missing : input.count
            let socket = socket
            var span = input.mutableSpan
            let received = try unsafe span.withUnsafeMutableBytes { bytes throws(NBDError) in
                unsafe try socket.receive(into: UnsafeMutableRawBufferPointer(rebasing: bytes[from..<to]), all: isLarge)
            }
            if received == 0 {
                guard available == 0 else {
                    throw NBDError(
                        .disconnected, name: socket.name, detail: "the client left in the middle of a message")
                }
                return false
            }
            end += received
            if end == input.count, end < Self.usualCapacity {
                // The client sends faster than this buffer is emptied.
                enlargeInput(to: Self.usualCapacity)
            }
        }
        return true
    }

    /// Waits for bytes in the middle of a message.
    mutating func require(_ count: Int) throws(NBDError) {
        guard try receive(count) else {
            throw NBDError(.disconnected, name: socket.name, detail: "the client left in the middle of a message")
        }
    }

    /// Gives the next bytes, which must have been received, as they lie in the buffer.
    func withAvailable<E: Error>(_ count: Int, _ body: (RawSpan) throws(E) -> Void) throws(E) {
        let from = start
        try unsafe input.span.withUnsafeBytes { bytes throws(E) in
            unsafe try body(UnsafeRawBufferPointer(rebasing: bytes[from..<(from + count)]).bytes)
        }
    }

    /// Leaves the next bytes, which must have been received, behind.
    mutating func consume(_ count: Int) {
        start += count
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Gives away the buffer that has the next `count` bytes, and goes on with another one.
    ///
    /// - Returns: the buffer, and where in it the bytes begin.
    mutating func give(_ count: Int, for spare: [UInt8]) -> (buffer: [UInt8], start: Int) {
        let from = start
        let rest = available - count
        var buffer = spare.count >= max(input.count, rest) ? spare : [UInt8](repeating: 0, count: input.count)
        for index in 0..<rest {
            buffer[index] = input[from + count + index]
        }
        swap(&buffer, &input)
        start = 0
        end = rest
        return (buffer, from)
    }

    /// Whether the client has sent something after the next `count` bytes.
    func isMoreWaiting(after count: Int) -> Bool {
        available > count || socket.hasInput()
    }

    /// The number at an offset of the bytes that have been received.
    func load<Number: FixedWidthInteger>(_ type: Number.Type, at offset: Int) -> Number {
        var number: Number = 0
        for index in 0..<MemoryLayout<Number>.size {
            number = number << 8 | Number(truncatingIfNeeded: input[start + offset + index])
        }
        return number
    }

    private mutating func makeRoom(for count: Int) {
        guard start + count > input.count else {
            return
        }
        if count > input.count {
            enlargeInput(to: max(count, Self.usualCapacity))
            return
        }
        let (from, to) = (start, end)
        unsafe input.withUnsafeMutableBytes { bytes in
            unsafe bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[from..<to]))
        }
        end = available
        start = 0
    }

    private mutating func enlargeInput(to capacity: Int) {
        var larger = [UInt8](repeating: 0, count: capacity)
        larger.replaceSubrange(0..<available, with: input[start..<end])
        input = larger
        end = available
        start = 0
    }
}

// MARK: - Output

extension Channel {
    /// The number of bytes that can be appended before something must be sent.
    var free: Int { output.count - pending }

    /// Makes sure that `count` bytes can be appended without anything being sent.
    mutating func reserve(_ count: Int) throws(NBDError) {
        guard pending + count > output.count else {
            return
        }
        if output.count < Self.usualCapacity {
            output += repeatElement(0, count: Self.usualCapacity - output.count)
        }
        guard pending + count > output.count else {
            return
        }
        try send()
        if count > output.count {
            output = [UInt8](repeating: 0, count: count)
        }
    }

    /// Appends a number in network order.
    mutating func append<Number: FixedWidthInteger>(_ number: Number) {
        let to = pending
        unsafe output.withUnsafeMutableBytes { bytes in
            unsafe bytes.storeBytes(of: number.bigEndian, toByteOffset: to, as: Number.self)
        }
        pending += MemoryLayout<Number>.size
    }

    /// Appends bytes.
    mutating func append(_ bytes: some Collection<UInt8>) {
        for byte in bytes {
            output[pending] = byte
            pending += 1
        }
    }

    /// Appends `count` bytes that `body` fills in; nothing when it fails.
    mutating func append<E: Error>(_ count: Int, _ body: (inout MutableRawSpan) throws(E) -> Void) throws(E) {
        let to = pending
        var whole = output.mutableSpan
        try unsafe whole.withUnsafeMutableBytes { bytes throws(E) in
            var span = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[to..<(to + count)]).mutableBytes
            try body(&span)
        }
        pending += count
    }

    /// Takes back what has been appended since the output was at a position.
    ///
    /// What waited before that may have been sent in between.
    mutating func rewind(to position: Int) {
        pending = max(0, position - sent)
    }

    /// Sends what waits.
    mutating func send() throws(NBDError) {
        guard pending > 0 else {
            return
        }
        try send(then: nil)
    }

    /// Sends what waits, and what has been taken into the pipe behind it.
    mutating func sendWithPages() throws(NBDError) {
        try send(then: pages)
    }

    private mutating func send(then pages: PagePipe?) throws(NBDError) {
        let count = pending
        let socket = socket
        pending = 0
        sent += count + (pages?.count ?? 0)
        try unsafe output.span.withUnsafeBytes { bytes throws(NBDError) in
            unsafe try socket.send(UnsafeRawBufferPointer(rebasing: bytes[..<count]), then: pages)
        }
    }

    /// The pipe for pages, empty; nil when the system has none to give.
    mutating func emptyPages() -> PagePipe? {
        if !hasAskedForPages {
            hasAskedForPages = true
            pages = try? PagePipe()
            if pages != nil { socket.enlargeSendBuffer(to: Self.pagesUnderWay) }
        }
        return pages
    }
}
