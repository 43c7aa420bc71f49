// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import StorageTestSupport
import SystemPackage

/// What befalls a program at one of its calls that change files; see `CFileFaults.h`.
struct FileFault: Hashable, Sendable, CustomStringConvertible {
    enum Kind: String, CaseIterable, Sendable {
        case kill
        case tear
        case noSpace = "ENOSPC"
        case broken = "EIO"
        case noSpaceAnyMore = "ENOSPC+"
        case brokenForGood = "EIO+"

        /// Whether the program's end is at the call.
        var ends: Bool { self == .kill || self == .tear }

        /// Whether it can befall a call: only what is written can be torn.
        func fits(_ call: FileCall) -> Bool { self != .tear || call.name.contains("write") }
    }

    var kind: Kind
    var call: FileCall

    var description: String { "\(kind.rawValue) at \(call)" }

    /// As the program is told.
    var text: String {
        let name = kind.rawValue
        return name.hasSuffix("+") ? "\(name.dropLast()):\(call.number)+" : "\(name):\(call.number)"
    }
}

/// A call that changes a file: which of them, its name, and its file.
struct FileCall: Hashable, Sendable, CustomStringConvertible {
    var number: Int
    var name: String
    var file: String

    var description: String { "\(number) \(name) \(file)" }

    /// Reads what a program told of its calls.
    static func all(in text: String) -> [FileCall] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ", maxSplits: 2)
            guard words.count == 3, let number = Int(words[0]) else { return nil }
            return FileCall(number: number, name: String(words[1]), file: String(words[2]))
        }
    }
}
