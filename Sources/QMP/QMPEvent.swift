// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Something that the peer tells by itself.
public struct QMPEvent: Hashable, Sendable {
    /// The event's name, such as `STOP`.
    public var name: String
    /// What it says about itself.
    public var data: JSONValue
    /// The moment by the peer's clock, in microseconds since 1970 UTC.
    public var microseconds: Int64
    /// How many events of the same connection came before.
    public var number: Int

    /// Makes an event.
    public init(name: String, data: JSONValue, microseconds: Int64, number: Int) {
        self.name = name
        self.data = data
        self.microseconds = microseconds
        self.number = number
    }

    /// Reads the message of an event, or nil when the message is none.
    init?(message: JSONValue, number: Int) {
        guard let name = message["event"]?.string else { return nil }
        let seconds = message["timestamp"]?["seconds"]?.integer ?? 0
        let microseconds = message["timestamp"]?["microseconds"]?.integer ?? 0
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        self.init(
            name: name, data: message["data"] ?? .null, microseconds: overflow ? 0 : scaled &+ microseconds,
            number: number)
    }
}
