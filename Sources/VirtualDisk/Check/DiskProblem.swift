// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Something about a disk's file that contradicts its format.
public struct DiskProblem: Hashable, Sendable, CustomStringConvertible {
    /// A word for the kind of problem, such as `footer-damaged`.
    public var code: String
    /// One sentence: where, what was expected and what was found.
    public var message: String
    /// Whether it can be repaired without losing data.
    public var isRepairable: Bool

    /// Makes a problem.
    public init(_ code: String, _ message: String, isRepairable: Bool = false) {
        self.code = code
        self.message = message
        self.isRepairable = isRepairable
    }

    /// The sentence.
    public var description: String { message }
}

/// What the check of one file has found so far.
struct DiskFindings {
    private(set) var problems: [DiskProblem] = []
    /// What repairs those that are repairable.
    private(set) var repairs: [DiskStep] = []
    private var hidden = 0

    /// More than this are only counted.
    private static let most = 100

    mutating func add(_ code: String, _ message: String, repair: [DiskStep] = [], isRepairable: Bool = false) {
        repairs += repair
        guard problems.count < Self.most else {
            hidden += 1
            return
        }
        problems.append(DiskProblem(code, message, isRepairable: isRepairable || !repair.isEmpty))
    }

    mutating func add(_ code: String, _ error: DiskError, repair: [DiskStep] = []) {
        var facts: [String] = []
        if let field = error.field { facts.append(field) }
        if let expected = error.expected { facts.append("expected \(expected)") }
        if let found = error.found { facts.append("found \(found)") }
        add(code, error.detail + (facts.isEmpty ? "" : " (\(facts.joined(separator: ", ")))"), repair: repair)
    }

    /// All that is to be told.
    var report: [DiskProblem] {
        guard hidden > 0 else { return problems }
        return problems + [DiskProblem("more", "\(hidden) more problems of these kinds were found")]
    }
}
