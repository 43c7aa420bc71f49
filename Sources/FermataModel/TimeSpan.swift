// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A length of time, in whole milliseconds.
public struct TimeSpan: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The number of milliseconds.
    public let milliseconds: UInt64

    /// A span of so many milliseconds.
    public static func milliseconds(_ count: UInt64) -> TimeSpan { TimeSpan(count, times: 1) }
    /// A span of so many seconds.
    public static func seconds(_ count: UInt64) -> TimeSpan { TimeSpan(count, times: 1000) }
    /// A span of so many minutes.
    public static func minutes(_ count: UInt64) -> TimeSpan { TimeSpan(count, times: 60_000) }
    /// A span of so many hours.
    public static func hours(_ count: UInt64) -> TimeSpan { TimeSpan(count, times: 3_600_000) }

    /// The longest span that can be waited for: one year.
    public static let longest: TimeSpan = .hours(24 * 366)

    private init(_ count: UInt64, times factor: UInt64) {
        let (product, overflow) = count.multipliedReportingOverflow(by: factor)
        milliseconds = overflow ? .max : product
    }

    /// Reads `500ms`, `60s`, `2m`, `1h`.
    ///
    /// - Throws: ``ValueError`` with a sentence that says what was expected.
    public init(parsing text: String) throws(ValueError) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let factors: [String: UInt64] = ["ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000]
        guard let count = UInt64(digits), let factor = factors[String(text.dropFirst(digits.count))] else {
            throw ValueError("expected a duration such as \"60s\" (units ms, s, m, h), got \"\(text)\"")
        }
        let span = TimeSpan(count, times: factor)
        guard span <= .longest else { throw ValueError("duration \"\(text)\" is longer than a year") }
        self = span
    }

    /// The span as the standard library's duration; at most ``longest``.
    public var duration: Duration {
        .milliseconds(Int64(min(milliseconds, TimeSpan.hours(24 * 366).milliseconds)))
    }

    /// The span in the largest unit that loses nothing: `2m`, `1500ms`.
    public var description: String {
        for (unit, factor) in [("h", 3_600_000), ("m", 60_000), ("s", 1000)] as [(String, UInt64)]
        where milliseconds >= factor && milliseconds % factor == 0 {
            return "\(milliseconds / factor)\(unit)"
        }
        return "\(milliseconds)ms"
    }

    /// Orders spans by their length.
    public static func < (left: TimeSpan, right: TimeSpan) -> Bool {
        left.milliseconds < right.milliseconds
    }
}

extension TimeSpan: Codable {
    /// Reads a number of milliseconds.
    public init(from decoder: any Decoder) throws {
        self = .milliseconds(try decoder.singleValueContainer().decode(UInt64.self))
    }

    /// Writes the number of milliseconds.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(milliseconds)
    }
}
