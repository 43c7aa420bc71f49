-- Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
-- SPDX-License-Identifier: Apache-2.0

-- Twins: install a machine once, and let others run on from that moment, each on its own way.
-- Scripts/guest builds the guest; `fermata run Examples/twins.lua` runs the lab.

recipe "twins"

local base = machine "base" {
  memory = "192M",
  processors = 1,
  boot = kernel {
    "../.guest/vmlinuz", initrd = "../.guest/initrd.gz",
    arguments = "console=ttyS0 quiet panic=-1 clocksource=hpet tsc=unstable no_timer_check",
  },
  disks = { disk { "system", size = "64M" } },
}

-- Writes a word to the disk and to memory, and asks for it. Reading past the cache shows what the disk itself holds.
local function write(m, word)
  m:run("echo " .. word .. " > /tmp/word; echo " .. word .. " | dd of=/dev/vda bs=4096 conv=sync,fsync")
end
local function expect(m, word)
  m:run("cat /tmp/word", { expect = { equals = word } })
  m:run("echo 3 > /proc/sys/vm/drop_caches; head -c 4096 /dev/vda | tr -d '\\0'", { expect = { equals = word } })
end

-- What takes long is done once: memory and disk are held, and the disk alone at the same time.
base:start()
base:wait_for_console("fermata tiny guest ready", { within = "2m" })
write(base, "installed")
base:run "cp /proc/sys/kernel/random/boot_id /tmp/boot_id"
base:checkpoint("installed", { notes = "memory and disk" })
base:checkpoint("disks", { kind = "disk-only", notes = "what a power cut leaves" })
write(base, "elsewhere")

-- Two machines run on from there, in the same boot, without a byte copied; neither sees what the others do.
local twins = { base:fork("left", { from = "installed" }), base:fork("right", { from = "installed" }) }
for _, twin in ipairs(twins) do
  twin:run("cmp /proc/sys/kernel/random/boot_id /tmp/boot_id && echo same boot", { expect = { equals = "same boot" } })
  expect(twin, "installed")
  write(twin, twin.name)
  twin:checkpoint "own"
end
for _, twin in ipairs(twins) do
  write(twin, "broken")
  twin:revert()
  expect(twin, twin.name)
end
expect(base, "elsewhere")

-- A third one starts from the disk alone: another boot.
local cold = base:fork("cold", { from = "disks" })
cold:start()
cold:wait_for_console("fermata tiny guest ready", { within = "2m" })
cold:run "test ! -e /tmp/word"
cold:run("head -c 4096 /dev/vda | tr -d '\\0'", { expect = { equals = "installed" } })
