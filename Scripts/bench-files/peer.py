# Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
# SPDX-License-Identifier: Apache-2.0

"""The same machine as QEMU alone runs it: savevm and loadvm, told over QMP."""

import ctypes, json, os, select, signal, socket, subprocess, time

from channel import PATIENCE, Channel
from witness import Tick, WrongRestore, check_future, fail

PR_SET_PDEATHSIG = 1


class Agent(Channel):
    """The command channel over one end of a socket pair."""

    def __init__(self, end):
        self.end = end
        super().__init__(None)

    def connect(self):
        self.socket, self.buffer, self.frames = self.end, b"", []


class PeerMachine:
    name = "QEMU"

    def __init__(self, folder, guest, root, arguments, options):
        os.mkdir(folder)
        self.disk, self.log = folder + "/disk.qcow2", folder + "/log"
        self.guest, self.arguments, self.options = guest, arguments, options
        self.process, self.last, self.marks = None, None, {}
        create = ["qemu-img", "create", "-q", "-f", "qcow2", self.disk, f"{options.disk}M"]
        subprocess.run(create, check=True)
        listed = subprocess.run(["qemu-system-x86_64", "-machine", "help"], check=True, capture_output=True, text=True)
        types = [line.split()[0] for line in listed.stdout.splitlines() if line.startswith("pc-q35-")]
        self.type = max(types, key=lambda text: [int(part) for part in text[len("pc-q35-"):].split(".")])
        self.base = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())

    def spawn(self, *more):
        pairs = {name: socket.socketpair() for name in ("qmp", "console", "agent")}
        fd = {name: pair[1].fileno() for name, pair in pairs.items()}
        cache = {"writeback": "cache.no-flush=off", "unsafe": "cache.no-flush=on"}[self.options.peer_cache]
        command = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-nic", "none",
            "-chardev", f"socket,id=qmp,fd={fd['qmp']}", "-mon", "chardev=qmp,mode=control",
            "-accel", "tcg", "-machine", self.type, "-cpu", "max", "-smp", "1", "-m", f"size={self.options.memory}M",
            "-rtc", f"base={self.base},clock=vm", "-action", "panic=none", "-S",
            "-kernel", self.guest + "/vmlinuz", "-initrd", self.guest + "/initrd.gz", "-append", self.arguments,
            "-chardev", f"socket,id=console,fd={fd['console']}", "-device", "isa-serial,chardev=console",
            "-device", "pvpanic", "-chardev", f"socket,id=agent,fd={fd['agent']}",
            "-device", "virtio-serial-pci,id=ports,addr=02",
            "-device", "virtserialport,bus=ports.0,nr=1,chardev=agent,name=org.fermata.agent.0",
            "-blockdev", f"driver=qcow2,node-name=disk0,{cache},"
            f"file.driver=file,file.{cache},file.filename={self.disk}",
            "-device", "virtio-blk-pci,drive=disk0,addr=04,serial=system,werror=stop,rerror=stop", *more,
        ]
        with open(self.log, "ab") as log:
            prctl, parent = ctypes.CDLL(None).prctl, os.getpid()
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=fd.values(),
                preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL) or os.getppid() == parent or os._exit(1))
        for _, theirs in pairs.values():
            theirs.close()
        self.monitor, self.console = pairs["qmp"][0].makefile("rw"), pairs["console"][0]
        self.events, self.text, self.taken, self.agent = [], b"", b"", Agent(pairs["agent"][0])
        if "QMP" not in json.loads(self.monitor.readline() or "{}"):
            fail(f"{self.name} did not start: {open(self.log).read()[-400:]}")
        self.qmp("qmp_capabilities")

    def start(self):
        self.spawn()
        self.qmp("cont")
        while b"fermata tiny guest ready" not in self.text:
            self.receive()
        self.text = b""
        self.agent.hello()

    def qmp(self, command, **arguments):
        self.monitor.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.monitor.flush()
        while True:
            answer = self.message()
            if "event" not in answer:
                return answer["return"] if "return" in answer else fail(f"{self.name}: {command}: {answer}")

    def message(self):
        line = self.monitor.readline()
        answer = json.loads(line) if line else fail(f"{self.name} has ended: {open(self.log).read()[-400:]}")
        if "event" in answer:
            self.events.append(answer)
        return answer

    def command(self, line):
        """A line of the human monitor: pause by QEMU's events, until the guest ran, until the monitor answered."""
        self.events = []
        began = time.time()
        answer = self.qmp("human-monitor-command", **{"command-line": line})
        ended = time.time()
        if answer:
            fail(f"{self.name}: {line}: {answer}")
        stopped, resumed = self.moment("STOP"), self.moment("RESUME")
        return {"pause": (resumed - stopped) * 1e6, "whole": (resumed - began) * 1e6, "durable": (ended - began) * 1e6}

    def moment(self, name):
        while True:
            for event in self.events:
                if event["event"] == name:
                    return event["timestamp"]["seconds"] + event["timestamp"]["microseconds"] / 1e6
            self.message()

    def run(self, line):
        code, output, errors = self.agent.run(line)
        return code, (output + errors).decode()

    def receive(self, patience=PATIENCE):
        """Takes what the console has, waiting for something so long; whether there was something."""
        if not select.select([self.console], [], [], patience)[0]:
            return False
        data = self.console.recv(1 << 16)
        self.text += data
        return bool(data)

    def next_tick(self):
        """The next whole tick; a line cut in two by a restore is none."""
        while True:
            line, end, rest = self.text.partition(b"\n")
            if not end:
                self.receive() or fail(f"{self.name}: no tick within {PATIENCE} s")
                continue
            self.text = rest
            self.taken = self.taken[-4000:] + line + end
            tick = Tick.parse(line.decode(errors="replace").strip())
            if tick:
                return tick
            self.garbled += 1

    def ticks(self, count):
        for _ in range(count):
            self.garbled = 0
            tick = self.next_tick()
            if self.last and tick.number != self.last.number + 1:
                raise WrongRestore(f"{self.name}: tick {tick.number} follows tick {self.last.number}")
            self.last = tick

    def drain(self):
        """Takes all ticks that are there."""
        while self.receive(0):
            pass
        while b"\n" in self.text:
            self.ticks(1)

    def checkpoint(self, name):
        self.drain()
        before = self.last
        figures = self.command("savevm " + name)
        self.drain()
        # The checkpoint's last tick is one of those from `before` to the newest that has arrived now.
        self.marks[name] = (before, self.last.number)
        return figures

    def restore(self, name, fresh):
        self.drain()
        self.discarded, self.garbled = self.last, 0
        if fresh:
            self.qmp("quit")
            self.process.wait(PATIENCE)
            self.end()
            self.last = None
            began = time.time()
            self.spawn("-loadvm", name)
            self.events = []
            self.qmp("cont")
            figures = {"whole": (self.moment("RESUME") - began) * 1e6}
        else:
            figures = self.command("loadvm " + name)
        self.agent.buffer, self.agent.frames = b"", []
        self.agent.hello()
        return figures

    def check_ticks(self, name):
        """The ticks go back to the one after the checkpoint's last, and on from there."""
        before, newest = self.marks[name]
        tick = self.next_tick()
        while self.last and tick.number == self.last.number + 1:
            self.discarded = self.last = tick
            tick = self.next_tick()
        # A tick that was being written when the machine was held can be lost to the console, and no other.
        if not before.number < tick.number <= newest + 1 + min(self.garbled, 1):
            raise WrongRestore(
                f"{self.name}: tick {tick.number} is the first of a checkpoint whose last is one of {before.number} "
                f"to {newest}; the console had {self.taken[-400:]!r}")
        self.last = tick
        check_future(self.name, tick, before, self.discarded)
        self.ticks(3)

    def delete(self, name):
        self.events = []
        answer = self.qmp("human-monitor-command", **{"command-line": "delvm " + name})
        if answer:
            fail(f"{self.name}: delvm {name}: {answer}")

    def end(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.monitor.close()
            self.console.close()
            self.agent.socket.close()
            self.process = None
