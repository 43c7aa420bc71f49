// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What a power cut leaves of the files of a recording tree.
///
/// What was synchronized is there. Of what came after, every sector of every change is there or not. Names change in
/// order, as a file system's journal keeps them, and may be cut off anywhere.
package struct CrashedFiles: Sendable {
    private var durable: [String: [UInt8]]
    private var durableNames: [String: String]
    private var pending: [RecordingTree.Change] = []
    private var pendingNames: [RecordingTree.Change] = []

    /// Begins before the first change.
    package init(_ files: [String: [UInt8]]) {
        durable = files
        durableNames = Dictionary(uniqueKeysWithValues: files.keys.map { ($0, $0) })
    }

    /// Goes one change further.
    package mutating func advance(_ change: RecordingTree.Change) {
        switch change {
        case .synchronize(let file):
            for change in pending where change.file == file { change.apply(to: &durable[file, default: []]) }
            pending.removeAll { $0.file == file }
        case .write, .zero, .length: pending.append(change)
        case .synchronizeNames:
            for change in pendingNames { change.apply(toNames: &durableNames) }
            pendingNames = []
        case .create, .remove, .rename: pendingNames.append(change)
        }
    }

    /// Everything that was done so far, synchronized or not.
    package var all: [String: [UInt8]] {
        var files = durable
        for change in pending { if let file = change.file { change.apply(to: &files[file, default: []]) } }
        return named(files, after: pendingNames.count)
    }

    /// A random part of what was not synchronized.
    package func some(using generator: inout SeededGenerator) -> [String: [UInt8]] {
        var files = durable
        let likelihood = Int.random(in: 0...10, using: &generator)
        for change in pending {
            guard let file = change.file else { continue }
            change.apply(to: &files[file, default: []]) {
                Int.random(in: 0..<10, using: &generator) < likelihood
            }
        }
        return named(files, after: Int.random(in: 0...pendingNames.count, using: &generator))
    }

    private func named(_ files: [String: [UInt8]], after count: Int) -> [String: [UInt8]] {
        var names = durableNames
        for change in pendingNames.prefix(count) { change.apply(toNames: &names) }
        return names.mapValues { files[$0] ?? [] }
    }
}
