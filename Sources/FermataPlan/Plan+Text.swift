// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

extension Plan: CustomStringConvertible {
    /// The plan as people read it: numbered operations, and each machine's checkpoints before and after.
    public var description: String {
        textLines.map(\.text).joined(separator: "\n")
    }

    /// A line of the text, and what it is about, for whoever colours it.
    public struct TextLine: Hashable, Sendable {
        /// The line, without colours.
        public let text: String
        /// What happens to the checkpoint that the line shows; empty for all other lines.
        public let marks: Set<PlannedTree.Mark>

        init(_ text: String, marks: Set<PlannedTree.Mark> = []) {
            self.text = text
            self.marks = marks
        }
    }

    /// The text of ``description``, line by line.
    public var textLines: [TextLine] {
        var lines = [TextLine(title)]
        lines += operationLines.map { TextLine($0) }
        for forecast in forecasts { lines += forecast.textLines }
        lines += spaceLines.map { TextLine($0) }
        lines += warnings.map { TextLine($0.description) }
        return lines
    }

    private var title: String {
        let steps = operations.count { $0.step != nil }
        return "Plan of recipe \(recipe.quoted): \(operations.count) operations for \(steps) steps"
    }

    private var operationLines: [String] {
        let width = min(72, operations.filter { $0.step != nil }.map(\.summary.count).max() ?? 0)
        let digits = max(3, String(operations.count).count)
        var lines: [String] = []
        var heading: String?
        for (index, operation) in operations.enumerated() {
            if operation.phase.heading != heading {
                heading = operation.phase.heading
                lines += ["", operation.phase.heading]
            }
            let number = String(index + 1)
            let padded = String(repeating: " ", count: digits - number.count) + number
            var line = "\(padded)  \(operation.summary)"
            if operation.step != nil, let at = operation.at {
                line += String(repeating: " ", count: max(0, width - operation.summary.count)) + "  \(at)"
            }
            lines.append(line)
        }
        return lines
    }

    private var spaceLines: [String] {
        guard space.most.bytes > 0 else { return [] }
        return ["", "Space besides the disks' own growth: \(space.least) to \(space.most)"]
    }
}

extension Operation.Phase {
    fileprivate var heading: String {
        switch self {
        case .preparation: "Preparation"
        case .step: "Steps"
        case .end: "At the end"
        }
    }
}

extension MachineForecast {
    fileprivate var textLines: [Plan.TextLine] {
        var lines: [Plan.TextLine] = [Plan.TextLine(""), Plan.TextLine("Checkpoints of \(machine) before")]
        lines += fate == .create || fate == .fork ? [Plan.TextLine("    (no machine)")] : before.textLines
        lines += [Plan.TextLine("Checkpoints of \(machine) after")]
        return lines + after.textLines
    }
}

extension PlannedTree {
    /// The tree with its marks in the margin: `+` create, `~` apply, `-` delete.
    public var textLines: [Plan.TextLine] {
        let drawing = TreeDrawing(
            labels: checkpoints.map { $0.name.description.shortened(to: 100) + ($0.hasMemory ? " (memory)" : "") },
            parents: checkpoints.map(\.parent), now: now)
        return drawing.lines.map { line in
            let marks = line.node.map { checkpoints[$0].marks } ?? []
            let margin = String(Mark.allCases.filter(marks.contains).map(\.symbol))
            return Plan.TextLine(
                String(repeating: " ", count: max(0, 3 - margin.count)) + margin + " " + line.text, marks: marks)
        }
    }
}
