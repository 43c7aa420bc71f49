// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Testing

@Suite struct TreeDrawingTests {
    private func text(_ labels: [String], _ parents: [Int?], now: Int?) -> String {
        TreeDrawing(labels: labels, parents: parents, now: now).lines.map(\.text).joined(separator: "\n")
    }

    @Test func `branches and now are drawn under their parents`() {
        let drawing = text(["clean", "broken", "other", "fixed", "deep"], [nil, 0, nil, 0, 1], now: 3)
        #expect(
            drawing == """
                ├─ clean
                │  ├─ broken
                │  │  └─ deep
                │  └─ fixed
                │     └─ (now)
                └─ other
                """)
    }

    @Test func `now alone, and now beside a root`() {
        #expect(text([], [], now: nil) == "└─ (now)")
        #expect(text(["a"], [nil], now: nil) == "├─ a\n└─ (now)")
    }

    @Test func `lines know their node`() {
        let lines = TreeDrawing(labels: ["a", "b"], parents: [nil, nil], now: 0).lines
        #expect(lines.map(\.node) == [0, nil, 1])
    }

    @Test func `parents that do not exist are none, circles are left out`() {
        #expect(text(["a", "b", "c"], [7, 2, 1], now: -1) == "├─ a\n└─ (now)")
    }

    @Test func `a chain of any length has lines of some length`() {
        let count = 20_000
        let lines = TreeDrawing(
            labels: (0..<count).map(String.init), parents: [nil] + (0..<count - 1).map { $0 }, now: count - 1
        ).lines
        #expect(lines.count == count + 1)
        #expect(lines.allSatisfy { $0.text.count < 140 })
    }
}
