// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport

extension CommandSteps {
    /// What the steps before have made, as every reading command tells it; `web` runs, and now grows from `hot`.
    ///
    /// - Parameter recipe: the name of the recipe that made the machine; the origin that its run made first holds the
    ///   disks as they were made, and is not told otherwise.
    static func looking(whileRunOf recipe: String?) -> [CommandStep] {
        let origin = recipe == nil ? 0 : 1
        return [
            // From here on each checkpoint has its own disks, and deleted ones have none.
            CommandStep("vm merge web"),
            CommandStep("vm merge web --stop").tells(.running),
            CommandStep("vm merge web --rate 100M").tells(.running),
            CommandStep("vm merge web --rate much").isWrongUse(
                "--rate: expected a size such as \"256M\", got \"much\""),
            CommandStep("checkpoint tree web").prints(
                """
                web
                └─ cold  <time>  <size>
                   └─ cool  <time>  <size>
                      └─ hot (memory)  <time>  <size>
                         ├─ still (memory)  <time>  <size>
                         │  ├─ kept (memory)  <time>  <size>
                         │  │  └─ again (memory)  <time>  <size>
                         │  └─ before (memory)  <time>  <size>
                         └─ (now)  <- you are here
                """),
            CommandStep("checkpoint tree web").prints("fermata-checkpoints", tree),
            CommandStep("snapshot list web").prints("fermata-checkpoints", tree),
            CommandStep("checkpoint list web").prints(
                """
                   cold  <time>  <size>  a note
                   cool  <time>  <size>
                *  hot  <time>  <size>  memory
                   still  <time>  <size>  memory
                   kept  <time>  <size>  memory
                   before  <time>  <size>  memory
                   again  <time>  <size>  memory
                """),
            CommandStep("checkpoint show web cold").prints(
                text([
                    "name  cold", "id  <cold>", "time  <time>", "kind  standard", "memory  no", "own size  <size>",
                    "parent  none",
                    "notes  a note",
                ]) + disks(depth: origin)),
            // Digests are worked out beside the guest, before anything is merged.
            CommandStep("vm merge web"),
            CommandStep("snapshot show web cold/cool/hot").prints(
                "fermata-checkpoint",
                checkpoint("hot", in: "cool", hasMemory: true).merging([
                    "machine": "web", "disks": diskValues(depth: origin + 2),
                    "digest": ["data": "<file>", "system": "<file>"],
                ]) { $1 }),
            CommandStep("checkpoint show web hto").isWrongUse(
                "no checkpoint 'hto' of machine 'web'; did you mean 'hot'?"),
            CommandStep("checkpoint diff web cold cool").prints("they are alike"),
            CommandStep("checkpoint diff web cold cool").prints(
                "fermata-checkpoint-diff",
                [
                    "machine": "web", "same": true, "first": "<cold>", "second": "<cool>", "configuration": [],
                    "disks": [],
                ]),
            CommandStep("checkpoint diff web hot").fails(
                "machine 'web' is running, so its now cannot be compared; make a checkpoint of it and compare that, or "
                    + "save the machine first"),
            CommandStep("checkpoint create web calm --kind production").fails(
                "a production checkpoint needs an agent that brings the guest's disks to rest, and machine 'web' has "
                    + "none; make a standard or a disk-only one"),
            CommandStep("vm show web").prints(
                text([
                    "name  web", "id  <web>", "state  running", "memory  128 MiB", "processors  1",
                    "kernel  <lab>/Boot/<file>", "initrd  <lab>/Boot/<file>", "arguments  \(TinyGuest.arguments)",
                    "notes  looked at", recipe.map { "recipe  \($0)" }, "now  grows from 'hot'",
                ]) + disks(depth: origin + 3)),
            CommandStep("vm show web").prints("fermata-machine", machine(recipe, depth: origin + 3)),
            CommandStep("vm list").prints("other  running  <other>\nweb  running  <web>"),
            CommandStep("checkpoint create web disks --kind disk-only").leaves(.running),
            CommandStep("checkpoint tree web").prints(line: "         └─ disks (disk-only)  <time>  <size>"),
            CommandStep("checkpoint delete web disks").leaves(.running),
            CommandStep("vm merge web"),
        ]
    }

    private static func machine(_ recipe: String?, depth: Int) -> [String: JSON] {
        var members: [String: JSON] = [
            "id": "<web>", "name": "web", "state": "running", "memory": 134_217_728, "processors": 1,
            "clock": "continue", "checkpoints": "allowed",
            "path": "<lab>/web", "notes": "looked at", "now": ["parent": "<hot>"], "disks": diskValues(depth: depth),
            "boot": [
                "kernel": "<lab>/Boot/<file>", "initrd": "<lab>/Boot/<file>",
                "arguments": .string(TinyGuest.arguments),
            ],
        ]
        members["recipe"] = recipe.map { .string($0) }
        return members
    }

    private static let tree: [String: JSON] = [
        "machine": "web", "now": ["parent": "<hot>"],
        "checkpoints": .array(
            [
                checkpoint("cold", in: nil, notes: "a note"), checkpoint("cool", in: "cold"),
                checkpoint("hot", in: "cool", hasMemory: true), checkpoint("still", in: "hot", hasMemory: true),
                checkpoint("kept", in: "still", hasMemory: true), checkpoint("before", in: "still", hasMemory: true),
                checkpoint("again", in: "kept", hasMemory: true),
            ].map { .object($0) }),
    ]

    private static func checkpoint(
        _ name: String, in parent: String?, hasMemory: Bool = false, notes: String? = nil
    ) -> [String: JSON] {
        var members: [String: JSON] = [
            "id": .string("<\(name)>"), "name": .string(name), "kind": "standard", "memory": .bool(hasMemory),
            "bytes": "<size>",
            "parent": parent.map { .string("<\($0)>") } ?? .null, "time": "<time>",
        ]
        members["notes"] = notes.map { .string($0) }
        return members
    }

    private static func text(_ lines: [String?]) -> String {
        lines.compactMap(\.self).joined(separator: "\n")
    }

    /// Both disks with that many differencing ones above each.
    private static func chains(depth: Int) -> [(name: String, chain: [String])] {
        [("system", "web"), ("data", "web-data")].map { name, base in
            (name, Array(repeating: "<lab>/web/Snapshots/<web>/<id>.avhd", count: depth) + ["<lab>/web/\(base).vhd"])
        }
    }

    private static func disks(depth: Int) -> String {
        chains(depth: depth).map { disk in
            "\ndisk \(disk.name)  " + disk.chain.joined(separator: "\n             ")
        }.joined()
    }

    private static func diskValues(depth: Int) -> JSON {
        .array(
            chains(depth: depth).map { disk in
                let chain = disk.chain.map { JSON.string($0) }
                return ["name": .string(disk.name), "path": chain[0], "chain": .array(chain)]
            })
    }
}
