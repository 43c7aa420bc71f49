// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// The recipe as a document, `"format": "fermata-recipe"`, `"version": 1`.
///
/// ```
/// {"format": "fermata-recipe", "version": 1, "name": "first-lab",
///  "machines": [{"name": "web", "memory": 268435456, "processors": 1, "boot": {"kernel", "initrd", "arguments"},
///                "disks": [{"name": "system", "size": 67108864}], "network": true, "clock": "host", "at": {"file", "line"}}],
///  "steps": [{"do": "Start", "machine": "web", "at": {"file", "line"}}]}
/// ```
extension Recipe {
    /// The document's format.
    public static let format: String = "fermata-recipe"
    /// The document's version.
    public static let version: Int = 1

    /// The document, on several lines with sorted keys.
    public var json: String { jsonValue.pretty }

    /// The document as a value.
    public var jsonValue: JSON {
        [
            "format": .string(Recipe.format),
            "version": .integer(Recipe.version),
            "name": .string(name),
            "machines": .array(machines.map(\.jsonValue)),
            "steps": .array(steps.map(\.jsonValue)),
        ]
    }

    /// Reads the document strictly: what it does not know, it refuses.
    ///
    /// It takes names and numbers as they stand; whether they make sense is the planner's to say.
    ///
    /// - Throws: ``DocumentError`` for the first mistake.
    public init(json text: String) throws(DocumentError) {
        try self.init(json: JSON(parsing: text))
    }

    /// Reads the document from a value.
    ///
    /// - Throws: ``DocumentError`` for the first mistake.
    public init(json value: JSON) throws(DocumentError) {
        try Recipe.checkHeader(of: value)
        let reader = try ObjectReader(value, at: "", fields: ["format", "version", "name", "machines", "steps"])
        self.init(name: try reader.string("name"))
        _ = try reader.required("machines")
        for (path, element) in try reader.elements("machines") {
            machines.append(try MachineDefinition(json: element, at: path))
        }
        _ = try reader.required("steps")
        for (path, element) in try reader.elements("steps") {
            steps.append(try Step(json: element, at: path))
        }
    }

    private static func checkHeader(of value: JSON) throws(DocumentError) {
        guard case .object(let members) = value else {
            throw DocumentError(.value, path: "", "expected an object, found \(value.kind)")
        }
        guard members["format"] == .string(format) else {
            let found = members["format"].map { ", found \($0.kind)" } ?? ""
            throw DocumentError(.format, path: "format", "expected \"\(format)\"\(found)")
        }
        guard members["version"] == .integer(version) else {
            let found = members["version"].map { "found \($0.kind)" } ?? "found none"
            throw DocumentError(
                .version, path: "version", "this build of Fermata reads version \(version), \(found); use another build"
            )
        }
    }
}

extension Step {
    /// The step as a JSON object.
    public var jsonValue: JSON {
        var members = action.jsonMembers
        members["at"] = at?.jsonValue
        return .object(members)
    }

    init(json value: JSON, at path: String) throws(DocumentError) {
        let reader = try ObjectReader(value, at: path, fields: Action.fields(ofStep: value, at: path))
        self.init(try Action(reader), at: try SourceLocation(in: reader))
    }
}

extension SourceLocation {
    /// The location as the JSON object `{"file", "line"}`.
    public var jsonValue: JSON {
        ["file": .string(file), "line": .integer(line)]
    }

    /// Reads the member `at`; nil when it is absent.
    init?(in parent: ObjectReader) throws(DocumentError) {
        guard parent.has("at") else { return nil }
        let reader = try ObjectReader(parent.required("at"), at: parent.path(of: "at"), fields: ["file", "line"])
        _ = try reader.required("line")
        self.init(file: try reader.string("file"), line: try reader.integer("line", "a line number") ?? 0)
    }
}
