// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Testing

@Suite struct RecipeJSONTests {
    @Test func `a recipe is written with sorted keys, bytes and milliseconds`() {
        let recipe = Recipe(
            name: "lab",
            machines: [
                MachineDefinition(
                    name: "web", boot: .init(kernel: "guest/vmlinuz"),
                    disks: [
                        .init(name: "a", size: .mebibytes(64)), .init(name: "b", size: .mebibytes(1), format: .vhdx),
                    ],
                    at: SourceLocation(file: "lab.lua", line: 1))
            ],
            steps: [
                Step(.start("web"), at: SourceLocation(file: "lab.lua", line: 7)),
                Step(.run("web", .arguments(["ls"]), expect: Expectation(contains: ["x"]), within: .seconds(5))),
                Step(.checkpoint("clean", of: nil, replace: true, notes: nil)),
            ])
        #expect(
            recipe.json == """
                {
                  "format": "fermata-recipe",
                  "machines": [
                    {
                      "at": {
                        "file": "lab.lua",
                        "line": 1
                      },
                      "boot": {
                        "kernel": "guest/vmlinuz"
                      },
                      "disks": [
                        {
                          "name": "a",
                          "size": 67108864
                        },
                        {
                          "format": "vhdx",
                          "name": "b",
                          "size": 1048576
                        }
                      ],
                      "memory": 268435456,
                      "name": "web",
                      "processors": 1
                    }
                  ],
                  "name": "lab",
                  "steps": [
                    {
                      "at": {
                        "file": "lab.lua",
                        "line": 7
                      },
                      "do": "Start",
                      "machine": "web"
                    },
                    {
                      "arguments": [
                        "ls"
                      ],
                      "do": "Run",
                      "expect": {
                        "contains": [
                          "x"
                        ],
                        "exitCode": 0
                      },
                      "machine": "web",
                      "within": 5000
                    },
                    {
                      "checkpoint": "clean",
                      "do": "Checkpoint",
                      "replace": true
                    }
                  ],
                  "version": 1
                }
                """)
    }

    @Test func `what is left out means what it means in the languages`() throws {
        let recipe = try Recipe(
            json: """
                {"format": "fermata-recipe", "version": 1, "name": "lab", "machines": [{"name": "web"}],
                 "steps": [{"do": "Run", "machine": "web", "shell": "true"}, {"do": "Revert"}]}
                """)
        #expect(
            recipe
                == Recipe(
                    name: "lab", machines: [MachineDefinition(name: "web")],
                    steps: [
                        Step(.run("web", .shell("true"), expect: .success, within: .seconds(60))), Step(.revert(nil)),
                    ]))
    }

    /// Documents that must be refused, each with its one sentence.
    static let wrong: [(json: String, message: String)] = [
        ("", "line 1, column 1: the document ends where a value was expected"),
        ("{\n  \"é\": tru}", "line 2, column 8: expected a value"),
        ("[]", "expected an object, found a list"),
        ("{}", "format: expected \"fermata-recipe\""),
        (#"{"format": "fermata-plan"}"#, "format: expected \"fermata-recipe\", found \"fermata-plan\""),
        (
            #"{"format": "fermata-recipe", "version": 2}"#,
            "version: this build of Fermata reads version 1, found 2; use another build"
        ),
        (#"{"format": "fermata-recipe", "version": 1}"#, "the field \"name\" is missing"),
        (document(#""extra": 1"#), "unknown field \"extra\""),
        (document(#""step": []"#), "unknown field \"step\"; did you mean \"steps\"?"),
        (
            document(machine: #"{"name": "web", "memory": "256M"}"#),
            "machines[0].memory: expected a number of bytes, found \"256M\""
        ),
        (
            document(machine: #"{"name": "web", "memory": -1}"#),
            "machines[0].memory: expected a number of bytes, found -1"
        ),
        (
            document(machine: #"{"name": "web", "memory": 18446744073709551616}"#),
            "machines[0].memory: expected a number of bytes, found 18446744073709551616"
        ),
        (
            document(machine: #"{"name": "web", "disks": [{"name": "a"}]}"#),
            "machines[0].disks[0]: the field \"size\" is missing"
        ),
        (
            document(machine: #"{"name": "web", "disks": [{"name": "a", "size": 512, "format": "vdhx"}]}"#),
            "machines[0].disks[0].format: expected \"vhd\" or \"vhdx\", found \"vdhx\"; did you mean \"vhdx\"?"
        ),
        (
            document(machine: #"{"name": "web", "network": "eth0"}"#),
            "machines[0].network: expected true or false, found \"eth0\""
        ),
        (
            document(machine: #"{"name": "web", "clock": "hots"}"#),
            "machines[0].clock: expected \"continue\" or \"host\", found \"hots\"; did you mean \"host\"?"
        ),
        (document(machine: #"{"name": "web", "kernel": "x"}"#), "machines[0]: unknown field \"kernel\""),
        (
            document(machine: #"{"name": "web", "at": {"file": "a"}}"#),
            "machines[0].at: the field \"line\" is missing"
        ),
        (
            document(step: #"{"machine": "web"}"#),
            "steps[0]: the field \"do\" must hold a word such as \"Start\""
        ),
        (
            document(step: #"{"do": "Strat", "machine": "web"}"#),
            "steps[0].do: unknown word \"Strat\"; did you mean \"Start\"?"
        ),
        (document(step: #"{"do": "Start"}"#), "steps[0]: the field \"machine\" is missing"),
        (document(step: #"{"do": "Start", "machine": "web", "within": 5}"#), "steps[0]: unknown field \"within\""),
        (
            document(step: #"{"do": "Run", "machine": "web", "shell": "a", "arguments": []}"#),
            "steps[0]: expected either \"shell\" or \"arguments\", not both"
        ),
        (
            document(step: #"{"do": "WaitForConsole", "machine": "web"}"#),
            "steps[0]: expected either \"text\" or \"pattern\", found neither"
        ),
        (
            document(step: #"{"do": "Run", "machine": "web", "arguments": ["a", 1]}"#),
            "steps[0].arguments[1]: expected a text, found 1"
        ),
        (
            document(step: #"{"do": "Run", "machine": "web", "shell": "a", "within": 1.5}"#),
            "steps[0].within: expected a number of milliseconds, found 1.5"
        ),
        (
            document(step: #"{"do": "Run", "machine": "web", "shell": "a", "expect": {"exit": 1}}"#),
            "steps[0].expect: unknown field \"exit\""
        ),
        (document(step: #"{"do": "Pause", "machine": "web", "within": 5}"#), "steps[0]: unknown field \"within\""),
        (
            document(step: #"{"do": "WaitForReboot", "machine": "web", "within": "2m"}"#),
            "steps[0].within: expected a number of milliseconds, found \"2m\""
        ),
        (document(step: #"{"do": "Change", "machine": "web", "disks": []}"#), "steps[0]: unknown field \"disks\""),
        (
            document(step: #"{"do": "Change", "machine": "web", "memory": "512M"}"#),
            "steps[0].memory: expected a number of bytes, found \"512M\""
        ),
        (
            document(step: #"{"do": "Attach", "machine": "web", "disk": "data"}"#),
            "steps[0]: the field \"size\" is missing"
        ),
        (
            document(step: #"{"do": "Attach", "machine": "web", "disk": "data", "size": 512, "format": "raw"}"#),
            "steps[0].format: expected \"vhd\" or \"vhdx\", found \"raw\""
        ),
        (document(step: #"{"do": "Detach", "machine": "web"}"#), "steps[0]: the field \"disk\" is missing"),
        (document(step: #"{"do": "Type", "machine": "web"}"#), "steps[0]: the field \"text\" is missing"),
        (
            document(step: #"{"do": "ShutDown", "machine": "web", "orElse": "panic"}"#),
            "steps[0].orElse: expected \"fail\" or \"turnOff\", found \"panic\""
        ),
        (
            document(step: #"{"do": "Checkpoint", "checkpoint": "a", "replace": "yes"}"#),
            "steps[0].replace: expected true or false, found \"yes\""
        ),
        (
            document(step: #"{"do": "Checkpoint", "checkpoint": "a", "kind": "disk"}"#),
            "steps[0].kind: expected \"standard\" or \"disk-only\", found \"disk\""
        ),
        (document(step: #"{"do": "Fork", "machine": "web"}"#), "steps[0]: the field \"name\" is missing"),
        (document(step: #"{"do": "Fork", "name": "twin"}"#), "steps[0]: the field \"machine\" is missing"),
        (
            document(step: #"{"do": "Fork", "machine": "web", "name": "a", "form": "b"}"#),
            "steps[0]: unknown field \"form\"; did you mean \"from\"?"
        ),
        (
            document(step: #"{"do": "ExportCheckpoint", "machine": "web", "checkpoint": "a"}"#),
            "steps[0]: the field \"to\" is missing"
        ),
        (
            document(step: #"{"do": "ExportCheckpoint", "machine": "web", "checkpoint": "a", "to": "b", "memory": 1}"#),
            "steps[0].memory: expected true or false, found 1"
        ),
        (
            document(step: #"{"do": "Apply", "checkpoint": null}"#),
            "steps[0].checkpoint: expected a text, found null"
        ),
    ]

    @Test(arguments: wrong) func `a wrong document is refused with one sentence`(json: String, message: String) {
        let error = #expect(throws: DocumentError.self) { try Recipe(json: json) }
        #expect(error?.description == message)
    }

    private static func document(_ member: String) -> String {
        #"{"format": "fermata-recipe", "version": 1, "name": "lab", "machines": [], "steps": [], \#(member)}"#
    }

    private static func document(machine: String) -> String {
        #"{"format": "fermata-recipe", "version": 1, "name": "lab", "machines": [\#(machine)], "steps": []}"#
    }

    private static func document(step: String) -> String {
        #"{"format": "fermata-recipe", "version": 1, "name": "lab", "machines": [], "steps": [\#(step)]}"#
    }
}
