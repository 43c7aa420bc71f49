// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// The commands that act on machines, one after another: `web` goes from off through every state and back to off.
///
/// A second machine, `other`, runs all the time and is only looked at; `spare` comes and goes.
enum CommandSteps {
    /// - Parameter recipe: the name of the recipe whose run hosts the machine and goes on; nil when none does.
    static func all(whileRunOf recipe: String? = nil) -> [CommandStep] {
        let checkpoints = [
            CommandStep("checkpoint create web cold --notes", "a note"),
            CommandStep("snapshot create web cool").prints("fermata-checkpoint-outcome", outcome("cool", took: 0)),
        ]
        let steps = [
            unknownMachine, whileOff, configuration, withoutConsent, checkpoints, running, paused, saved, restores,
            forgetting, forks, looking(whileRunOf: recipe), shutDown, forksAtTheEnd, [delete],
        ]
        return steps.flatMap(\.self).filter { recipe == nil || $0.reasonNotWhileRun == nil }
    }

    /// The members of what a checkpoint became.
    static func outcome(_ name: String, took milliseconds: Int) -> [String: JSON] {
        [
            "id": .string("<\(name)>"), "name": .string(name), "pauseMilliseconds": .integer(milliseconds),
            "durableMilliseconds": .integer(milliseconds),
        ]
    }

    /// The members of what a restore became.
    static func restored(_ checkpoint: String, _ way: String, _ state: MachineState) -> [String: JSON] {
        [
            "checkpoint": .string("<\(checkpoint)>"), "way": .string(way), "state": .string(state.rawValue),
            "milliseconds": 1,
        ]
    }

    /// Every command refuses a machine that does not exist.
    private static let unknownMachine: [CommandStep] = [
        "vm show wbe", "vm start wbe", "vm shut-down wbe", "vm turn-off wbe --discard", "vm pause wbe",
        "vm resume wbe", "vm save wbe", "vm reset wbe --discard", "vm set wbe --memory 1M",
        "vm delete wbe --discard", "vm rename wbe x", "vm fork wbe x y", "vm promote wbe", "vm exec wbe -- true",
        "vm console wbe", "vm log wbe",
        "checkpoint create wbe x",
        "checkpoint apply wbe x --discard", "checkpoint revert wbe --discard", "checkpoint list wbe",
        "checkpoint tree wbe", "checkpoint export wbe x y", "vm merge wbe", "checkpoint show wbe x",
        "checkpoint delete wbe x",
        "checkpoint rename wbe x y", "checkpoint diff wbe x", "trash list wbe", "trash restore wbe x", "gc wbe",
    ].map { CommandStep($0).isWrongUse("there is no machine 'wbe' in <lab>; did you mean 'web'?") }

    private static let whileOff: [CommandStep] = [
        CommandStep("vm list").prints("other  running  <other>\nweb  off  <web>"),
        CommandStep("vm list").prints(
            "fermata-machines",
            [
                "machines": [
                    ["id": "<other>", "name": "other", "state": "running"],
                    ["id": "<web>", "name": "web", "state": "off"],
                ]
            ]),
        CommandStep("checkpoint list web"),
        CommandStep("checkpoint tree web").prints("web\n└─ (now)  <- you are here"),
        CommandStep("checkpoint tree web").prints(
            "fermata-checkpoints", ["machine": "web", "checkpoints": [], "now": ["parent": .null]]),
        CommandStep("vm pause web").fails("machine 'web' is off, but a pause needs it running; start it first"),
        CommandStep("vm resume web").fails("machine 'web' is off, but resuming needs it paused; start it first"),
        CommandStep("vm save web").fails(
            "machine 'web' is off, but saving needs it running or paused; start it first"),
        CommandStep("vm reset web --discard").fails(
            "machine 'web' is off, but a reset needs it running or paused; start it first"),
        CommandStep("vm exec web -- true").fails(
            "machine 'web' is off, but a command needs it running; start it first", code: 125),
        CommandStep("vm console web").fails(
            "machine 'web' is off, but reading its console needs it running or paused; start it first"),
        CommandStep("vm shut-down web"),
        CommandStep("vm shut-down web").tells(.off),
        CommandStep("vm shut-down web --within soon").isWrongUse(
            "expected a duration such as \"60s\" (units ms, s, m, h), got \"soon\""),
        CommandStep("vm turn-off web --discard"),
        CommandStep("vm turn-off web --discard").tells(.off),
        CommandStep("checkpoint revert web --discard").isWrongUse("machine 'web' has no checkpoint to revert to"),
        CommandStep("checkpoint apply web cold --discard").isWrongUse("no checkpoint 'cold' of machine 'web'"),
    ]

