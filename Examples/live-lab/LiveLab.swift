// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Fermata
import SystemPackage

/// Acts on a machine live, without a recipe, and prints what happens to it.
///
/// `live-lab LAB GUEST` makes a machine in the lab from the guest's `vmlinuz` and `initrd.gz`. While the program runs, it
/// hosts the machine: `fermata vm show live --store LAB` in another shell reaches it here.
@main struct LiveLab {
    static func main() async throws {
        let arguments = CommandLine.arguments.map { FilePath($0) }
        guard arguments.count == 3 else { return print("usage: live-lab LAB GUEST, absolute paths") }
        let web = Machine("live") {
            Memory(.mebibytes(192))
            Boot(
                .kernel(
                    "vmlinuz", initrd: "initrd.gz",
                    arguments: "console=ttyS0 quiet panic=-1 clocksource=hpet tsc=unstable no_timer_check"))
            Disk("system", .mebibytes(16))
        }
        let lab = Lab(at: arguments[1])
        let machine = try lab.create(web.definition, in: arguments[2])
        let events = try await machine.events()
        async let told: Void = {
            for await event in events { print("event:", event.kind) }
        }()

        try await machine.start()
        try await machine.waitForConsole("fermata tiny guest ready")
        try await machine.checkpoint("clean")
        _ = try await machine.run("echo gone > /tmp/file")

        // The same machine as any other process of the user sees it.
        let elsewhere = try await lab.machine("live")
        try await elsewhere.revert()
        print("the file is there:", try await elsewhere.run("test -e /tmp/file").exitCode == 0)
        await elsewhere.close()

        try await machine.save()
        await machine.close()
        await told
        print("the machine is", try await lab.status(of: "live").state)
    }
}
