// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// One thing to say about a recipe, at the place where its author can mend it.
///
/// `first-lab.lua:12: error: no checkpoint 'claen' of machine 'web'; did you mean 'clean'?`
public struct Diagnostic: Hashable, Sendable, CustomStringConvertible {
    /// How bad it is.
    public var severity: Severity
    /// What kind of mistake it is.
    public var code: Code
    /// Where it stands in the author's source.
    public var location: SourceLocation?
    /// What is wrong, a sentence without its end.
    public var message: String
    /// What to do about it, the sentence's end.
    public var suggestion: String?
    /// The number of the step in the recipe, counted from 1; nil when it is about a machine or the recipe.
    public var step: Int?

    /// Makes a diagnostic.
    public init(
        _ severity: Severity, _ code: Code, at location: SourceLocation?, _ message: String,
        suggestion: String? = nil, step: Int? = nil
    ) {
        self.severity = severity
        self.code = code
        self.location = location
        self.message = message
        self.suggestion = suggestion
        self.step = step
    }

    /// How bad something is.
    public enum Severity: String, Hashable, Sendable {
        /// There will be no plan.
        case error
        /// There is a plan, and a risk.
        case warning
    }

    /// The line for a terminal: `file:line: error: message; suggestion`.
    public var description: String {
        let place = location.map { "\($0): " } ?? step.map { "step \($0): " } ?? ""
        let end = suggestion.map { "; \($0)" } ?? ""
        return "\(place)\(severity.rawValue): \(message)\(end)"
    }

    /// The diagnostic as a JSON object.
    public var jsonValue: JSON {
        .members([
            "severity": .string(severity.rawValue),
            "code": .string(code.description),
            "at": location?.jsonValue,
            "message": .string(message),
            "suggestion": suggestion.map { .string($0) },
            "step": step.map { .integer($0) },
        ])
    }
}

/// Why there is no plan: every mistake of the recipe at once, in the order of its source.
public struct PlanningErrors: Error, Hashable, Sendable, CustomStringConvertible {
    /// The mistakes, and the warnings between them.
    public let diagnostics: [Diagnostic]

    /// Makes an error of its diagnostics.
    public init(_ diagnostics: [Diagnostic]) {
        self.diagnostics = diagnostics
    }

    /// One line for each.
    public var description: String {
        diagnostics.map(\.description).joined(separator: "\n")
    }
}
