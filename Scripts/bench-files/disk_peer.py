# Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
# SPDX-License-Identifier: Apache-2.0

"""Servers of disks, ours and the peers', and fio as the client of each."""

import hashlib, json, os, socket, subprocess, time


class Failed(Exception):
    """Something that is measured did not do what it should, so that its figure would mean nothing."""


def run(command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: exit code {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


class Server:
    """A program that serves one disk on a Unix socket; `SOCKET` in its command stands for the socket's path."""

    def __init__(self, command, folder):
        self.command, self.socket = command, f"{folder}/{len(os.listdir(folder))}-{time.monotonic_ns()}.sock"
        self.process = None

    def __enter__(self):
        command = [str(part).replace("SOCKET", self.socket) for part in self.command]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        until = time.monotonic() + 60
        while True:
            with socket.socket(socket.AF_UNIX) as client:
                if client.connect_ex(self.socket) == 0:
                    # No server here ends with its first client.
                    return self
            if self.process.poll() is not None or time.monotonic() > until:
                raise Failed(f"{' '.join(command)}: does not serve: {self.process.stderr.read().decode()}")
            time.sleep(0.001)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()

    def digest(self):
        """The SHA-256 of everything that is served."""
        copy = subprocess.Popen(["nbdcopy", self.uri, "-"], stdout=subprocess.PIPE)
        with copy.stdout as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if copy.wait() != 0:
            raise Failed(f"nbdcopy {self.uri}: exit code {copy.returncode}")
        return digest

    @property
    def uri(self):
        return f"nbd+unix:///?socket={self.socket}"

    def run_on(self, processors):
        """Keeps all threads that the server has and will have on some processors."""
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            os.sched_setaffinity(int(thread), processors)

    def resident(self):
        """The most memory that the process has had, in bytes."""
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise Failed("the system does not tell the server's memory")


# How the content of each 4 KiB is known to be right: by a checksum over random bytes, or by the offset again and again,
# which costs the client little enough that long requests measure the server.
CONTENTS = {"random": ["--verify=crc32c"], "offsets": ["--verify=pattern", "--verify_pattern=%o"]}


def fio(server, folder, pattern, block, depth, size, amount, content, seed=1, check=True, cpu=None):
    """Does one fio job and tells its bytes per second; every block that is read must hold what was written there.

    A job that writes ends with a FLUSH, which counts, and then reads back what it wrote, which does not.
    """
    command = [
        "fio", "--name=bench", "--ioengine=nbd", f"--uri={server.uri}", "--thread", f"--rw={pattern}", f"--bs={block}",
        f"--iodepth={depth}", f"--size={size}", f"--io_size={amount}", *CONTENTS[content], "--verify_interval=4096",
        "--verify_fatal=1", "--verify_state_save=0", f"--do_verify={int(check)}", f"--randseed={seed}",
        "--allrandrepeat=0", "--output-format=json",
    ]
    if cpu is not None:
        command.append(f"--cpus_allowed={cpu}")
    writes = "write" in pattern
    if writes:
        command.append("--end_fsync=1")
    text = run(command, cwd=folder)
    job = json.loads(text[text.index("{"):])["jobs"][0]
    if job["error"]:
        raise Failed(f"{' '.join(command)}: error {job['error']}")
    part = job["write" if writes else "read"]
    if part["io_bytes"] < amount:
        raise Failed(f"{' '.join(command)}: {part['io_bytes']} bytes instead of {amount}")
    if writes and check and job["read"]["io_bytes"] < amount:
        raise Failed(f"{' '.join(command)}: read only {job['read']['io_bytes']} bytes back")
    return part["io_bytes"] * 1000 / max(1, part["runtime"])
