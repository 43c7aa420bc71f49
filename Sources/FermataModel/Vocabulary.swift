// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// The words of the recipe language: the one table from which help is made and against which spellings are tested.
public enum Vocabulary {
    /// Every word, group by group.
    public static let words: [Word] = hardware + power + time + guest + change

    /// The word of that Swift spelling.
    public static func word(_ swift: String) -> Word? {
        words.first { $0.swift == swift }
    }

    /// The words that are steps.
    public static var steps: [Word] {
        words.filter { $0.subject != .definition }
    }

    /// Help about all words.
    public static var help: String {
        Word.Group.allCases.map { group in
            ([group.rawValue.uppercased()] + words.filter { $0.group == group }.map(\.help)).joined(separator: "\n\n")
        }.joined(separator: "\n\n")
    }

    private static let within: Word.Parameter = .labelled(
        "within", "a duration: the longest wait", unlessSaid: "\(Action.defaultWithin)")
    private static let command: String = "a line for /bin/sh, or a list: a program and its arguments"

    private static let hardware: [Word] = [
        Word(
            swift: "Machine", lua: "machine", group: .hardware, summary: "A virtual machine of the lab.",
            subject: .definition, parameters: [.positional("name", "its name, unique in the lab")],
            swiftExample: "let web = Machine(\"web\") { Memory(.mebibytes(256)) }",
            luaExample: "local web = machine \"web\" { memory = \"256M\" }"),
        Word(
            swift: "Memory", lua: "memory", group: .hardware, summary: "How much memory a machine has.",
            subject: .definition, parameters: [.positional("size", "a multiple of 1 MiB; 256 MiB without the word")],
            swiftExample: "Memory(.mebibytes(256))", luaExample: "memory = \"256M\""),
        Word(
            swift: "Processors", lua: "processors", group: .hardware, summary: "How many processors a machine has.",
            subject: .definition, parameters: [.positional("count", "at least 1; 1 without the word")],
            swiftExample: "Processors(2)", luaExample: "processors = 2"),
        Word(
            swift: "Boot", lua: "boot", group: .hardware,
            summary: "What a machine starts from; without the word, its first disk by BIOS.",
            subject: .definition,
            parameters: [.positional("boot", "a kernel, with initrd and arguments if it needs them")],
            swiftExample: "Boot(.kernel(\"vmlinuz\", initrd: \"initrd.gz\", arguments: \"console=ttyS0\"))",
            luaExample: "boot = kernel { \"vmlinuz\", initrd = \"initrd.gz\", arguments = \"console=ttyS0\" }"),
        Word(
            swift: "Disk", lua: "disk", group: .hardware, summary: "A disk; their order is the guest's.",
            subject: .definition,
            parameters: [
                .positional("name", "its name, unique in the machine"), .positional("size", "a multiple of 512 bytes"),
                .labelled("format", "how its files store it: vhd, or vhdx", unlessSaid: "vhd"),
            ],
            swiftExample: "Disk(\"system\", .mebibytes(64), format: .vhdx)",
            luaExample: "disks = { disk { \"system\", size = \"64M\", format = \"vhdx\" } }"),
        Word(
            swift: "Network", lua: "network", group: .hardware,
            summary: "A network card with an address of its own; nothing is connected to it.", subject: .definition,
            parameters: [], swiftExample: "Network()", luaExample: "network = true"),
        Word(
            swift: "Clock", lua: "clock", group: .hardware,
            summary: "What the guest's time of day is after a restore; it goes on from the checkpoint's unless said.",
            subject: .definition,
            parameters: [.positional("policy", "continue; or host: the guest's agent sets it to the host's")],
            swiftExample: "Clock(.host)", luaExample: "clock = \"host\""),
    ]

