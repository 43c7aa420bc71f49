// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport

/// What a host that may have been killed had done, by its own words.
struct HostRun {
    struct Operation {
        var word: String
        var value: String
        /// What it told at its end; nil when it was killed before.
        var result: String?

        var isRestore: Bool { word == "apply" || word == "revert" }
    }

    private(set) var operations: [Operation] = []
    private(set) var failures: [String] = []
    let wasKilled: Bool

    init(_ result: BuiltProgram.Result) {
        wasKilled = result.code == nil
        if let code = result.code, code != 0 { failures.append("exit code \(code): \(result.messages)") }
        for line in result.lines {
            let words = line.split(separator: " ", maxSplits: 2).map(String.init)
            guard words.count >= 2 else { continue }
            let text = words.count > 2 ? words[2] : ""
            switch words[0] {
            case "begin":
                let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
                operations.append(Operation(word: parts[0], value: parts.count > 1 ? parts[1] : ""))
            case "end" where !operations.isEmpty: operations[operations.count - 1].result = text
            default: failures.append(line)
            }
        }
    }

    /// What was under way when the host was killed.
    var pending: Operation? { operations.last.flatMap { $0.result == nil ? $0 : nil } }

    private var done: [Operation] { operations.filter { $0.result != nil } }

    /// The restores, and the start, that happened.
    var lives: [Operation] { done.filter { $0.isRestore || $0.word == "start" } }

    /// The ticks that were waited for, each the last of its wait.
    var ticks: [Tick] { done.filter { $0.word == "tick" }.compactMap { $0.result.flatMap { Tick($0) } } }

    /// Now's first disk when it was last told.
    var lastLeaf: String? { done.last { $0.word != "tick" }?.result }

    /// The checkpoint that a revert meant: the newest that was made or applied before it.
    var revertTarget: String? {
        done.last { ["checkpoint", "replace", "apply"].contains($0.word) }?.value
    }

    /// The tick that was last waited for before a checkpoint was made.
    func lastTick(before name: String) -> Tick? {
        let index = operations.lastIndex { ["checkpoint", "replace"].contains($0.word) && $0.value == name }
        return operations[..<(index ?? operations.endIndex)].last { $0.word == "tick" }?.result.flatMap { Tick($0) }
    }

    /// Which of the lives went through a checkpoint last, and went on from there.
    func life(through name: String) -> Int? {
        guard let index = operations.lastIndex(where: { $0.value == name && $0.word != "delete" }),
            operations[index].result != nil
        else { return nil }
        return operations[...index].count { $0.isRestore || $0.word == "start" } - 1
    }

    /// The names of checkpoints that may exist, given those before: with the operation under way done, and without.
    func allowed(_ before: Set<String>) -> [Set<String>] {
        var names = before
        func apply(_ operation: Operation, to names: inout Set<String>) {
            switch operation.word {
            case "checkpoint", "replace": names.insert(operation.value)
            case "delete": names.remove(operation.value)
            default: break
            }
        }
        for operation in done { apply(operation, to: &names) }
        guard let pending else { return [names] }
        var after = names
        apply(pending, to: &after)
        return [names, after]
    }
}
