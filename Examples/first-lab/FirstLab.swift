// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Fermata

/// The first lab: hold a running machine still, wreck it, and be back in the same moment.
///
/// `Scripts/guest` builds the guest; `first-lab run --directory Examples` runs the lab. `Examples/first-lab.lua` is the
/// same recipe.
@main struct FirstLab: RecipeProgram {
    let web: Machine = Machine("web") {
        Memory(.mebibytes(256))
        Processors(1)
        Boot(
            .kernel(
                "../.guest/vmlinuz", initrd: "../.guest/initrd.gz",
                arguments: "console=ttyS0 quiet panic=-1 clocksource=hpet tsc=unstable no_timer_check"))
        Disk("system", .mebibytes(64))
    }

    // What the guest is asked again and again. Reading past the cache shows what the disk itself holds.
    let readPage: String = #"echo 3 > /proc/sys/vm/drop_caches; head -c 4096 /dev/vda | tr -d '\0'"#
    let sameBoot: String = "cmp /proc/sys/kernel/random/boot_id /tmp/boot_id && echo same boot"
    let counterGoesOn: String =
        "now=$(cat /tmp/counter); [ $now -ge $(cat /tmp/held) ] && [ $now -lt 1000000 ] || exit 1; "
        + "until [ $(cat /tmp/counter) -gt $now ]; do usleep 20000; done; echo goes on"

    var recipe: Recipe {
        Recipe("first-lab") {
            web
            Start(web)
            WaitForConsole(web, "fermata tiny guest ready", within: .minutes(2))

            // A page on the disk; a counter that lives in RAM only; what it has come to, and which boot this is.
            Run(web, "echo '<h1>hello</h1>' | dd of=/dev/vda bs=4096 conv=sync,fsync")
            Run(
                web,
                "echo 'n=0; while :; do n=$((n + 1)); echo $n > /tmp/next; mv /tmp/next /tmp/counter; usleep 50000; done'"
                    + " > /tmp/count; setsid sh /tmp/count < /dev/null > /dev/null 2>&1 & echo $! > /tmp/count.pid")
            Run(
                web,
                "until [ -s /tmp/counter ]; do usleep 20000; done; cp /tmp/counter /tmp/held; "
                    + "cp /proc/sys/kernel/random/boot_id /tmp/boot_id")
            Checkpoint("clean", of: web, notes: "the page is written, the counter counts")

            // Wreck it: the counter is killed and its value forged, the disk is wiped.
            Run(
                web,
                "pid=$(cat /tmp/count.pid); kill -9 -$pid; while kill -0 -$pid 2> /dev/null; do usleep 20000; done; "
                    + "echo 1000000 > /tmp/counter")
            Run(web, "dd if=/dev/zero of=/dev/vda bs=1M count=4 conv=fsync")
            Run(web, readPage, expect: .output(lacks: "hello"))

            // Back: the same boot, the counter goes on from its value at the checkpoint, the disk holds the page.
            Revert(web)
            proofs

            // Another path from there, to a checkpoint of its own.
            Run(web, "echo '<h1>another path</h1>' | dd of=/dev/vda bs=4096 conv=sync,fsync")
            Run(web, readPage, expect: .output(equals: "<h1>another path</h1>"))
            Checkpoint("other", of: web, notes: "another page")

            // And once more to the first one, from which two branches grow now.
            Apply("clean", of: web)
            proofs
        }
    }

    @RecipeBuilder var proofs: [RecipePart] {
        Run(web, sameBoot, expect: .output(equals: "same boot"))
        Run(web, counterGoesOn, expect: .output(equals: "goes on"))
        Run(web, readPage, expect: .output(equals: "<h1>hello</h1>"))
    }
}
