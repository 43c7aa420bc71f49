// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What the trash of a lab may hold before the oldest goes.
///
/// It is the member `trash` of the lab's `store.json`; a lab without it has no trash. It holds for each machine's
/// checkpoints, and for the deleted machines together: a host changes nothing but its own machine's files.
public struct TrashBudget: Hashable, Sendable, Codable {
    /// The most seconds for which something stays.
    public var age: Int
    /// The most bytes that are kept.
    public var bytes: UInt64

    /// Makes a budget.
    public init(age: Int, bytes: UInt64) {
        self.age = age
        self.bytes = bytes
    }

    /// A day, and 4 GiB.
    public static let standard: TrashBudget = TrashBudget(age: 24 * 3600, bytes: 4 << 30)

    /// Every look at a lab's disks follows those of all that is in the trash; of more than this, the oldest goes.
    public static let mostEntries: Int = 64

    /// Chooses those that go, of things that are in order of their age.
    ///
    /// - Parameters:
    ///   - age: the most seconds for which something stays; nil for any time.
    ///   - bytes: the most bytes that stay; nil for any number.
    ///   - now: in milliseconds since 1970 UTC.
    /// - Returns: how many of the first go; all when there is no limit at all.
    static func excess(
        of entries: [(discarded: Int64, bytes: UInt64)], age: Int?, bytes: UInt64?, now: Int64
    ) -> Int {
        guard age != nil || bytes != nil else { return entries.count }
        var sum = entries.reduce(0 as UInt64) { $0 + $1.bytes }
        var count = 0
        for entry in entries {
            let isOld = age.map { now - entry.discarded > Int64(clamping: $0).multipliedReportingOverflow(by: 1000).0 }
            guard isOld == true || bytes.map({ sum > $0 }) == true else { break }
            sum -= entry.bytes
            count += 1
        }
        return count
    }
}