    /// What makes, changes and removes machines.
    private static let configuration: [CommandStep] = [
        CommandStep("vm create web --disk 1M").fails("<lab>/web exists already; choose another name, or remove it"),
        CommandStep("vm create spare --memory 128M --disk 1M"),
        CommandStep("vm set spare --processors 2 --notes", "for later"),
        CommandStep("vm set spare --attach more=1M --format vhdx").tells(.off, of: "spare"),
        CommandStep("vm set spare").isWrongUse(
            "there is nothing to change; say what, such as --memory 512M; see 'fermata vm set --help'"),
        CommandStep("vm show spare").prints(
            """
            name  spare
            id  <spare>
            state  off
            memory  128 MiB
            processors  2
            notes  for later
            now  grows from no checkpoint
            disk system  <lab>/spare/spare.vhd
            disk more  <lab>/spare/spare-more.vhdx
            """),
        CommandStep("vm set spare --clock host --checkpoints forbidden"),
        CommandStep("checkpoint create spare no").fails(
            "machine 'spare' forbids checkpoints; allow them first, such as with 'fermata vm set spare --checkpoints "
                + "allowed'"),
        CommandStep("vm set spare --clock hots").isWrongUse(
            "the value 'hots' is invalid for '--clock <continue|host>'. Please provide one of 'continue' and 'host'; see "
                + "'fermata vm set --help'"),
        CommandStep("vm rename spare web").fails("<lab>/web exists already; choose another name, or remove it"),
        CommandStep("vm rename spare a/b").isWrongUse(
            "the machine name 'a/b' may hold only letters, digits, '.', '_' and '-'"),
        CommandStep("vm rename spare other2").tells(.off, of: "other2"),
        CommandStep("vm rename other2 spare"),
        CommandStep("vm delete spare").isWrongUse(
            "deleting machine 'spare' discards its disks and all its checkpoints; say --discard if that is meant"),
        CommandStep("vm delete spare --discard").prints(
            "fermata-machine-deleted", ["id": "<id>", "name": "spare"]),
        CommandStep("vm create spare --disk 1M").tells(.off, of: "spare"),
        CommandStep("vm delete spare --discard"),
        CommandStep("vm set web --memory 129M"),
        CommandStep("vm set web --memory 128M --processors 1").tells(.off),
        CommandStep("vm set web --detach dat").isWrongUse("machine 'web' has no disk 'dat'; did you mean 'data'?"),
    ]

    private static let delete = CommandStep("vm delete web --discard")
        .prints("fermata-machine-deleted", ["id": "<id>", "name": "web"])
        .removesMachine()
        .notWhileRun(because: "the run holds the machine, which can be deleted when it is over")

    /// What loses something needs to be told so where nobody can be asked.
    private static let withoutConsent: [CommandStep] = [
        CommandStep("vm turn-off web").isWrongUse(
            "turning machine 'web' off discards its memory; say --discard if that is meant"),
        CommandStep("vm reset web").isWrongUse(
            "resetting machine 'web' discards its memory; say --discard if that is meant"),
        CommandStep("vm delete web").isWrongUse(
            "deleting machine 'web' discards its disks and all its checkpoints; say --discard if that is meant"),
    ]

