// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// The plan as a document, `"format": "fermata-plan"`, `"version": 1`.
///
/// ```
/// {"format": "fermata-plan", "version": 1, "recipe": {"name", "digest"}, "atEnd": "off|saved",
///  "operations": [{"do": "createMachine", "number": 1, "phase": "preparation|step|end", "step", "at", "summary", ...}],
///  "machines": [{"machine", "fate", "before": {"checkpoints": [{"name", "parent", "memory", "marks"}], "now"}, "after"}],
///  "space": {"least", "most"}, "warnings": [...]}
/// ```
extension Plan {
    /// The document's format.
    public static let format: String = "fermata-plan"
    /// The document's version.
    public static let version: Int = 1

    /// The document, on several lines with sorted keys.
    public var json: String { jsonValue.pretty }

    /// The document as a value.
    public var jsonValue: JSON {
        .members([
            "format": .string(Plan.format),
            "version": .integer(Plan.version),
            "recipe": ["name": .string(recipe), "digest": .string(recipeDigest)],
            "atEnd": .string(atEnd.rawValue),
            "operations": .array(operations.enumerated().map { $0.element.jsonValue(number: $0.offset + 1) }),
            "machines": .array(forecasts.map(\.jsonValue)),
            "space": ["least": .integer(space.least.bytes), "most": .integer(space.most.bytes)],
            "warnings": warnings.isEmpty ? nil : .array(warnings.map(\.jsonValue)),
        ])
    }
}

extension MachineForecast {
    /// The forecast as a JSON object.
    public var jsonValue: JSON {
        [
            "machine": .string(machine.description), "fate": .string(fate.rawValue), "before": before.jsonValue,
            "after": after.jsonValue,
        ]
    }
}

extension PlannedTree {
    /// The tree as a JSON object; parents and now are indices into `checkpoints`, null for none.
    public var jsonValue: JSON {
        [
            "checkpoints": .array(checkpoints.map(\.jsonValue)),
            "now": now.map { .integer($0) } ?? .null,
        ]
    }
}

extension PlannedTree.Checkpoint {
    fileprivate var jsonValue: JSON {
        [
            "name": .string(name.description),
            "parent": parent.map { .integer($0) } ?? .null,
            "memory": .bool(hasMemory),
            "marks": .array(PlannedTree.Mark.allCases.filter(marks.contains).map { .string($0.rawValue) }),
        ]
    }
}
