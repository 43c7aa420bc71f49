// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
package import FermataExecutor
import FermataModel
import FermataPlan
import Glibc
import Synchronization
import SystemPackage

/// Shows a run on standard error: a line for each operation, and on a terminal a live one for the one under way.
///
/// ```
/// [ 5/14] Checkpoint "clean" of web with memory                    0.2 s, paused 11.3 ms
/// [ 6/14] Run web sh -c 'while ...'                   00:03  │ the console's last line
/// ```
package final class RunProgress: Sendable {
    private struct Current {
        var operation: RunOperation
        var began: ContinuousClock.Instant
    }

    private let executor: PlanExecutor
    private let terminal: Terminal
    private let current: Mutex<Current?> = Mutex(nil)

    /// Makes a display of an executor's run.
    package init(of executor: PlanExecutor, on terminal: Terminal = .standardError) {
        self.executor = executor
        self.terminal = terminal
    }

    /// Draws the live line again and again until the task is cancelled.
    package func animate() async {
        guard terminal.isInteractive else { return }
        while !Task.isCancelled {
            current.withLock { current in
                if let current { write(Terminal.clearLine + liveLine(current)) }
            }
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    /// Takes in an event.
    package func show(_ event: RunEvent) {
        switch event.kind {
        case .planned, .finished, .stopped: break
        case .operationStarted(let operation):
            current.withLock { $0 = Current(operation: operation, began: .now) }
        case .operationFinished(let operation, let took, let detail):
            end(line(of: operation, end: ([took.seconds] + (detail?.texts ?? [])).joined(separator: ", ")))
        case .operationFailed(let operation, let took, _):
            end(terminal.paint(line(of: operation, end: "\(took.seconds), failed"), .red))
        case .kept(let machine, let checkpoint, let problem):
            end(
                problem.map { "\(ProgramOutput.name): warning: \($0)" }
                    ?? "\(ProgramOutput.name): note: machine '\(machine)' is kept at its failure as checkpoint "
                    + "'\(checkpoint)'")
        }
    }

    private func end(_ line: String) {
        current.withLock { current in
            current = nil
            write((terminal.isInteractive ? Terminal.clearLine : "") + line + "\n")
        }
    }

    private func line(of operation: RunOperation, end: String) -> String {
        let head = operation.head
        guard terminal.isInteractive else { return "\(head)\(operation.operation.summary) (\(end))" }
        let room = max(20, terminal.columns - 1 - head.count - end.count - 2)
        return head + operation.operation.summary.fitted(to: room) + "  " + terminal.paint(end, .grey)
    }

    private func liveLine(_ current: Current) -> String {
        let head = current.operation.head
        let summary = current.operation.operation.summary
        let columns = max(20, terminal.columns - 1 - head.count)
        let elapsed = ContinuousClock.now - current.began
        let end = "  \(elapsed.clock)"
        // What the guest says is worth its room only where one has to wait.
        let console = elapsed < .seconds(1) ? "" : executor.consoleLines(1).last?.shortened(to: columns) ?? ""
        let room = console.isEmpty ? columns - end.count : min(summary.count, (columns - end.count) * 3 / 5)
        let left = summary.shortened(to: max(8, room - 1)) + terminal.paint(end, .yellow)
        let rest = columns - min(summary.count, max(8, room - 1) + 1) - end.count - 4
        guard !console.isEmpty, rest > 8 else { return head + left }
        return head + left + terminal.paint("  │ \(console.shortened(to: rest - 1))", .grey)
    }

    private func write(_ text: String) {
        _ = try? FileDescriptor.standardError.writeAll(Array(text.utf8))
    }
}

extension RunOperation {
    /// `[ 5/14] `.
    fileprivate var head: String {
        let total = String(count)
        let number = String(number)
        return "[" + String(repeating: " ", count: max(0, total.count - number.count)) + "\(number)/\(total)] "
    }
}

extension OperationDetail {
    fileprivate var texts: [String] {
        switch self {
        case .checkpoint(let outcome):
            outcome.pauseMicroseconds > 0 ? ["paused \(outcome.pauseMicroseconds.milliseconds)"] : []
        case .restore(let outcome):
            outcome.way == .off ? [] : ["\(outcome.way.rawValue) in \(outcome.microseconds.milliseconds)"]
        case .command, .console, .machine: []
        }
    }
}

extension String {
    /// The text in exactly so many columns.
    fileprivate func fitted(to width: Int) -> String {
        let text = count > width ? shortened(to: width - 1) : self
        return text + String(repeating: " ", count: max(0, width - text.count))
    }
}

extension Int64 {
    /// Microseconds as `11.3 ms`.
    fileprivate var milliseconds: String {
        let tenths = (self + 50) / 100
        return "\(tenths / 10).\(tenths % 10) ms"
    }
}

extension Duration {
    /// `1.2 s`.
    fileprivate var seconds: String {
        let tenths = (wholeMilliseconds + 50) / 100
        return "\(tenths / 10).\(tenths % 10) s"
    }

    /// `01:02`.
    fileprivate var clock: String {
        let seconds = wholeMilliseconds / 1000
        return [seconds / 60, seconds % 60].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    }
}
