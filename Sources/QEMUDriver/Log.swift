// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import QMP
import SystemPackage

/// Where a process's messages go, and the last of those that it wrote itself.
final class Log: Sendable {
    let file: Descriptor
    private let start: UInt64

    /// Opens the log for more; without a path it lies in memory.
    init(_ path: FilePath?) throws(Errno) {
        if let path {
            file = try Descriptor.open(path, .readWrite, options: [.append, .create], permissions: [.ownerReadWrite])
        } else {
            file = try MemoryFile.make("qemu-log")
        }
        start = try file.length()
    }

    /// The last line that is not empty, without the program's name.
    func lastLine() -> String? {
        let tail = 4096
        guard let end = try? file.length(), end > start else { return nil }
        let from = max(start, end < tail ? 0 : end - UInt64(tail))
        var buffer = [UInt8](repeating: 0, count: Int(end - from))
        let count = unsafe pread(file.raw, &buffer, buffer.count, Int(from))
        guard count > 0 else { return nil }
        let text = String(decoding: buffer[..<count], as: UTF8.self)
        guard let line = text.split(whereSeparator: \.isNewline).last(where: { !$0.isEmpty }) else { return nil }
        let prefix = QEMUBinary.name + ": "
        let start = line.range(ofFirst: prefix)?.upperBound ?? line.startIndex
        var words = String(line[start...].prefix(300))
        while words.last == "." || words.last == " " { words.removeLast() }
        return words
    }

    /// How a machine's process ended that was not asked to.
    func reason(of name: String, _ exit: ChildProcess.Exit) -> String {
        "QEMU of machine '\(name)' ended by itself: \(reason(exit, nil))."
    }

    /// How a process ended: the middle of a sentence.
    func reason(_ exit: ChildProcess.Exit, _ error: QMPError?) -> String {
        let how =
            switch exit {
            case .returned(let status): "it ended with status \(status)"
            case .signalled(SIGKILL) where error?.code == .timedOut: "it did not answer"
            case .signalled(let signal): "signal \(signal) ended it"
            }
        return lastLine().map { "\($0) (\(how))" } ?? how
    }
}

extension Substring {
    /// Where the text first occurs.
    func range(ofFirst text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
