// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine

/// `fermata vm log`.
struct MachineLogCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "log", abstract: "Show what a machine's guest wrote on its console.",
        discussion: """
            Lines of the form '--- started, TIME ---' and '--- restored to checkpoint 'NAME', TIME ---' tell the guest's \
            lives apart. The log is bounded: what is older than some megabytes is forgotten.
            """)

    @Argument(help: "The machine.")
    var name: String

    @Option(help: ArgumentHelp("The last lines only.", valueName: "count"))
    var lines: Int?

    @OptionGroup var store: StoreOption

    func validate() throws {
        if let lines, lines < 0 { throw ValidationError("--lines: expected 0 or more, found \(lines)") }
    }

    func run() async throws {
        let record = try store.machine(name)
        var text = try Console.log(of: record.id, in: record.folder.lab)
        if let lines {
            let ends = text.indices.reversed().filter { text[$0] == UInt8(ascii: "\n") && $0 != text.count - 1 }
            text = lines == 0 ? [] : ends.count >= lines ? Array(text[(ends[lines - 1] + 1)...]) : text
        }
        try ProgramOutput.bytes(text)
    }
}
