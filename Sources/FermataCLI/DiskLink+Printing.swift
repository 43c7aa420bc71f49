// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Fermata
import FermataModel
import Foundation
import SystemPackage
import VirtualDisk

/// How the evidence for a parent is told.
extension DiskLink {
    /// The document about it.
    var json: JSON {
        .members([
            "child": .string(child.string),
            "relation": .string(relation.rawValue),
            "recorded": .members([
                "id": .string(recorded.identity.description),
                "otherId": recorded.otherIdentity.map { .string($0.description) },
                "time": recorded.modificationTime.map { .integer(UInt64(clamping: $0)) },
                "name": headerName.map { .string($0.escaped) },
                "relativePaths": .array(recorded.relativePaths.map { .string($0.escaped) }),
                "absolutePaths": .array(recorded.absolutePaths.map { .string($0.escaped) }),
            ]),
            "found": found.map { found in
                .members([
                    "path": .string(found.path.string.escaped), "by": .string(found.way.word),
                    "through": found.way.text.map { .string($0.escaped) },
                    "id": found.identity.map { .string($0.description) },
                    "time": .integer(UInt64(clamping: found.modificationTime)),
                ])
            },
            "agrees": .members(["id": hasSameIdentity.map { .bool($0) }, "time": hasSameTime.map { .bool($0) }]),
        ])
    }

    /// The rows of a table about it.
    var rows: [[String]] {
        var rows = [["", ""], ["link of", child.string.escaped]]
        rows.append(["  recorded", "\(word) \(recorded.identity)"])
        if let other = recorded.otherIdentity { rows.append(["", "or \(word) \(other)"]) }
        if let time = recorded.modificationTime { rows.append(["", "changed \(Self.text(time))"]) }
        if let name = headerName { rows.append(["", "name \(name.quoted)"]) }
        for path in recorded.relativePaths { rows.append(["", "relative path \(path.quoted)"]) }
        for path in recorded.absolutePaths { rows.append(["", "absolute path \(path.quoted), not followed"]) }
        guard let found else { return rows + [["  found", "nothing"]] }
        rows.append(["  found", "\(found.path.string.escaped) through its \(found.way.sentence)"])
        let identity = found.identity?.description ?? "none"
        rows.append(["", "\(word) \(identity): \(hasSameIdentity == true ? "the same" : "another disk's")"])
        let time = "changed \(Self.text(found.modificationTime))"
        rows.append(["", hasSameTime.map { "\(time): \($0 ? "the same" : "not when it was recorded")" } ?? time])
        return rows
    }

    /// What the format calls that by which a parent is known.
    private var word: String { format == .vhdx ? "linkage" : "identity" }

    /// The name that the header of a VHD has; a VHDX has paths alone.
    private var headerName: String? { format == .vhd ? recorded.name : nil }

    private static func text(_ seconds: Int64) -> String {
        Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
    }
}

extension DiskLink.Way {
    fileprivate var word: String {
        switch self {
        case .path: "path"
        case .name: "name"
        case .identity: "identity"
        }
    }

    fileprivate var text: String? {
        switch self {
        case .path(let text), .name(let text): text
        case .identity: nil
        }
    }

    fileprivate var sentence: String {
        switch self {
        case .path(let text): "path \(text.quoted)"
        case .name(let text): "name \(text.quoted)"
        case .identity: "identity, not where it is said to be"
        }
    }
}

extension String {
    /// The text with what would control a terminal, or turn its direction, written as numbers.
    fileprivate var escaped: String {
        unicodeScalars.reduce(into: "") { text, scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator:
                text += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
            default: text.unicodeScalars.append(scalar)
            }
        }
    }

    fileprivate var quoted: String { "'\(escaped)'" }
}