    private static let running: [CommandStep] = [
        CommandStep("vm start web").leaves(.running),
        CommandStep("vm start web").fails("machine 'web' is running already"),
        CommandStep("vm resume web").fails("machine 'web' is running already"),
        CommandStep("vm delete web --discard").fails(
            "machine 'web' is running; turn it off before you delete it"),
        CommandStep("vm rename web site").fails("machine 'web' is running; turn it off before you rename it"),
        CommandStep("vm set web --memory 129M").fails(
            "machine 'web' is running, and its hardware changes only while it is off; shut it down first"),
        CommandStep("vm set web --notes", "looked at"),
        CommandStep("vm set web --detach data").isWrongUse(
            "detaching disk 'data' of machine 'web' discards what was written to it since the last checkpoint; say "
                + "--discard if that is meant"),
        CommandStep("vm exec web").isWrongUse(
            "missing expected argument '-- <argv> ...'; see 'fermata vm exec --help'"),
        CommandStep("vm exec web -- sh -c", "echo word; echo problem >&2; exit 7").prints("word")
            .ends(7, saying: "problem"),
        CommandStep("vm exec web --shell --", "echo $((6 * 7))").prints("42"),
        CommandStep("vm exec web --within 100ms -- sleep 1000").fails(
            "the command did not end within 100ms in machine 'web'", code: 124),
        CommandStep("vm exec web --shell --", "echo one > /tmp/word; echo on the console > /dev/ttyS0"),
        CommandStep("checkpoint create web hot").prints("fermata-checkpoint-outcome", outcome("hot", took: 1)),
        CommandStep("checkpoint create web hot").fails(
            "machine 'web' has a checkpoint 'hot' already; choose another name, or say that it is to be replaced"),
        CommandStep("checkpoint create web hot --replace"),
        CommandStep("checkpoint create web a/b").isWrongUse(
            "the checkpoint name 'a/b' may not hold '/', which separates the names of a path"),
        CommandStep("vm exec web --shell --", "echo two > /tmp/word"),
        CommandStep("checkpoint revert web").isWrongUse(
            "reverting discards what machine 'web' is now; say --discard if that is meant"),
        CommandStep("checkpoint revert web --discard"),
        CommandStep("vm exec web -- cat /tmp/word").prints("one"),
        CommandStep("checkpoint revert web --discard").prints(
            "fermata-restore-outcome", restored("hot", "in place", .running)),
        CommandStep("vm pause web").tells(.paused),
        CommandStep("vm resume web").tells(.running),
    ]

    private static let paused: [CommandStep] = [
        CommandStep("vm pause web").leaves(.paused),
        CommandStep("vm pause web").fails("machine 'web' is paused already"),
        CommandStep("vm start web").fails("machine 'web' is paused; resume it"),
        CommandStep("vm shut-down web").fails(
            "machine 'web' is paused, but a shut-down needs it running; resume it first"),
        CommandStep("vm set web --memory 129M").fails(
            "machine 'web' is paused, and its hardware changes only while it is off; turn it off first"),
        CommandStep("vm exec web -- true").fails(
            "machine 'web' is paused, but a command needs it running; resume it first", code: 125),
        CommandStep("vm delete web --discard").fails(
            "machine 'web' is paused; turn it off before you delete it"),
        CommandStep("checkpoint create web still"),
        CommandStep("vm save web").tells(.saved),
        CommandStep("vm start web").tells(.running),
        CommandStep("vm pause web").leaves(.paused),
        CommandStep("vm resume web").leaves(.running),
    ]

    private static let saved: [CommandStep] = [
        CommandStep("vm save web").leaves(.saved),
        CommandStep("vm save web").fails("machine 'web' is saved already"),
        CommandStep("vm pause web").fails("machine 'web' is saved, but a pause needs it running; start it first"),
        CommandStep("vm resume web").fails("machine 'web' is saved, but resuming needs it paused; start it first"),
        CommandStep("vm reset web --discard").fails(
            "machine 'web' is saved, but a reset needs it running or paused; start it first"),
        CommandStep("vm shut-down web").fails(
            "machine 'web' is saved, but a shut-down needs it running; start it first"),
        CommandStep("vm set web --memory 129M").fails(
            "machine 'web' is saved, and its hardware changes only while it is off; start it and shut it down first, "
                + "or turn it off, which discards what was saved"),
        CommandStep("checkpoint create web kept"),
        CommandStep("vm start web").leaves(.running),
        CommandStep("vm exec web -- cat /tmp/word").prints("one"),
    ]

