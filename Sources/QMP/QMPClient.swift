// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import SystemPackage

/// A connection to the monitor of a machine's process.
///
/// ```
///   execute() ──► pending[id] ──► socket ──► peer
///                     ▲                        │ one line each: a result, an error or an event
///                     └────── reader thread ◄──┘──► events
/// ```
/// Messages are handled in the order of their arrival: when `execute` returns, ``lastEvent(_:)`` knows every event that
/// the peer sent before its answer. When the connection ends, all that waits fails with one error.
public final class QMPClient: Sendable {
    /// What the peer says by itself, in order, for one reader; ends with the connection.
    public let events: AsyncStream<QMPEvent>
    /// What the peer said first: its version and what it offers.
    public let greeting: JSONValue

    let connection: QMPConnection

    /// How long a command may take unless said otherwise.
    public static let defaultTimeout: Duration = .seconds(60)

    /// Talks to the peer of a connected socket: takes the descriptor over, waits for the greeting and agrees on what
    /// the connection can do.
    public init(connected descriptor: FileDescriptor, timeout: Duration = defaultTimeout) async throws(QMPError) {
        let (events, continuation) = AsyncStream<QMPEvent>.makeStream()
        let connection = try QMPConnection(descriptor, events: continuation)
        self.events = events
        self.connection = connection
        do {
            greeting = try await connection.greeting(timeout: timeout)
            _ = try await connection.execute("qmp_capabilities", nil, passing: nil, timeout: timeout)
        } catch {
            connection.close()
            throw error
        }
    }

    deinit {
        connection.close()
    }

    /// Sends a command and waits for its result.
    ///
    /// - Parameter descriptor: sent with the command; stays open here.
    public func execute(
        _ command: String, _ arguments: JSONValue? = nil, passing descriptor: FileDescriptor? = nil,
        timeout: Duration = defaultTimeout
    ) async throws(QMPError) -> JSONValue {
        try await connection.execute(command, arguments, passing: descriptor?.rawValue, timeout: timeout)
    }

    /// Performs an action and waits for an event that arrives after its begin.
    public func event(
        _ name: String, where matches: @escaping @Sendable (QMPEvent) -> Bool, timeout: Duration = defaultTimeout,
        after action: () async throws(QMPError) -> Void
    ) async throws(QMPError) -> QMPEvent {
        let number = connection.expect(name, matches)
        do {
            try await action()
        } catch {
            connection.forget(number)
            throw error
        }
        return try await connection.event(number, name, timeout: timeout)
    }

    /// Is told of each event of a name at once, on the thread that reads; one observer for a name.
    ///
    /// For what the peer itself waits for. It must not block.
    public func observe(_ name: String, _ body: @escaping @Sendable () -> Void) {
        connection.observe(name, body)
    }

    /// The last event of that name, if any has arrived.
    public func lastEvent(_ name: String) -> QMPEvent? {
        connection.lastEvent(name)
    }

    /// Ends the connection, and returns when its thread has ended.
    public func close() {
        connection.close()
    }
}
