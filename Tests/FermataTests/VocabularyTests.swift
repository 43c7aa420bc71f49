// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Fermata
import Foundation
import Testing

import struct FermataModel.Expectation

@Suite struct VocabularyTests {
    /// One action of every case.
    static let actions: [Action] = [
        .start("web"),
        .shutDown("web", within: .seconds(1), orElse: .turnOff),
        .turnOff("web"),
        .pause("web"),
        .resume("web"),
        .save("web"),
        .reset("web"),
        .waitForReboot("web", within: .seconds(1)),
        .waitForConsole("web", .plain("a"), within: .seconds(1)),
        .run("web", .shell("a"), expect: Expectation(exitCode: 1), within: .seconds(1)),
        .type("web", "a"),
        .checkpoint("a", of: "web", replace: true, notes: "b", kind: .diskOnly),
        .revert("web"),
        .apply("a", of: "web"),
        .deleteCheckpoint("a", of: "web", .subtree),
        .renameCheckpoint("a", of: "web", to: "b"),
        .change("web", .init(memory: .mebibytes(1), processors: 2, arguments: "a", notes: "b")),
        .attach("web", .init(name: "a", size: .mebibytes(1), format: .vhdx)),
        .detach("web", disk: "a"),
        .exportCheckpoint("a", of: "web", to: "b", flattened: true, memory: true),
        .fork("a", of: "web", from: "b"),
    ]

    /// The place of an action's case in ``actions``; a new case does not compile without its own.
    private func place(of action: Action) -> Int {
        switch action {
        case .start: 0
        case .shutDown: 1
        case .turnOff: 2
        case .pause: 3
        case .resume: 4
        case .save: 5
        case .reset: 6
        case .waitForReboot: 7
        case .waitForConsole: 8
        case .run: 9
        case .type: 10
        case .checkpoint: 11
        case .revert: 12
        case .apply: 13
        case .deleteCheckpoint: 14
        case .renameCheckpoint: 15
        case .change: 16
        case .attach: 17
        case .detach: 18
        case .exportCheckpoint: 19
        case .fork: 20
        }
    }

    @Test func `the words that are steps are the cases of Action`() {
        #expect(VocabularyTests.actions.map(place) == Array(0...20))
        #expect(Set(Vocabulary.steps.map(\.swift)) == Set(VocabularyTests.actions.map(\.word)))
        #expect(Set(Vocabulary.words.map(\.swift)).count == Vocabulary.words.count)
    }

    @Test(arguments: Vocabulary.words) func `the Lua spelling is the Swift spelling in snake case`(word: Word) {
        #expect(word.lua == Word.snakeCase(word.swift))
        #expect(word.swiftExample.contains("\(word.swift)("))
        #expect(word.luaExample.contains(word.lua))
        #expect(!word.summary.isEmpty && word.summary.hasSuffix("."))
    }

    @Test(arguments: Vocabulary.steps) func `JSON knows every word and nothing but its parameters`(word: Word) throws {
        let action = try #require(VocabularyTests.actions.first { $0.word == word.swift })
        guard case .object(let members) = Step(action).jsonValue else {
            Issue.record("a step's JSON is no object")
            return
        }
        // JSON names what Swift has by position: the command as shell or arguments, a checkpoint's name as checkpoint.
        let names = ["command": ["shell", "arguments"], "name": ["checkpoint"]]
        let known = word.parameters.flatMap { (word.swift == "Fork" ? nil : names[$0.name]) ?? [$0.name] }
        #expect(Set(members.keys).subtracting(["do", "machine"]).isSubset(of: known))
        #expect(members["do"] == .string(word.swift))
    }

    @Test(arguments: Vocabulary.words) func `the builder's initialisers take the parameters of the table`(
        word: Word
    ) throws {
        let initialisers = try BuilderSource().initialisers(of: word.swift)
        #expect(!initialisers.isEmpty)
        // The machine, and where it stands, are not in the table; nor is a machine's closure.
        let rest: Set<String> = ["file", "line", "of", "@MachineBuilder", "@ChangeBuilder"]
        let all = Set(initialisers.flatMap { $0.map(\.label) })
        // The words in a change's closure are labels in the table.
        let inside: Set<String> = all.contains("@ChangeBuilder") ? ["memory", "processors"] : []
        let labels = all.subtracting(rest).subtracting(["_"]).union(inside)
        #expect(labels == Set(word.parameters.compactMap(\.label)))
        let positional = Set(initialisers.flatMap { $0.filter { $0.label == "_" }.map(\.name) })
        let known = Set(word.parameters.filter { $0.label == nil }.map(\.name))
        let machine: Set<String> = word.subject == .definition ? [] : ["machine"]
        // A command is spelled as what it is, a line of shell or a list of arguments.
        let spelled = known.contains("command") ? known.subtracting(["command"]).union(["shell", "arguments"]) : known
        #expect(positional.subtracting(machine) == spelled)
        for parameter in word.parameters where parameter.label != nil && parameter.name != "pattern" {
            let all = initialisers.flatMap(\.self).filter { $0.label == parameter.label }
            #expect(all.allSatisfy { $0.hasDefault == (parameter.unlessSaid != nil) })
        }
    }
}

/// The sources of the result builder, read for the initialisers that they declare.
struct BuilderSource {
    struct Parameter {
        let label: String
        let name: String
        let hasDefault: Bool
    }

    let text: String

    init() throws {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let folder = root.appending(path: "Sources/Fermata/Builder")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".swift") }
        text = try files.sorted().map {
            try String(contentsOf: folder.appending(path: $0), encoding: .utf8)
        }.joined(separator: "\n")
    }

    /// The parameters of each public initialiser of a type.
    func initialisers(of type: String) -> [[Parameter]] {
        guard let start = text.range(of: "public struct \(type):") else { return [] }
        let rest = text[start.upperBound...]
        let body = rest.range(of: "\n}").map { rest[..<$0.lowerBound] } ?? rest
        return body.ranges(of: "public init(").map { parameters(after: body[$0.upperBound...]) }
    }

    private func parameters(after list: Substring) -> [Parameter] {
        var depth = 0
        var parts = [""]
        for character in list {
            if "([{".contains(character) { depth += 1 }
            if ")]}".contains(character) { depth -= 1 }
            if depth < 0 { break }
            if character == ",", depth == 0 { parts.append("") } else { parts[parts.count - 1].append(character) }
        }
        return parts.compactMap { part in
            let words = part.prefix { $0 != ":" }.split(whereSeparator: \.isWhitespace).map(String.init)
            guard let label = words.first, let name = words.last else { return nil }
            return Parameter(label: label, name: name, hasDefault: part.contains(" = "))
        }
    }
}
