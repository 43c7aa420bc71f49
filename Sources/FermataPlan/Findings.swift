// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// Where a finding belongs.
struct Place {
    var at: SourceLocation?
    var step: Int?
}

/// What was found wrong so far.
struct Findings {
    private(set) var diagnostics: [Diagnostic] = []
    private(set) var hasErrors: Bool = false

    /// Notes a mistake; looks for what was meant only while an author may still read it.
    mutating func error(
        _ code: Diagnostic.Code, _ place: Place, _ message: String, suggestion: @autoclosure () -> String? = nil
    ) {
        hasErrors = true
        diagnostics.append(
            Diagnostic(
                .error, code, at: place.at, message, suggestion: diagnostics.count < 200 ? suggestion() : nil,
                step: place.step))
    }

    /// What is about machines first, then step by step.
    var inOrder: [Diagnostic] {
        diagnostics.filter { $0.step == nil }
            + diagnostics.enumerated().filter { $0.element.step != nil }.sorted { left, right in
                (left.element.step ?? 0, left.offset) < (right.element.step ?? 0, right.offset)
            }.map(\.element)
    }

    mutating func warning(_ code: Diagnostic.Code, _ place: Place, _ message: String) {
        diagnostics.append(Diagnostic(.warning, code, at: place.at, message, step: place.step))
    }
}

extension CustomStringConvertible {
    /// The text in quotation marks, on one line and not too long.
    var quoted: String { "'\(description.shortened(to: 100))'" }
}

/// "did you mean …?", when something like it is there.
func meant(_ name: some CustomStringConvertible, among names: [some CustomStringConvertible]) -> String? {
    Spelling.nearest(to: name.description, among: names.map(\.description)).map { "did you mean \($0.quoted)?" }
}