    private static let power: [Word] = [
        Word(
            swift: "Start", lua: "start", group: .power,
            summary: "Starts a machine that is off, or lets a saved one go on.", subject: .machine, parameters: [],
            swiftExample: "Start(web)", luaExample: "web:start()"),
        Word(
            swift: "ShutDown", lua: "shut_down", group: .power,
            summary: "Asks the guest to power off, and waits for it.", subject: .machine,
            parameters: [
                within,
                .labelled(
                    "orElse", "what to do when the time is over: fail, or turn the machine off",
                    unlessSaid: "fail"),
            ],
            swiftExample: "ShutDown(web, within: .seconds(30), orElse: .turnOff)",
            luaExample: "web:shut_down { within = \"30s\", or_else = \"turn_off\" }"),
        Word(
            swift: "TurnOff", lua: "turn_off", group: .power,
            summary: "Cuts a machine's power; what was saved of its memory is lost.", subject: .machine,
            parameters: [], swiftExample: "TurnOff(web)", luaExample: "web:turn_off()"),
        Word(
            swift: "Pause", lua: "pause", group: .power,
            summary: "Holds a running machine still; its memory is kept.", subject: .machine, parameters: [],
            swiftExample: "Pause(web)", luaExample: "web:pause()"),
        Word(
            swift: "Resume", lua: "resume", group: .power, summary: "Lets a paused machine go on.", subject: .machine,
            parameters: [], swiftExample: "Resume(web)", luaExample: "web:resume()"),
        Word(
            swift: "Save", lua: "save", group: .power,
            summary: "Writes a machine's memory and devices to the lab and switches it off; Start goes on from there.",
            subject: .machine, parameters: [], swiftExample: "Save(web)", luaExample: "web:save()"),
        Word(
            swift: "Reset", lua: "reset", group: .power,
            summary: "Presses the reset button; a paused machine stays paused.", subject: .machine, parameters: [],
            swiftExample: "Reset(web)", luaExample: "web:reset()"),
        Word(
            swift: "WaitForReboot", lua: "wait_for_reboot", group: .power,
            summary: "Waits until the guest has restarted by itself, once more than was waited for.", subject: .machine,
            parameters: [within], swiftExample: "WaitForReboot(web, within: .minutes(2))",
            luaExample: "web:wait_for_reboot { within = \"2m\" }"),
    ]

    private static let time: [Word] = [
        Word(
            swift: "Checkpoint", lua: "checkpoint", group: .time,
            summary: "Holds this moment: configuration, disks, and memory and devices if the machine runs.",
            subject: .machineOrLab,
            parameters: [
                .positional("name", "its name, unique in the machine"),
                .labelled(
                    "kind", "standard; or disk-only: its disks as a power cut leaves them", unlessSaid: "standard"),
                .labelled("replace", "whether it takes the place of one of that name", unlessSaid: "false"),
                .labelled("notes", "a text to keep with it", unlessSaid: "none"),
            ],
            swiftExample: "Checkpoint(\"clean\", of: web, notes: \"freshly booted\")",
            luaExample: "web:checkpoint(\"clean\", { notes = \"freshly booted\" })"),
        Word(
            swift: "Revert", lua: "revert", group: .time,
            summary: "Makes now equal to the checkpoint from which it grew.", subject: .machineOrLab, parameters: [],
            swiftExample: "Revert(web)", luaExample: "web:revert()"),
        Word(
            swift: "Apply", lua: "apply", group: .time,
            summary: "Makes now equal to a checkpoint; the next checkpoint branches there.", subject: .machineOrLab,
            parameters: [.positional("name", "a checkpoint that this run has made")],
            swiftExample: "Apply(\"clean\", of: web)", luaExample: "web:apply \"clean\""),
        Word(
            swift: "DeleteCheckpoint", lua: "delete_checkpoint", group: .time,
            summary: "Forgets a checkpoint; all others and now stay exactly as they were.", subject: .machineOrLab,
            parameters: [
                .positional("name", "a checkpoint that this run has made"),
                .labelled("scope", "what goes: checkpoint, subtree, or children", unlessSaid: "checkpoint"),
            ],
            swiftExample: "DeleteCheckpoint(\"clean\", of: web, scope: .subtree)",
            luaExample: "web:delete_checkpoint(\"clean\", { scope = \"subtree\" })"),
        Word(
            swift: "RenameCheckpoint", lua: "rename_checkpoint", group: .time,
            summary: "Gives a checkpoint another name.", subject: .machineOrLab,
            parameters: [
                .positional("name", "a checkpoint that this run has made"),
                .labelled("to", "its new name, unique in the machine", unlessSaid: nil),
            ],
            swiftExample: "RenameCheckpoint(\"clean\", of: web, to: \"fresh\")",
            luaExample: "web:rename_checkpoint(\"clean\", { to = \"fresh\" })"),
        Word(
            swift: "ExportCheckpoint", lua: "export_checkpoint", group: .time,
            summary: "Writes a checkpoint to a new folder that needs nothing outside of it.", subject: .machine,
            parameters: [
                .positional("name", "a checkpoint that this run has made"),
                .labelled("to", "the new folder, outside of the lab, beside the recipe if relative", unlessSaid: nil),
                .labelled("flattened", "whether each disk becomes one file, not a chain", unlessSaid: "false"),
                .labelled("memory", "whether memory and devices are written, too", unlessSaid: "false"),
            ],
            swiftExample: "ExportCheckpoint(\"clean\", of: web, to: \"clean-web\", flattened: true)",
            luaExample: "web:export_checkpoint(\"clean\", { to = \"clean-web\", flattened = true })"),
        Word(
            swift: "Fork", lua: "fork", group: .time,
            summary: "Makes a new machine that begins at a checkpoint, running on from its memory if it has any.",
            subject: .machine,
            parameters: [
                .positional("name", "the new machine's name, unique in the lab"),
                .labelled(
                    "from", "a checkpoint that this run has made", unlessSaid: "the one from which now grew"),
            ],
            swiftExample: "Fork(\"twin\", of: web, from: \"clean\")",
            luaExample: "local twin = web:fork(\"twin\", { from = \"clean\" })"),
    ]

