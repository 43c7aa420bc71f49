# Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
# SPDX-License-Identifier: Apache-2.0

"""The same machine as QEMU alone runs it: savevm and loadvm, told over QMP."""

import ctypes, json, os, signal, socket, subprocess, threading, time

from channel import PATIENCE, Channel
from witness import fail

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
        self.process = None
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
        self.events, self.text, self.agent = [], b"", Agent(pairs["agent"][0])
        threading.Thread(target=self.read_console, daemon=True).start()
        if "QMP" not in json.loads(self.monitor.readline() or "{}"):
            fail(f"{self.name} did not start: {open(self.log).read()[-400:]}")
        self.qmp("qmp_capabilities")

    def start(self):
        self.spawn()
        self.qmp("cont")
        deadline = time.monotonic() + PATIENCE
        while b"fermata tiny guest ready" not in self.text:
            if time.monotonic() > deadline:
                fail(f"{self.name}: the guest is not ready: {self.text[-400:]}")
            time.sleep(0.05)
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

    def read_console(self):
        """Takes what the console has: nobody looks at it after the boot, but a full one would hold up the guest."""
        while True:
            data = self.console.recv(1 << 16)
            if not data:
                return
            self.text = (self.text + data)[-4096:]

    def checkpoint(self, name):
        return self.command("savevm " + name)

    def restore(self, name, fresh):
        if fresh:
            self.qmp("quit")
            self.process.wait(PATIENCE)
            self.end()
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
            self.console.shutdown(socket.SHUT_RDWR)
            self.agent.socket.close()
            self.process = None
