# Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
# SPDX-License-Identifier: Apache-2.0

"""The ticks of a guest's witness, which show whether a restore was exact (guest-files/WITNESS.md)."""

import re

LINE = re.compile(
    r"^tick (\d+) mono (\d+) boot ([0-9a-f-]{36}) nonce ([0-9a-f]{16}) seed [0-9a-f]{16} sectors \d+ issued \d+ "
    r"flushed \d+ bad (\d+)$")


class WrongRestore(Exception):
    """A machine is not what it was at its checkpoint."""


def fail(message):
    raise RuntimeError(message)


class Tick:
    """One line of the witness; nothing else is one."""

    def __init__(self, match):
        self.number, self.mono, self.bad = int(match[1]), int(match[2]), int(match[5])
        self.identity = (match[3], match[4])

    @staticmethod
    def parse(line):
        match = LINE.match(line)
        return Tick(match) if match else None


def check_future(name, first, before, discarded):
    """The first tick after a restore belongs to the checkpoint's boot, and its time goes on from there."""
    if first.identity != before.identity:
        raise WrongRestore(f"{name}: another boot or another nonce")
    if first.bad:
        raise WrongRestore(f"{name}: the disk is not what memory knows")
    if not before.mono <= first.mono < discarded.mono:
        raise WrongRestore(
            f"{name}: the clock says {first.mono} ms, after {before.mono} at the checkpoint and {discarded.mono} in "
            "the discarded future")
