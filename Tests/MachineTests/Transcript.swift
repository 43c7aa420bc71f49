// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import SystemPackage

/// What commands say about a lab, with names for what differs from run to run.
///
/// ```
/// <web>  <clean>  <id>     the identity of a machine, of a checkpoint, of anything else
/// <lab>                    the lab's folder
/// <file>                   a boot file's digest
/// <time>                   a moment
/// <size>                   what a checkpoint takes in the file system
/// <process>                the process that hosts a machine, and its command
/// 0, 1                     no time at all, and some time, in milliseconds
/// ```
struct Transcript {
    private let lab: LabFolder
    private let names: [String: String]

    /// Reads the names of a lab's machines and checkpoints.
    init(of lab: LabFolder) throws {
        self.lab = lab
        var names: [String: String] = [:]
        for machine in try lab.machines() {
            let record = try MachineRecord(reading: machine)
            names[record.id.description] = machine.name.description
            for checkpoint in record.tree.checkpoints { names[checkpoint.id.description] = checkpoint.name.description }
        }
        self.names = names
    }

    /// The text of a document.
    func document(_ lines: [String]) throws -> JSON {
        let text = named(lines.joined(separator: "\n"))
            .replacing(/(illiseconds": )([0-9.]+)/) { "\($0.output.1)\(Double($0.output.2) == 0 ? 0 : 1)" }
        return try JSON(parsing: text)
    }

    /// Text for people; how wide its columns are does not count.
    func text(_ lines: [String]) -> String {
        named(lines.map { $0.last == "\r" ? String($0.dropLast()) : $0 }.joined(separator: "\n")).replacing(/(\S) {2,}/)
        { "\($0.output.1)  " }.trimmingWhitespace
    }

    private func named(_ text: String) -> String {
        text.replacing(lab.path.string, with: "<lab>")
            .replacing(/[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}/) { "<\(names[String($0.output.0)] ?? "id")>" }
            .replacing(/[0-9a-f]{64}/) { _ in "<file>" }
            .replacing(/[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9:]{8}(\.[0-9]{3}Z)?/) { _ in "<time>" }
            .replacing(/(<time>|own size)( +)[0-9]+ [KMGT]?i?B/) { "\($0.output.1)\($0.output.2)<size>" }
            .replacing(/"bytes": [0-9]+/) { _ in "\"bytes\": \"<size>\"" }
            .replacing(/process [0-9]+ \([^)]*\)/) { _ in "<process>" }
    }
}

extension String {
    fileprivate var trimmingWhitespace: String {
        var text = self[...]
        while text.last?.isWhitespace == true { text.removeLast() }
        while text.first?.isNewline == true { text.removeFirst() }
        return String(text)
    }
}
