// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A tree drawn with box characters, one line for each node and one for now.
///
/// ```
/// ├─ clean
/// │  ├─ broken
/// │  └─ fixed
/// │     └─ (now)
/// └─ other
/// ```
public struct TreeDrawing: Sendable {
    /// The lines from top to bottom.
    public let lines: [Line]

    /// A line of a drawing.
    public struct Line: Hashable, Sendable {
        /// The index of the node that it shows; nil for now.
        public let node: Int?
        /// The connectors and the label.
        public let text: String
    }

    /// The text that stands for now.
    public static let now: String = "(now)"

    /// The longest run of connectors before a label; what lies deeper loses its outermost ones.
    private static let widest: Int = 120

    /// Draws nodes under those that are their parents, in their order, and now as the last child of its own.
    ///
    /// A parent that does not exist counts as none; what hangs from itself in a circle is left out.
    ///
    /// - Parameters:
    ///   - labels: Each node's text.
    ///   - parents: The index of each node's parent; nil for a root.
    ///   - now: The index of the node from which now grows; nil when it grows from none.
    public init(labels: [String], parents: [Int?], now: Int?) {
        var children: [Int?: [Int?]] = [:]
        for (node, parent) in zip(labels.indices, parents) {
            let known = parent.flatMap { labels.indices.contains($0) ? $0 : nil }
            children[known, default: []].append(node)
        }
        children[now.flatMap { labels.indices.contains($0) ? $0 : nil }, default: []].append(nil)

        var lines: [Line] = []
        var waiting: [Pending] = []
        func push(_ parent: Int?, prefix: String) {
            let nodes = children[parent] ?? []
            for (index, node) in nodes.enumerated().reversed() {
                waiting.append(Pending(node: node, prefix: prefix, isLast: index == nodes.count - 1))
            }
        }
        push(nil, prefix: "")
        while let pending = waiting.popLast() {
            let connector = pending.isLast ? "└─ " : "├─ "
            let label = pending.node.map { labels[$0] } ?? TreeDrawing.now
            lines.append(Line(node: pending.node, text: pending.prefix + connector + label))
            guard let node = pending.node else { continue }
            var prefix = pending.prefix + (pending.isLast ? "   " : "│  ")
            if prefix.count > TreeDrawing.widest { prefix = "…  " + prefix.dropFirst(6) }
            push(node, prefix: prefix)
        }
        self.lines = lines
    }

    private struct Pending {
        let node: Int?
        let prefix: String
        let isLast: Bool
    }
}
