# Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
# SPDX-License-Identifier: Apache-2.0

"""The rows of requests: what each side does, and how much better ours must be."""

import os, shlex
from disk_images import MIB
from disk_peer import fio, run


class Row:
    """One row; a subclass says what is done."""

    sides = ("ours", "peer")
    unit = "MiB/s"
    more_is_better = True
    # Whether the interval's lower end, not the median, must reach the bound.
    by_interval = False
    at_least = None
    # Whether each run makes a file, which takes memory until it is on the disk.
    makes_files = False
    # How often each side has its turn in a round: more where a run is short, or depends on what the disk does besides.
    turns = 1

    def missing(self, images):
        """Why the row cannot be measured, if it cannot."""
        return None

    def prepare(self, images):
        """Makes what all rounds share."""

    def warm(self, side, images):
        """Brings what a side reads into memory: a system may have taken some of it back since the last round."""

    def commands(self):
        """The command lines of the two sides, as they were last run."""
        shown = lambda side: shlex.join(map(str, self.last[side])) if side in self.last else None
        return shown("ours"), shown("peer")


class Requests(Row):
    """Requests of one kind, from fio."""

    def __init__(self, name, pattern, block, depth, at_least, peer, disk=None):
        self.name, self.pattern, self.block, self.depth, self.at_least = name, pattern, block, depth, at_least
        self.peer, self.disk, self.last = peer, disk, {}
        self.content = "offsets" if block == "1M" else "random"
        self.unit = "MiB/s" if block == "1M" else "IOPS"

    def fio(self, server, images, seed, size=None, cpu=None):
        size = size or images.size
        amount = min(size, images.sequential if self.block == "1M" else images.random)
        speed = fio(
            server, images.folder, self.pattern, self.block, self.depth, size, amount, self.content, seed, cpu=cpu)
        return speed / MIB if self.block == "1M" else speed / 4096


class Reading(Requests):
    """Reads of the same content, from servers that stay up."""

    # Whether server and client each have a processor of their own. One request at a time is mostly the time to wake the
    # other side, which differs threefold with where the system happens to put the two, and that is none of our doing.
    apart = False

    def prepare(self, images):
        disk = self.disk(images)
        self.last = {"ours": images.ours(disk, read_only=True), "peer": self.peer(images, disk)}

    def place(self, server):
        """Puts the server where it is to run, and tells where its client is."""
        last = os.cpu_count() - 1
        # Rows of the same disk share its server.
        server.run_on({0} if self.apart else set(range(last + 1)))
        return last if self.apart else None

    def warm(self, side, images):
        # Every place is looked up once before anything counts, too.
        run(["nbdcopy", images.served(self.last[side]).uri, "null:"])

    def measure(self, side, images, seed):
        server = images.served(self.last[side])
        return self.fio(server, images, seed, cpu=self.place(server))


class ReadingApart(Reading):
    """The same with server and client on processors of their own."""

    apart = True


class DeepReading(ReadingApart):
    """Reads of a chain of 64 against those of one disk with the same content; in every block each disk has something."""

    by_interval = True
    turns = 5
    # Every disk of the chain has nearly every block, so it takes 64 times as much.
    size = 64 * MIB

    def prepare(self, images):
        deep = images.chain("deep", 64, self.size // 64, "4k", "random", self.size)
        self.disk = lambda _: deep
        self.peer = lambda images, disk: images.ours(images.flat(disk, self.size), read_only=True)
        super().prepare(images)

    def measure(self, side, images, seed):
        server = images.served(self.last[side])
        cpu = self.place(server)
        # One pass over so small a disk takes too short a time to tell anything: the speed is that of several together.
        passes = range(2 if self.depth == 1 else 15)
        times = [1 / self.fio(server, images, seed * len(passes) + number, self.size, cpu) for number in passes]
        return len(times) / sum(times)


class NewWriting(Requests):
    """Writes into a disk that is made anew for each run, with a FLUSH at the end that counts."""

    makes_files = True

    def measure(self, side, images, seed):
        path = images.path(f"new-{side}-{self.peer.__name__}")
        if side == "ours":
            path += ".vhd"
            command = images.ours(images.child(path, images.base(self.content)))
        else:
            command = self.peer(images, path)
            path = command[-1]
        self.last[side] = command
        with images.serve(command) as server:
            speed = self.fio(server, images, seed)
        images.remove(path)
        return speed


class OldWriting(Requests):
    """Writes over what a disk has already, with a FLUSH at the end that counts, and servers that stay up."""

    def prepare(self, images):
        path = images.path("old-ours.vhd")
        ours = images.ours(images.child(path, images.base(self.content)))
        self.last = {"ours": ours, "peer": self.peer(images, images.path("old-peer"))}
        for command in self.last.values():
            fio(images.served(command), images.folder, "write", "1M", 4, images.size, images.size, self.content)

    def measure(self, side, images, seed):
        return self.fio(images.served(self.last[side]), images, seed)


def nbdkit_file(images, disk):
    return ["nbdkit", "--foreground", "--readonly", "--unix", "SOCKET", "file", images.raw(disk)]


def qemu_raw(images, disk):
    return qemu_nbd("raw", images.raw(disk), "--read-only")


def qemu_nbd(kind, path, *more):
    return ["qemu-nbd", "--persistent", "--shared=16", f"--format={kind}", "--socket=SOCKET", *more, path]


def new_raw(images, path):
    path += ".raw"
    with open(path, "wb") as file:
        file.truncate(images.size)
    return qemu_nbd("raw", path)


def qcow2_child(images, path):
    """The peer's parent is raw, which costs it least."""
    path += ".qcow2"
    images.remove(path)
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", images.raw(images.base("random")), path])
    return qemu_nbd("qcow2", path)


def dynamic_vpc(images, path):
    path += ".vpc"
    images.remove(path)
    run(["qemu-img", "create", "-q", "-f", "vpc", "-o", "subformat=dynamic,force_size=on", path, images.size])
    return qemu_nbd("vpc", path)


def scattered(images):
    """Four disks, of which three have a quarter of the blocks each, one by one."""
    return images.chain("scattered", 4, images.size // 4, "4k", "random")


def runs(images):
    """Four disks, of which three have an eighth of the disk each, in runs of 1 MiB."""
    return images.chain("runs", 4, images.size // 8, "1M", "offsets")


DEPTHS = (1, 16)
REQUESTS = [
    ReadingApart("4 KiB random read, chain of 4, qd 1", "randread", "4k", 1, 0.8, nbdkit_file, scattered),
    Reading("4 KiB random read, chain of 4, qd 1, not placed", "randread", "4k", 1, None, nbdkit_file, scattered),
    Reading("4 KiB random read, chain of 4, qd 16", "randread", "4k", 16, 0.8, nbdkit_file, scattered),
    *(NewWriting(f"4 KiB random write into a child, qd {depth}", "randwrite", "4k", depth, 1.0, qcow2_child)
      for depth in DEPTHS),
    *(NewWriting(f"4 KiB random write against vpc, qd {depth}", "randwrite", "4k", depth, 4.0, dynamic_vpc)
      for depth in DEPTHS),
    Reading("1 MiB sequential read, chain of 4, qd 4", "read", "1M", 4, 1.5, qemu_raw, runs),
    OldWriting("1 MiB sequential write, qd 4", "write", "1M", 4, 1.5, new_raw),
    NewWriting("1 MiB sequential write, new disk, qd 4", "write", "1M", 4, None, new_raw),
    *(DeepReading(f"4 KiB random read, depth 64 against 1, qd {depth}", "randread", "4k", depth, 0.9, None)
      for depth in DEPTHS),
]
