// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataTestSupport

/// What a console's log tells of the witness: one segment for each start and each restore of its machine.
///
/// ```
///   tick 1  tick 2  tick 3  flushed 64 │ tick 2  tick 3  tick 4 │ tick 4  flushed 80
///                          a restore ──┘       another restore ─┘
/// ```
/// What stands between the last tick of one segment and the first of the next may be of either, and counts for none;
/// so a number cut in two by a restore is never believed.
struct ConsoleLog {
    struct Segment {
        var ticks: [Tick]
        /// The newest write that the guest knows to be flushed.
        var flushed: UInt64
    }

    private(set) var segments: [Segment] = []

    init(_ text: String) {
        // The newest write that was flushed since the last tick.
        var pending: UInt64 = 0
        for line in text.split(whereSeparator: \.isNewline) {
            guard let tick = Tick(line) else {
                pending = max(pending, Tick.flushed(in: String(line)))
                continue
            }
            if let last = segments.last?.ticks.last, tick.number == last.number + 1 {
                segments[segments.count - 1].ticks.append(tick)
                add(pending)
            } else {
                segments.append(Segment(ticks: [tick], flushed: 0))
            }
            add(tick.flushed)
            pending = 0
        }
        add(pending)
    }

    private mutating func add(_ flushed: UInt64) {
        guard !segments.isEmpty else { return }
        segments[segments.count - 1].flushed = max(segments[segments.count - 1].flushed, flushed)
    }
}
