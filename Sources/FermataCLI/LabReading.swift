// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataModel
import SystemPackage

/// What the commands have in common that only look at a lab.
struct LabReading: ParsableArguments {
    @OptionGroup var store: StoreOption

    @Flag(help: "Print JSON.")
    var json: Bool = false

    /// The lab, which must exist.
    func lab() throws -> LabFolder {
        try store.lab()
    }

    /// A machine of the lab.
    ///
    /// - Throws: ``ProgramFailure`` with exit code 2 and what was probably meant.
    func machine(_ name: String) throws -> MachineRecord {
        try store.machine(name)
    }

    /// Prints a document, or text.
    func print(_ format: String, _ members: [String: JSON], text: @autoclosure () -> String) throws {
        guard !json else {
            let header: [String: JSON] = ["format": .string(format), "version": 1]
            return try ProgramOutput.data(JSON.object(members.merging(header) { $1 }).pretty)
        }
        let text = text()
        if !text.isEmpty { try ProgramOutput.data(text) }
    }
}

extension LabReading {
    /// Prints a document if one is wanted; a command that did what it should says nothing else.
    func printOnlyJSON(_ format: String, _ members: [String: JSON]) throws {
        if json { try print(format, members, text: "") }
    }

    /// Prints what has become of a machine, if a document is wanted.
    func printOnlyJSON(_ state: MachineState, of machine: MachineRecord) throws {
        try printOnlyJSON(
            "fermata-machine-state",
            [
                "id": .string(machine.id.description), "name": .string(machine.folder.name.description),
                "state": .string(state.rawValue),
            ])
    }
}

extension DiskFile {
    /// The disk as a JSON object with absolute paths.
    var jsonValue: JSON {
        [
            "name": .string(name), "path": .string(path.string),
            "chain": .array(chain.map { .string($0.string) }),
        ]
    }
}

/// Columns of text, each as wide as its widest cell.
func table(_ rows: [[String]]) -> String {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0 }
    return rows.map { row in
        var line = ""
        for (cell, width) in zip(row, widths) {
            line += cell + String(repeating: " ", count: width - cell.count + 2)
        }
        while line.last == " " { line.removeLast() }
        return line
    }.joined(separator: "\n")
}
