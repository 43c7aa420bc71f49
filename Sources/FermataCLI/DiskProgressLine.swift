// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Fermata
import FermataModel
import Synchronization
import SystemPackage
import VirtualDisk

/// Shows how far an operation on a disk is, on a terminal only.
final class DiskProgressLine: Sendable {
    private let terminal: Terminal
    private let label: String
    private let last: Mutex<ContinuousClock.Instant?> = Mutex(nil)

    init(_ label: String, on terminal: Terminal = .standardError) {
        self.label = label
        self.terminal = terminal
    }

    /// What an operation is given; nil where nobody looks.
    var progress: DiskProgress? {
        guard terminal.isInteractive else { return nil }
        return { [self] done, total in show(done, total) }
    }

    /// Removes the line.
    func end() {
        guard last.withLock({ $0 != nil }) else { return }
        ProgramOutput.piece(Terminal.clearLine)
    }

    private func show(_ done: UInt64, _ total: UInt64) {
        let isDue = last.withLock { last in
            let now = ContinuousClock.now
            if let last, now - last < .milliseconds(100) { return false }
            last = now
            return true
        }
        guard isDue, total > 0 else { return }
        let percent = Int(Double(done) / Double(total) * 100)
        ProgramOutput.piece("\(Terminal.clearLine)\(label): \(percent) % of \(ByteSize(bytes: total))")
    }
}

extension ProgramOutput {
    /// Writes a part of a line to standard error.
    fileprivate static func piece(_ text: String) {
        _ = try? FileDescriptor.standardError.writeAll(Array(text.utf8))
    }
}
