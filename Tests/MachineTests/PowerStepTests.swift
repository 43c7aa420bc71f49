// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import FermataTestSupport
import Foundation
import QEMUDriver
import StorageTestSupport
import SystemPackage
import Testing

/// Recipes that pause, save, reset and type, run by the command on a real machine.
@Suite(.serialized) struct PowerStepTests {
    /// A word in memory and one on the disk tell in which moment the guest is.
    private static let script = """
        local web = machine "web" {
          memory = "192M",
          boot = kernel { "vmlinuz", initrd = "initrd.gz", arguments = "\(TinyGuest.arguments)" },
          disks = { disk { "system", size = "16M" } },
        }
        local function set(word)
          web:run("echo " .. word .. " > /tmp/word; echo " .. word .. " | dd of=/dev/vda conv=fsync 2> /dev/null")
        end
        local function is(word)
          web:run("cat /tmp/word; head -c 5 /dev/vda", { expect = { equals = word .. "\\n" .. word } })
        end
        web:start()
        web:wait_for_console "fermata tiny guest ready"
        web:run "cat /proc/sys/kernel/random/boot_id > /tmp/boot"
        local same = "cmp /tmp/boot /proc/sys/kernel/random/boot_id"
        set "first"
        web:pause()
        web:checkpoint "paused"
        web:resume()
        is "first"
        web:save()
        web:checkpoint "saved"
        web:start()
        is "first"
        web:run(same)
        set "later"
        web:apply "paused"
        web:resume()
        is "first"
        set "later"
        web:apply "saved"
        web:start()
        is "first"
        web:run(same)
        web:pause()
        web:save()
        web:start()
        web:type "echo t''yped\\n"
        web:wait_for_console "typed"
        web:type "reboot\\n"
        web:wait_for_reboot()
        web:wait_for_console "fermata tiny guest ready"
        web:run "test ! -e /tmp/word"
        web:delete_checkpoint "paused"
        web:rename_checkpoint("saved", { to = "kept" })
        web:reset()
        web:wait_for_console "fermata tiny guest ready"
        set "final"
        """

    @Test func `a recipe with every power word runs, and its machine is saved at the end`() async throws {
        let place = try TemporaryFolder()
        for file in ["vmlinuz", "initrd.gz"] {
            try FileManager.default.copyItem(
                atPath: TinyGuest.find().folder.appending(file).string, toPath: place.appending(file).string)
        }
        let recipe = place.appending("power.lua").string
        try Data(Self.script.utf8).write(to: URL(fileURLWithPath: recipe))
        let store = ["--store", place.appending("lab").string]
        let run = try await BuiltProgram.run("fermata", ["run", recipe, "--at-end", "saved"] + store)
        #expect(run.code == 0, "\(run.messages)")
        let lab = LabFolder(place.appending("lab"))
        func state() throws -> MachineState { try MachineRecord(reading: lab.machine("web")).stateAtRest }
        #expect(try state() == .saved)
        let tree = try await BuiltProgram.run("fermata", ["checkpoint", "tree", "web", "--json"] + store).json
        #expect(tree["checkpoints"]?.elements.compactMap { $0["name"]?.text } == ["kept"])
        #expect(tree["checkpoints"]?.elements.allSatisfy { $0["memory"] == true } == true)

        // The next run says that the saved memory goes, and starts over.
        let plan = try await BuiltProgram.run("fermata", ["plan", recipe, "--at-end", "saved"] + store)
        #expect(plan.code == 0)
        #expect(plan.lines.contains { $0.contains("return web to its origin, discard its saved memory, delete ") })
        #expect(plan.lines.contains { $0.hasSuffix("  save web if it still runs") })

        // What was saved goes on from its moment in another process.
        let host = try MachineHost(of: lab.machine("web"), hypervisor: QEMUDriver())
        try await host.start()
        #expect(try await host.output(of: "cat /tmp/word; head -c 5 /dev/vda") == "final\nfinal")
        await host.close()

        let short = place.appending("short.lua").string
        let start = Self.script.components(separatedBy: "web:run \"cat")[0]
        try Data("recipe \"power\"\n\(start)".utf8).write(to: URL(fileURLWithPath: short))
        let again = try await BuiltProgram.run("fermata", ["run", short, "--at-end", "saved"] + store)
        #expect(again.code == 0, "\(again.messages)")
        #expect(try state() == .saved)
        let off = try await BuiltProgram.run("fermata", ["run", short] + store)
        #expect(off.code == 0, "\(off.messages)")
        #expect(try state() == .off)
    }
}
