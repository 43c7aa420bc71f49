# Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
# SPDX-License-Identifier: Apache-2.0

"""A machine of Fermata's, hosted by FermataBench, which obeys one line at a time."""

import json, subprocess

from witness import fail


class FermataMachine:
    name = "Fermata"

    def __init__(self, folder, guest, root, arguments, options):
        self.command = [
            root + "/.build/release/FermataBench", folder, guest, str(options.memory), str(options.disk), arguments]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"FermataBench ended with status {self.process.wait()}"}
        if "error" in answer:
            fail(f"{self.name}: {answer['error']}")
        return answer

    def ask(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # It has ended; its missing answer says how.
        return self.answer()

    def run(self, line):
        answer = self.ask("run " + line)
        return answer["exitCode"], answer["output"]

    def checkpoint(self, name):
        return self.ask("checkpoint " + name)

    def restore(self, name, fresh):
        answer = self.ask(f"apply {name} {'fresh' if fresh else 'in-place'}")
        expected = "fresh process" if fresh else "in place"
        if answer["way"] != expected:
            fail(f"{self.name}: expected a restore {expected}, found one {answer['way']}")
        return answer

    def delete(self, name):
        self.ask("delete " + name)

    def end(self):
        if self.process:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
            self.process.wait()
