// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What a power cut leaves of the files of a recording tree.
///
/// What was synchronized is there. Of what came after, every sector of every change is there or not.
package struct CrashedFiles: Sendable {
    private var durable: [String: [UInt8]]
    private var pending: [RecordingTree.Change] = []

    /// Begins before the first change.
    package init(_ files: [String: [UInt8]]) {
        durable = files
    }

    /// Goes one change further.
    package mutating func advance(_ change: RecordingTree.Change) {
        guard case .synchronize(let file) = change else {
            pending.append(change)
            return
        }
        for change in pending where change.file == file {
            change.apply(to: &durable[file, default: []])
        }
        pending.removeAll { $0.file == file }
    }

    /// Everything that was written so far, synchronized or not.
    package var all: [String: [UInt8]] {
        var files = durable
        for change in pending { change.apply(to: &files[change.file, default: []]) }
        return files
    }

    /// A random part of what was not synchronized.
    package func some(using generator: inout SeededGenerator) -> [String: [UInt8]] {
        var files = durable
        let likelihood = Int.random(in: 0...10, using: &generator)
        for change in pending {
            change.apply(to: &files[change.file, default: []]) {
                Int.random(in: 0..<10, using: &generator) < likelihood
            }
        }
        return files
    }
}
