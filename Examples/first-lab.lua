-- Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
-- SPDX-License-Identifier: Apache-2.0

-- The first lab: hold a running machine still, wreck it, and be back in the same moment.
-- Scripts/guest builds the guest; `fermata run Examples/first-lab.lua` runs the lab.

recipe "first-lab"

local web = machine "web" {
  memory = "256M",
  processors = 1,
  boot = kernel {
    "../.guest/vmlinuz", initrd = "../.guest/initrd.gz",
    arguments = "console=ttyS0 quiet panic=-1 clocksource=hpet tsc=unstable no_timer_check",
  },
  disks = { disk { "system", size = "64M" } },
}

-- What the guest is asked again and again. Reading past the cache shows what the disk itself holds.
local read_page = "echo 3 > /proc/sys/vm/drop_caches; head -c 4096 /dev/vda | tr -d '\\0'"
local same_boot = "cmp /proc/sys/kernel/random/boot_id /tmp/boot_id && echo same boot"
local counter_goes_on =
  "now=$(cat /tmp/counter); [ $now -ge $(cat /tmp/held) ] && [ $now -lt 1000000 ] || exit 1; "
  .. "until [ $(cat /tmp/counter) -gt $now ]; do usleep 20000; done; echo goes on"

web:start()
web:wait_for_console("fermata tiny guest ready", { within = "2m" })

-- A page on the disk; a counter that lives in RAM only; what it has come to, and which boot this is.
web:run "echo '<h1>hello</h1>' | dd of=/dev/vda bs=4096 conv=sync,fsync"
web:run("echo 'n=0; while :; do n=$((n + 1)); echo $n > /tmp/next; mv /tmp/next /tmp/counter; usleep 50000; done'"
  .. " > /tmp/count; setsid sh /tmp/count < /dev/null > /dev/null 2>&1 & echo $! > /tmp/count.pid")
web:run("until [ -s /tmp/counter ]; do usleep 20000; done; cp /tmp/counter /tmp/held; "
  .. "cp /proc/sys/kernel/random/boot_id /tmp/boot_id")
web:checkpoint("clean", { notes = "the page is written, the counter counts" })

-- Wreck it: the counter is killed and its value forged, the disk is wiped.
web:run("pid=$(cat /tmp/count.pid); kill -9 -$pid; while kill -0 -$pid 2> /dev/null; do usleep 20000; done; "
  .. "echo 1000000 > /tmp/counter")
web:run "dd if=/dev/zero of=/dev/vda bs=1M count=4 conv=fsync"
web:run(read_page, { expect = { lacks = "hello" } })

-- Back: the same boot, the counter goes on from its value at the checkpoint, the disk holds the page.
web:revert()
web:run(same_boot, { expect = { equals = "same boot" } })
web:run(counter_goes_on, { expect = { equals = "goes on" } })
web:run(read_page, { expect = { equals = "<h1>hello</h1>" } })

-- Another path from there, to a checkpoint of its own.
web:run "echo '<h1>another path</h1>' | dd of=/dev/vda bs=4096 conv=sync,fsync"
web:run(read_page, { expect = { equals = "<h1>another path</h1>" } })
web:checkpoint("other", { notes = "another page" })

-- And once more to the first one, from which two branches grow now.
web:apply "clean"
web:run(same_boot, { expect = { equals = "same boot" } })
web:run(counter_goes_on, { expect = { equals = "goes on" } })
web:run(read_page, { expect = { equals = "<h1>hello</h1>" } })
