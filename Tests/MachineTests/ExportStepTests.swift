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

/// A recipe that takes checkpoints out of its lab, run by the command on a real machine.
@Suite(.serialized) struct ExportStepTests {
    private static let script = """
        local web = machine "web" {
          memory = "192M",
          boot = kernel { "vmlinuz", initrd = "initrd.gz", arguments = "\(TinyGuest.arguments)" },
          disks = { disk { "system", size = "16M" } },
        }
        local function set(word)
          web:run("echo " .. word .. " > /tmp/word; echo " .. word .. " | dd of=/dev/vda conv=fsync 2> /dev/null")
        end
        web:start()
        web:wait_for_console "fermata tiny guest ready"
        set "first"
        web:checkpoint "live"
        set "other"
        web:checkpoint("disks", { kind = "disk-only" })
        set "later"
        web:export_checkpoint("live", { to = "live-web", flattened = true, memory = true })
        web:export_checkpoint("disks", { to = "disks-web" })
        web:run("cat /tmp/word; head -c 5 /dev/vda", { expect = { equals = "later\\nlater" } })
        web:apply "disks"
        web:start()
        web:wait_for_console "fermata tiny guest ready"
        web:run("test ! -e /tmp/word; head -c 5 /dev/vda", { expect = { equals = "other" } })
        """

    @Test func `what a recipe exports runs in another lab`() async throws {
        let place = try TemporaryFolder()
        for file in ["vmlinuz", "initrd.gz"] {
            try FileManager.default.copyItem(
                atPath: TinyGuest.find().folder.appending(file).string, toPath: place.appending(file).string)
        }
        let recipe = place.appending("export.lua").string
        try Data(Self.script.utf8).write(to: URL(fileURLWithPath: recipe))
        let store = ["--store", place.appending("lab").string]
        let run = try await BuiltProgram.run("fermata", ["run", recipe] + store)
        #expect(run.code == 0, "\(run.messages)")

        let elsewhere = ["--store", place.appending("elsewhere").string]
        for (folder, answer) in [("live-web", "first\nfirst"), ("disks-web", "none\nother")] {
            let from = place.appending(folder).string
            let brought = try await BuiltProgram.run(
                "fermata", ["checkpoint", "import", from, "--name", folder] + elsewhere)
            #expect(brought.code == 0, "\(brought.messages)")
            let machine = LabFolder(place.appending("elsewhere")).machine(MachineName(folder))
            let host = try MachineHost(of: machine, hypervisor: QEMUDriver())
            let isLive = await host.state == .saved
            #expect(isLive == (folder == "live-web"))
            try await host.start()
            if !isLive { _ = try await host.waitForConsole(.plain("fermata tiny guest ready"), within: .seconds(60)) }
            let said = try await host.output(of: "cat /tmp/word 2> /dev/null || echo none; head -c 5 /dev/vda")
            #expect(said == answer)
            await host.close()
        }

        // The folders are there now: the next plan says so, and nothing is done.
        let again = try await BuiltProgram.run("fermata", ["run", recipe] + store)
        #expect(again.code == 2)
        #expect(again.messages.contains("export.lua:16: error: 'live-web', which the step is to make, exists already"))
        #expect(again.messages.contains("export.lua:17: error: 'disks-web', which the step is to make, exists already"))
    }
}
