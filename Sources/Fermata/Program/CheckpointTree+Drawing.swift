// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataExecutor
package import FermataModel

extension CheckpointTree {
    /// The tree for a terminal: names, what holds memory, times, and where now is.
    ///
    /// ```
    /// web
    /// ├─ clean (memory)  2026-11-22 21:53:10
    /// │  └─ fixed (memory)  2026-11-22 21:54:02
    /// └─ (now)  <- you are here
    /// ```
    ///
    /// - Parameter suffix: what follows a checkpoint's label.
    package func drawing(
        of machine: MachineName, suffix: (CheckpointTree.Checkpoint) -> String = { _ in "" }
    ) -> String {
        let tree = listed
        let places = Dictionary(
            tree.checkpoints.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        let drawing = TreeDrawing(
            labels: tree.checkpoints.map { $0.label + suffix($0) },
            parents: tree.checkpoints.map { $0.parent.flatMap { places[$0] } },
            now: tree.now.flatMap { places[$0] })
        let lines = drawing.lines.map { $0.node == nil ? "\($0.text)  <- you are here" : $0.text }
        return ([machine.description] + lines).joined(separator: "\n")
    }
}

extension CheckpointTree.Checkpoint {
    fileprivate var label: String {
        "\(name.description.shortened(to: 100))\(contents.map { " (\($0))" } ?? "")  \(timeForPeople)"
    }

    /// What is to be told of how much it holds: `memory`, or `disk-only` where that was asked for.
    package var contents: String? {
        hasMemory ? "memory" : kind == .diskOnly ? kind.rawValue : nil
    }

    /// When it was made, in UTC to the second.
    package var timeForPeople: String { timeText.timeForPeople }
}

extension LabCheckpoint {
    /// When it was made, in UTC to the second.
    package var timeForPeople: String { timeText.timeForPeople }
}

extension String {
    fileprivate var timeForPeople: String { String(prefix(19)).replacing("T", with: " ") }
}
