// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// One word of the recipe language, in both spellings.
///
/// What is named by position in Swift is named by position in Lua; a label in Swift is a key of Lua's last table, in
/// snake case. A step's machine is an argument in Swift and the receiver in Lua.
public struct Word: Hashable, Sendable {
    /// The spelling in Swift, in plans, in messages and in JSON.
    public let swift: String
    /// The spelling in Lua: of a function, a method, or a field of `machine "name" {}`.
    public let lua: String
    /// What the word is about.
    public let group: Group
    /// What it means, in one line.
    public let summary: String
    /// Whether it is about a machine.
    public let subject: Subject
    /// What may be said with it, besides its machine.
    public let parameters: [Parameter]
    /// How it looks in a Swift recipe.
    public let swiftExample: String
    /// How it looks in a Lua recipe.
    public let luaExample: String

    /// The groups in which help lists the words.
    public enum Group: String, Hashable, Sendable, CaseIterable {
        /// What a machine is made of.
        case hardware
        /// Starting and stopping.
        case power
        /// Holding moments and going back to them.
        case time
        /// Talking to the guest.
        case guest
        /// Other hardware for a machine that is off.
        case change = "hardware change"
    }

    /// What a word is about.
    public enum Subject: String, Hashable, Sendable {
        /// It describes a machine and is no step.
        case definition
        /// It is a step of one machine.
        case machine
        /// It is a step of one machine, or without one of the whole lab.
        case machineOrLab
    }

    /// Something that may be said with a word.
    public struct Parameter: Hashable, Sendable {
        /// Its name.
        public let name: String
        /// The label in Swift; nil when its position says what it is.
        public let label: String?
        /// What kind of value it takes, as a noun.
        public let value: String
        /// What holds when it is not said; nil when it must be.
        public let unlessSaid: String?

        /// The key in Lua; nil when its position says what it is.
        public var luaKey: String? { label.map(Word.snakeCase) }

        /// One that its position names.
        static func positional(_ name: String, _ value: String) -> Parameter {
            Parameter(name: name, label: nil, value: value, unlessSaid: nil)
        }

        /// One that its label names.
        static func labelled(_ label: String, _ value: String, unlessSaid: String?) -> Parameter {
            Parameter(name: label, label: label, value: value, unlessSaid: unlessSaid)
        }
    }

    /// `waitForConsole` and `WaitForConsole` as `wait_for_console`.
    public static func snakeCase(_ word: String) -> String {
        var text = ""
        for character in word {
            if character.isUppercase, !text.isEmpty { text += "_" }
            text += character.lowercased()
        }
        return text
    }

    /// The lines of help about the word.
    public var help: String {
        var lines = ["\(swift): \(summary)", "    Swift  \(swiftExample)", "    Lua    \(luaExample)"]
        for parameter in parameters {
            let spelling = parameter.label.map { label in
                parameter.luaKey.map { $0 == label ? label : "\(label) (\($0))" } ?? label
            }
            let end = parameter.unlessSaid.map { "; \($0) unless said" } ?? ""
            lines.append("    \(spelling ?? parameter.name): \(parameter.value)\(end)")
        }
        return lines.joined(separator: "\n")
    }
}
