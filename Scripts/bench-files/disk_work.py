# Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
# SPDX-License-Identifier: Apache-2.0

"""The rows of whole operations: merging, converting and opening."""

import os, subprocess, time
from disk_images import GIB, MIB, TIB
from disk_peer import Failed, fio, run
from disk_rows import Row, new_raw, qemu_nbd


def synchronized(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def timed(command, path):
    """The seconds that a command takes until its result is durable."""
    began = time.monotonic()
    run(command)
    synchronized(path)
    return time.monotonic() - began


class Work(Row):
    unit = "s"
    more_is_better = False
    at_least = 1.5
    makes_files = True

    def missing(self, images):
        if not images.knows(self.operation):
            return f"the command has no 'disk {self.operation}'"
        return None


class Merging(Work):
    """A child that has all of its disk, into its parent."""

    name, operation = "merge of 1 GiB", "merge"

    def __init__(self):
        self.last = {}

    def prepare(self, images):
        self.parents = {"ours": images.base("random", name="merged"), "peer": images.path("merged.raw")}
        new_raw(images, images.path("merged"))

    def measure(self, side, images, seed):
        parent = self.parents[side]
        if side == "ours":
            child = images.child(images.path("merged-child.vhd"), parent)
            serve, serve_parent = images.ours(child), images.ours(parent, read_only=True)
            self.last[side] = [images.command, "disk", "merge", child]
        else:
            child = images.path("merged-child.qcow2")
            images.remove(child)
            run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", parent, child])
            serve, serve_parent = qemu_nbd("qcow2", child), qemu_nbd("raw", parent, "--read-only")
            self.last[side] = ["qemu-img", "commit", "-q", "-f", "qcow2", "-t", "writeback", "-d", child]
        with images.serve(serve) as server:
            fio(server, images.folder, "write", "1M", 4, images.size, images.size, "random", seed, check=False)
            expected = server.digest()
        seconds = timed(self.last[side], parent)
        images.remove(child)
        with images.serve(serve_parent) as server:
            if server.digest() != expected:
                raise Failed(f"{' '.join(self.last[side])}: the parent does not have the child's content")
        return seconds


class Converting(Work):
    """A raw file of 4 GiB, a quarter of it data in runs of 1 MiB."""

    operation = "convert"
    turns = 3

    def missing(self, images):
        if not images.knows(self.operation, self.format):
            return f"the command has no 'disk {self.operation}' for {self.format}"
        return None

    def __init__(self, ours, peer):
        self.name, self.format, self.peer_format, self.last = f"convert 4 GiB of raw to {ours}", ours, peer, {}

    def prepare(self, images):
        def make(path):
            with open(path, "wb") as file:
                for start in range(0, 4 * GIB, 4 * MIB):
                    file.seek(start)
                    file.write(os.urandom(MIB))
                file.truncate(4 * GIB)
        self.source = images.once("source.raw", make)

    def warm(self, side, images):
        with open(self.source, "rb", buffering=0) as file:
            while file.read(MIB):
                pass
        images.remove(self.target(side, images))

    def target(self, side, images):
        return images.path(f"converted-{side}.{self.format}")

    def measure(self, side, images, seed):
        target = self.target(side, images)
        if side == "ours":
            command = [images.command, "disk", "convert", self.source, target]
        else:
            options = ["-o", "force_size=on"] if self.peer_format == "vpc" else []
            command = ["qemu-img", "convert", "-f", "raw", "-O", self.peer_format, *options, self.source, target]
        self.last[side] = command
        seconds = timed(command, target)
        run(["qemu-img", "compare", "-q", "-f", "raw", "-F", self.peer_format, self.source, target])
        images.remove(target)
        return seconds


class Opening(Row):
    """From the start of the server to the answer to its first client, and the memory that it has had by then."""

    sides = ("ours",)

    def __init__(self, what, unit, at_most):
        self.name, self.unit, self.at_most = f"open 64 disks of 1 TiB: {what}", unit, at_most
        self.what, self.last = what, {}

    def prepare(self, images):
        self.leaf, self.known = images.vast_chain(64, TIB, 0.01)

    def warm(self, side, images):
        self.last[side] = images.ours(self.leaf, read_only=True)
        with images.serve(self.last[side]) as server:
            run(["nbdinfo", "--size", server.uri])

    def measure(self, side, images, seed):
        began = time.monotonic()
        with images.serve(self.last[side]) as server:
            run(["nbdinfo", "--size", server.uri])
            seconds = time.monotonic() - began
            resident = server.resident()
            checks = [part for offset, byte in self.known.items()
                      for part in ("-c", f"read -P {byte} {offset} 4k")]
            text = run(["qemu-io", "-r", "-f", "raw", server.uri, *checks])
            if text.count("read 4096/4096") != len(self.known) or "failed" in text:
                raise Failed(f"{self.leaf}: wrong content: {text[:2000]}")
        return seconds * 1000 if self.unit == "ms" else resident / MIB


WORK = [
    Merging(), Converting("vhd", "vpc"), Converting("vhdx", "vhdx"),
    Opening("time", "ms", 200), Opening("memory", "MiB", 64),
]
