// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import StorageTestSupport
import Testing

@Suite struct HelpTests {
    @Test(arguments: [
        [], ["run"], ["plan"], ["vm"], ["vm", "list"], ["vm", "show"], ["vm", "create"],
        ["vm", "start"], ["vm", "shut-down"], ["vm", "turn-off"], ["vm", "pause"], ["vm", "resume"], ["vm", "save"],
        ["vm", "reset"], ["vm", "delete"], ["vm", "exec"], ["vm", "log"], ["vm", "set"],
        ["vm", "fork"], ["vm", "promote"],
        ["checkpoint"], ["checkpoint", "create"], ["checkpoint", "apply"], ["checkpoint", "revert"],
        ["checkpoint", "list"], ["checkpoint", "tree"], ["checkpoint", "show"], ["checkpoint", "diff"],
        ["checkpoint", "verify"], ["disk"],
        ["disk", "info"],
        ["disk", "create"],
        ["disk", "serve"], ["disk", "merge"], ["disk", "convert"], ["disk", "check"], ["disk", "map"],
        ["trash"], ["trash", "list"], ["trash", "restore"], ["gc"], ["checkpoint", "delete"],
        ["disk", "diff"], ["disk", "resize"], ["disk", "compact"], ["disk", "set-parent"],
    ])
    func `help is what it was`(_ command: [String]) async throws {
        let folder = try TestFolder()
        let result = try await Program.fermata.run(command + ["--help"], in: folder.path)
        #expect(result.code == 0)
        #expect(result.messages.isEmpty)
        try Golden.check(result.output, "FermataCLI/help\(command.map { "-\($0)" }.joined()).txt")
    }

    @Test func `a recipe's program has the same commands`() async throws {
        let folder = try TestFolder()
        var text = ""
        for command in [[], ["plan"], ["run"]] {
            let result = try await Program.firstLab.run(command + ["--help"], in: folder.path)
            #expect(result.code == 0)
            text += result.output
        }
        try Golden.check(text, "FermataCLI/help-first-lab.txt")
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func `shells can complete`(_ shell: String) async throws {
        let result = try await TestFolder().fermata("--generate-completion-script", shell)
        #expect(result.code == 0)
        #expect(result.output.contains("checkpoint"))
    }

    @Test(arguments: [
        ["--foo"], ["frobnicate"], ["plan"], ["plan", "a.lua", "b.lua"], ["run", "a.lua", "--store"], ["vm", "lst"],
        ["plan", "still.lua", "--json", "--recipe-json"], ["run", "still.lua", "--store", ""], ["run", "nothing.lua"],
        ["run", "nothing.json"], ["run", "kernel"], ["plan", "."], ["vm", "list"], ["vm", "show", "web"],
        ["disk", "info", "nothing.vhd"], ["disk", "info", "kernel"], ["disk", "create", "a.vhd"],
        ["disk", "create", "a.vhd", "--size", "12 parsecs"], ["disk", "create", "a.vhd", "--size", "1000"],
        ["disk", "create", "a.vhd", "--size", "64MB"], ["disk", "create", "no/a.vhd", "--size", "1M"],
        ["disk", "create", "a", "--size", "1M"], ["disk", "create", "a.vhd", "--size", "1M", "--parent", "b.vhd"],
        ["disk", "create", "a.vhd", "--size", "1M", "--format", "raw"],
        ["disk", "create", "a.vhd", "--parent", "b.vhd"],
        ["disk", "create", "a.raw", "--size", "1"], ["disk", "serve", "kernel", "--socket", "s"], ["trash", "list"],
        ["trash", "restore", "web"], ["gc"],
    ])
    func `wrong use is one sentence and exit code 2, and changes nothing`(_ arguments: [String]) async throws {
        let folder = try TestFolder()
        let before = try folder.contents()
        let result = try await Program.fermata.run(arguments, in: folder.path)
        #expect(result.code == 2, "\(result)")
        #expect(result.output.isEmpty)
        #expect(result.lines.count == 1, "\(result.messages)")
        #expect(result.messages.hasPrefix("fermata: error: ") || result.messages.contains(": error: "), "\(result)")
        #expect(try folder.contents() == before)
    }

    @Test func `data that cannot be written is a failure`() async throws {
        let folder = try TestFolder()
        let result = try await Tool("sh").run(["-c", "cd \(folder.path) && \(Program.fermata.path) --help > /dev/full"])
        #expect(result.code == 1)
        #expect(result.messages.hasPrefix("fermata: error: standard output cannot be written"))
    }
}