    /// From each state to each: what is given up, what is kept first, what the machine is to be then.
    private static let restores: [CommandStep] = [
        CommandStep("checkpoint apply web still").isWrongUse(
            "applying checkpoint 'still' discards what machine 'web' is now; say --discard if that is meant"),
        CommandStep("checkpoint apply web stil --discard").isWrongUse(
            "no checkpoint 'stil' of machine 'web'; did you mean 'still'?"),
        CommandStep("checkpoint apply web still --discard --paused --off").isWrongUse(
            "--paused and --off exclude each other; see 'fermata checkpoint apply --help'"),
        CommandStep("checkpoint apply web cold --discard --paused").fails(
            "checkpoint 'cold' of machine 'web' has no memory, so it cannot be applied paused; apply it as it is, and "
                + "start the machine"),
        CommandStep("checkpoint apply web still --discard").leaves(.paused),
        CommandStep("vm reset web --discard"),
        CommandStep("checkpoint apply web hot --checkpoint-first before").prints(
            "fermata-restore-outcome", restored("hot", "fresh process", .running)
        ).leaves(.running),
        CommandStep("vm reset web --discard"),
        CommandStep("vm reset web --discard").tells(.running),
        CommandStep("checkpoint revert web --discard --paused").leaves(.paused),
        CommandStep("checkpoint apply web kept --discard").prints(
            "fermata-restore-outcome", restored("kept", "saved", .saved)
        ).leaves(.saved),
        CommandStep("checkpoint revert web --checkpoint-first again"),
        CommandStep("vm turn-off web --discard").leaves(.off),
        CommandStep("snapshot apply web cold/cool --discard").prints(
            "fermata-restore-outcome", restored("cool", "off", .off)),
        CommandStep("checkpoint apply web kept --discard --paused").leaves(.paused),
        CommandStep("vm turn-off web --discard").tells(.off),
        CommandStep("checkpoint apply web hot --off --discard"),
        CommandStep("checkpoint apply web hot --discard").prints(
            "fermata-restore-outcome", restored("hot", "fresh process", .running)
        ).leaves(.running),
        CommandStep("vm exec web -- cat /tmp/word").prints("one"),
    ]

    /// Checkpoints that come and go, and leave all others as they were.
    private static let forgetting: [CommandStep] = [
        CommandStep("checkpoint rename web cold/cool chilly --notes", "no longer warm"),
        CommandStep("checkpoint rename web chilly cold").fails(
            "machine 'web' has a checkpoint 'cold' already; choose another name"),
        CommandStep("checkpoint rename web chilly a/b").isWrongUse(
            "the checkpoint name 'a/b' may not hold '/', which separates the names of a path"),
        CommandStep("checkpoint rename web chilly").isWrongUse(
            "say the new name, or --notes; see 'fermata checkpoint rename --help'"),
        CommandStep("checkpoint rename web chilly cool --notes", ""),
        CommandStep("checkpoint create web top"),
        CommandStep("checkpoint create web below"),
        CommandStep("checkpoint delete web tops").isWrongUse(
            "no checkpoint 'tops' of machine 'web'; did you mean 'top'?"),
        CommandStep("checkpoint delete web top --subtree").isWrongUse(
            "this forgets 'top', 'below' of machine 'web'; say --discard if that is meant"),
        CommandStep("checkpoint delete web top --children --subtree").isWrongUse(
            "--subtree and --children exclude each other; see 'fermata checkpoint delete --help'"),
        CommandStep("checkpoint delete web top"),
        CommandStep("checkpoint create web last"),
        CommandStep("checkpoint delete web below --children --discard"),
        CommandStep("checkpoint delete web below --children --discard"),
        CommandStep("snapshot delete web below --subtree --discard").leaves(.running),
        CommandStep("vm exec web -- cat /tmp/word").prints("one"),
    ]

    private static let shutDown: [CommandStep] = [
        CommandStep("vm exec web --shell --", "kill $(pidof acpid)"),
        CommandStep("vm shut-down web --within 500ms").fails(
            "machine 'web' did not shut down within 500ms and still runs; does its guest listen to the power button?"),
        CommandStep("vm shut-down web --within 500ms --turn-off").leaves(.off),
        CommandStep("checkpoint apply web hot --discard").leaves(.running),
        CommandStep("vm shut-down web --within 60s").tells(.off),
        CommandStep("checkpoint apply web hot --discard").leaves(.running),
        CommandStep("vm shut-down web").leaves(.off),
        CommandStep("vm log web").prints(line: "on the console"),
        CommandStep("vm log web --lines 100").prints(line: "on the console"),
        CommandStep("vm log web --lines 0"),
        CommandStep("vm log web --lines=-1").isWrongUse(
            "--lines: expected 0 or more, found -1; see 'fermata vm log --help'"),
    ]
}
