// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Fermata
import FermataLua
import Testing

/// The lab that the documentation shows, in both spellings.
@Suite struct ExampleTests {
    static let script = """
        local web = machine "web" {
          memory = "256M", processors = 1,
          boot = kernel { "guest/vmlinuz", initrd = "guest/initrd.gz", arguments = "console=ttyS0" },
          disks = { disk { "system", size = "64M" } },          -- a list: the order is the guest's
        }
        web:start()
        web:wait_for_console("ready", { within = "60s" })
        checkpoint "clean"
        web:run "rm -rf /srv/www"
        web:revert()
        web:run("cat /srv/www/index.html", { expect = { contains = "hello" } })
        """

    static var recipe: Recipe {
        let web = Machine("web") {
            Memory(.mebibytes(256))
            Processors(1)
            Boot(.kernel("guest/vmlinuz", initrd: "guest/initrd.gz", arguments: "console=ttyS0"))
            Disk("system", .mebibytes(64))
        }
        return Recipe("first-lab") {
            web
            Start(web)
            WaitForConsole(web, "ready", within: .seconds(60))
            Checkpoint("clean")
            Run(web, "rm -rf /srv/www")
            Revert(web)
            Run(web, "cat /srv/www/index.html", expect: .output(contains: "hello"))
        }
    }

    @Test func `the script records what the result builder makes`() throws {
        let recorded = try LuaRecorder.record(source: Self.script, chunkName: "labs/first-lab.lua")
        #expect(recorded.withoutLocations == Self.recipe.withoutLocations)
        #expect(recorded.withoutLocations.json == Self.recipe.withoutLocations.json)
    }

    @Test func `every machine and step carries its line`() throws {
        let recorded = try LuaRecorder.record(source: Self.script, chunkName: "labs/first-lab.lua")
        #expect(recorded.machines.map { "\($0.at, default: "nowhere")" } == ["labs/first-lab.lua:1"])
        #expect(recorded.steps.map { $0.at?.line } == [6, 7, 8, 9, 10, 11])
        #expect(recorded.steps.allSatisfy { $0.at?.file == "labs/first-lab.lua" })
    }
}
