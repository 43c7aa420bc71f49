# Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
# SPDX-License-Identifier: Apache-2.0

"""The disks that are measured: chains of our own, and the same content in the peers' formats."""

import contextlib, filecmp, os, re, struct, subprocess
from disk_peer import Failed, Server, fio, run

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40


class Images:
    """One folder of disks, each made when it is first asked for, and the servers that stay up for several rounds."""

    def __init__(self, folder, command, quick):
        self.folder, self.command, self.quick = folder, command, quick
        self.size = GIB
        # What one run of each kind reads or writes.
        self.random, self.sequential = (16 * MIB, 256 * MIB) if quick else (128 * MIB, GIB)
        self.sockets = f"{folder}/sockets"
        os.mkdir(self.sockets)
        self.made, self.servers, self.stack = {}, {}, contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def path(self, name):
        return f"{self.folder}/{name}"

    def serve(self, command):
        """A server that is up for one `with`."""
        return Server(command, self.sockets)

    def served(self, command):
        """A server that stays up, so that what it has looked up stays looked up."""
        key = " ".join(command)
        if key not in self.servers:
            self.servers[key] = self.stack.enter_context(self.serve(command))
        return self.servers[key]

    def ours(self, path, read_only=False):
        return [self.command, "disk", "serve", path, "--socket", "SOCKET"] + (["--read-only"] if read_only else [])

    def knows(self, operation, kind=""):
        """Whether the command has an operation on disks, and knows a format for it."""
        help = subprocess.run([self.command, "disk", operation, "--help"], capture_output=True, text=True)
        return help.returncode == 0 and re.search(rf"\b{kind}\b", help.stdout)

    def once(self, name, make):
        """Makes a file at its first use."""
        if name not in self.made:
            make(self.path(name))
            self.made[name] = self.path(name)
        return self.made[name]

    def fill(self, path, pattern, block, amount, content, seed, size=None):
        with self.serve(self.ours(path)) as server:
            fio(server, self.folder, pattern, block, 16, size or self.size, amount, content, seed, check=False)

    def base(self, content, size=None, name="base"):
        """A dynamic VHD, full."""
        def make(path):
            run([self.command, "disk", "create", path, "--size", size or self.size])
            self.fill(path, "write", "1M", size or self.size, content, 1, size)
        return self.once(f"{name}-{content}.vhd", make)

    def chain(self, name, depth, share, block, content, size=None):
        """The leaf of a chain of so many disks over a full base, each with so many bytes in random places."""
        parent = self.base(content, size, "base" if size is None else f"base-{name}")
        for level in range(2, depth + 1):
            def make(path):
                self.child(path, parent)
                self.fill(path, "randwrite", block, share, content, level, size)
            parent = self.once(f"{name}-{level}.vhd", make)
        return parent

    def child(self, path, parent):
        """A new child of a disk, in the place of one that was measured before."""
        self.remove(path)
        run([self.command, "disk", "create", path, "--parent", parent])
        return path

    def remove(self, path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def raw(self, disk):
        """The content of one of our disks as a raw file with all its space, as 7-Zip reads it; and we must agree."""
        def make(path):
            with open(path, "wb") as file:
                subprocess.run(["7zz", "e", "-so", disk], check=True, stdout=file, stderr=subprocess.DEVNULL)
            copy = path + ".ours"
            with self.serve(self.ours(disk, read_only=True)) as server:
                run(["nbdcopy", "--allocated", server.uri, copy])
            if not filecmp.cmp(path, copy, shallow=False):
                raise Failed(f"{disk}: 7-Zip and we read different bytes")
            self.remove(copy)
        return self.once(os.path.basename(disk) + ".raw", make)

    def flat(self, disk, size):
        """The content of one of our chains as one disk without a parent."""
        def make(path):
            run([self.command, "disk", "create", path, "--size", size])
            with self.serve(self.ours(path)) as target:
                run(["nbdcopy", "--flush", self.raw(disk), target.uri])
        return self.once("flat-" + os.path.basename(disk), make)

    def vast_chain(self, depth, size, share):
        """A chain of dynamic disks, each with a share of its blocks, which are holes in its file but for a few.

        - Returns: the leaf, and for some offsets the byte of which the 4 KiB there consist.
        """
        known = {}
        def make(level):
            def make(path):
                size_or_parent = ["--size", size] if level == 1 else ["--parent", self.path(f"vast-{level - 1}.vhd")]
                run([self.command, "disk", "create", path, *size_or_parent])
                allocate(path, size, share, level, known)
            return make
        for level in range(1, depth + 1):
            self.once(f"vast-{level}.vhd", make(level))
        if known:
            self.known = known
        return self.path(f"vast-{depth}.vhd"), self.known


def allocate(path, size, share, level, known):
    """Gives a new VHD every so many blocks, without taking the space, and a few of them 4 KiB of data."""
    with open(path, "r+b") as file:
        file.seek(-512, os.SEEK_END)
        end, footer = file.tell(), file.read(512)
        file.seek(512 + 16)
        table, _, entries, block = struct.unpack(">QIII", file.read(20))
        numbers = range(level * 7 % 100, entries, int(1 / share))
        data = block + 512
        for place, number in enumerate(numbers):
            start = -(-(end + 512) // 4096) * 4096 - 512 if place == 0 else start + data + 3584
            file.seek(table + number * 4)
            file.write(struct.pack(">I", start // 512))
            if place % (len(numbers) // 4) == 0:
                file.seek(start)
                file.write(b"\xff" + bytes(511) + bytes([level]) * 4096)
                known[number * block] = level
        file.seek(start + data)
        file.write(footer)