    private static let guest: [Word] = [
        Word(
            swift: "Run", lua: "run", group: .guest,
            summary: "Runs a command in the guest; it must meet the expectation within the time.", subject: .machine,
            parameters: [
                .positional("command", command),
                .labelled("expect", "exit code and output that count as success", unlessSaid: "exit code 0"), within,
            ],
            swiftExample: "Run(web, \"cat index.html\", expect: .output(contains: \"hello\"))",
            luaExample: "web:run(\"cat index.html\", { expect = { contains = \"hello\" } })"),
        Word(
            swift: "WaitForConsole", lua: "wait_for_console", group: .guest,
            summary: "Waits for text on the console after the text that was last waited for.", subject: .machine,
            parameters: [
                .positional("text", "the text as it stands, unless a pattern is said"),
                .labelled("pattern", "a regular expression in place of the text", unlessSaid: "none"), within,
            ],
            swiftExample: "WaitForConsole(web, \"ready\", within: .seconds(60))",
            luaExample: "web:wait_for_console(\"ready\", { within = \"60s\" })"),
        Word(
            swift: "Type", lua: "type", group: .guest,
            summary: "Types a text on the guest's console; a line ends with \\n.", subject: .machine,
            parameters: [.positional("text", "the text, at most 64 KiB")],
            swiftExample: "Type(web, \"root\\n\")", luaExample: "web:type \"root\\n\""),
    ]

    private static let change: [Word] = [
        Word(
            swift: "Change", lua: "change", group: .change,
            summary: "Changes the hardware of a machine that is off, or its notes at any time.", subject: .machine,
            parameters: [
                .labelled("memory", "a multiple of 1 MiB; in Swift the word Memory", unlessSaid: "as it is"),
                .labelled("processors", "at least 1; in Swift the word Processors", unlessSaid: "as it is"),
                .labelled("arguments", "the kernel's command line", unlessSaid: "as it is"),
                .labelled("notes", "a text to keep with the machine; an empty one for none", unlessSaid: "as it is"),
            ],
            swiftExample: "Change(web, notes: \"grown\") { Memory(.mebibytes(512)) }",
            luaExample: "web:change { memory = \"512M\", notes = \"grown\" }"),
        Word(
            swift: "Attach", lua: "attach", group: .change,
            summary: "Gives a machine that is off one more disk, empty, behind those that it has.", subject: .machine,
            parameters: [
                .positional("disk", "its name, unique in the machine"),
                .labelled("size", "a multiple of 512 bytes", unlessSaid: nil),
                .labelled("format", "how its files store it: vhd, or vhdx", unlessSaid: "vhd"),
            ],
            swiftExample: "Attach(web, \"data\", size: .mebibytes(8), format: .vhdx)",
            luaExample: "web:attach { \"data\", size = \"8M\", format = \"vhdx\" }"),
        Word(
            swift: "Detach", lua: "detach", group: .change,
            summary: "Takes a disk away from a machine that is off; checkpoints keep theirs.", subject: .machine,
            parameters: [.positional("disk", "its name")],
            swiftExample: "Detach(web, \"data\")", luaExample: "web:detach \"data\""),
    ]
}
