// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataEngine
public import FermataModel
import Foundation

extension CheckpointTree {
    /// The members `checkpoints` and `now` of a document about a machine, origins left out.
    ///
    /// ```
    /// "checkpoints": [{"id", "kind": "standard|production|disk-only", "memory", "name", "parent": id|null, "time"}]
    /// "now": {"parent": id|null}
    /// ```
    public var jsonMembers: [String: JSON] {
        let listed = listed
        return [
            "checkpoints": .array(listed.checkpoints.map { .object($0.jsonMembers) }),
            "now": ["parent": .identity(listed.now)],
        ]
    }
}

extension CheckpointTree.Checkpoint {
    /// The members of the checkpoint's JSON object.
    public var jsonMembers: [String: JSON] {
        var members: [String: JSON] = [
            "id": .string(id.description),
            "name": .string(name.description),
            "parent": .identity(parent),
            "kind": .string(kind.rawValue),
            "memory": .bool(hasMemory),
            "time": .string(timeText),
        ]
        members["notes"] = notes.map { .string($0) }
        return members
    }

    /// When it was made, by RFC 3339 in UTC, to the millisecond.
    public var timeText: String { time.timeText }
}

extension LabCheckpoint {
    /// When it was made, by RFC 3339 in UTC, to the millisecond.
    public var timeText: String { created.timeText }
}

extension Int64 {
    /// Milliseconds since 1970 UTC, by RFC 3339 in UTC.
    fileprivate var timeText: String {
        let seconds = Date(timeIntervalSince1970: Double(flooredSeconds)).formatted(.iso8601)
        let milliseconds = String(1000 + self - flooredSeconds * 1000).dropFirst()
        return "\(seconds.dropLast()).\(milliseconds)Z"
    }

    private var flooredSeconds: Int64 { self >= 0 ? self / 1000 : (self - 999) / 1000 }
}

extension JSON {
    fileprivate static func identity(_ id: GUID?) -> JSON {
        id.map { .string($0.description) } ?? .null
    }
}
