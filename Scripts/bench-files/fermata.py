# Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
# SPDX-License-Identifier: Apache-2.0

"""A machine of Fermata's, hosted by FermataBench, which obeys one line at a time."""

import json, subprocess

from witness import Tick, WrongRestore, check_future, fail


class FermataMachine:
    name = "Fermata"

    def __init__(self, folder, guest, root, arguments, options):
        self.command = [
            root + "/.build/release/FermataBench", folder, guest, str(options.memory), str(options.disk), arguments]
        self.process, self.last, self.marks = None, None, {}

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "FermataBench has ended"}
        if "error" in answer:
            fail(f"{self.name}: {answer['error']}")
        return answer

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def run(self, line):
        answer = self.ask("run " + line)
        return answer["exitCode"], answer["output"]

    def ticks(self, count):
        """Takes the next ticks; no tick is ever missing or there twice."""
        for _ in range(count):
            text = self.ask("tick")["line"]
            tick = Tick.parse(text) or fail(f"{self.name}: not a tick: {text}")
            if self.last and tick.number != self.last.number + 1:
                raise WrongRestore(f"{self.name}: tick {tick.number} follows tick {self.last.number}")
            self.last = tick

    def checkpoint(self, name):
        self.marks[name] = self.last
        return self.ask("checkpoint " + name)

    def restore(self, name, fresh):
        self.discarded = self.last
        answer = self.ask(f"apply {name} {'fresh' if fresh else 'in-place'}")
        expected = "fresh process" if fresh else "in place"
        if answer["way"] != expected:
            fail(f"{self.name}: expected a restore {expected}, found one {answer['way']}")
        return answer

    def check_ticks(self, name):
        """The tick after the one that was last taken before the checkpoint is the next one now."""
        before = self.last = self.marks[name]
        self.ticks(1)
        first = self.last
        self.ticks(3)
        check_future(self.name, first, before, self.discarded)

    def delete(self, name):
        self.ask("delete " + name)

    def end(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()
