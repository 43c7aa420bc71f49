# Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
# SPDX-License-Identifier: Apache-2.0

"""The ticks of a guest's witness, which show whether a restore was exact (guest-files/WITNESS.md).

The guest keeps them in a file in its memory, and they are read from there: QEMU repeats and drops bytes of a serial
line that was busy when its state was saved, so the console of a machine that loadvm restored proves nothing.
"""

import re

LINE = re.compile(
    r"^tick (\d+) mono (\d+) boot ([0-9a-f-]{36}) nonce ([0-9a-f]{16}) seed [0-9a-f]{16} sectors \d+ issued \d+ "
    r"flushed \d+ bad (\d+)$", re.M)


class WrongRestore(Exception):
    """A machine is not what it was at its checkpoint."""


def fail(message):
    raise RuntimeError(message)


class Ticks:
    """The newest ticks that a guest remembers."""

    def __init__(self, text):
        found = LINE.findall(text)
        self.times = {int(number): int(mono) for number, mono, *_ in found}
        self.identities = {(boot, nonce) for _, _, boot, nonce, _ in found}
        self.bad = sum(int(bad) for *_, bad in found)
        self.newest = max(self.times, default=0)
        if list(self.times) != list(range(self.newest - len(self.times) + 1, self.newest + 1)) or not self.times:
            raise WrongRestore(f"ticks are missing or there twice: {list(self.times)[-20:]}")


def check(name, before, after, discarded, now):
    """What the guest remembers now is what it knew at the checkpoint, and a new time that goes on from there.

    before, after: its ticks just before and just after the checkpoint was made; discarded: those that it remembered
    when it was brought back.
    """
    if now.identities != before.identities or len(now.identities) != 1:
        raise WrongRestore(f"{name}: another boot or another nonce")
    if now.bad:
        raise WrongRestore(f"{name}: the disk is not what memory knows")
    if now.times.get(discarded.newest) == discarded.times[discarded.newest]:
        raise WrongRestore(f"{name}: it remembers the discarded future's last tick")
    last = before.newest
    if now.times.get(last) != before.times[last]:
        raise WrongRestore(f"{name}: it does not remember tick {last}, which was before the checkpoint")
    while last + 1 in now.times and now.times[last + 1] in (after.times.get(last + 1), discarded.times.get(last + 1)):
        last += 1
    # Two futures can tick in the same millisecond, hence the 1.
    if last > after.newest + 1:
        raise WrongRestore(
            f"{name}: it remembers tick {last} of the discarded future, but the checkpoint's last is one of "
            f"{before.newest} to {after.newest}")
    if now.newest <= last:
        raise WrongRestore(f"{name}: it does not tick")
    if now.times[last + 1] >= discarded.times[discarded.newest]:
        raise WrongRestore(f"{name}: the discarded time has passed")
