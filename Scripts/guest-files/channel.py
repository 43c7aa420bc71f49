# Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
# SPDX-License-Identifier: Apache-2.0

"""The host's side of the command channel, written from PROTOCOL.md and not from the agent."""

import os, random, select, socket, struct, time

PATIENCE = 120
HELLO, EXEC, STDIN, SIGNAL = 1, 2, 3, 4
HELLO_ACK, STARTED, STDOUT, STDERR, EXITED, ERROR, CREDIT, READY = range(65, 73)

TABLE = []
for number in range(256):
    for _ in range(8):
        number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
    TABLE.append(number)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def encode(kind, epoch, request=0, payload=b""):
    body = struct.pack("<HHIQI", kind, 0, request, epoch, len(payload)) + payload
    return b"\xf5F" + (body + struct.pack("<I", crc32c(body))).replace(b"\xf5", b"\xf5\x00")


class Channel:
    """The host's side of one command channel."""

    def __init__(self, path):
        self.path, self.epoch, self.requests = path, 0, 0
        self.connect()

    def connect(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(self.path)
        self.buffer, self.frames = b"", []

    def send(self, data):
        """Writes while reading, as the protocol asks."""
        view = memoryview(data)
        while view:
            readable, writable, _ = select.select([self.socket], [self.socket], [], PATIENCE)
            assert readable or writable, "the channel is stuck"
            if readable:
                self.receive()
            if writable:
                view = view[self.socket.send(view[:65536]) :]

    def receive(self):
        data = self.socket.recv(1 << 16)
        assert data, "the channel was closed"
        self.buffer += data
        *parts, last = self.buffer.split(b"\xf5F")
        for part in parts:
            self.decode(part)
        self.buffer = b"\xf5F" + last if parts or self.buffer.startswith(b"\xf5F") else last
        if self.buffer.startswith(b"\xf5F") and self.decode(self.buffer[2:]):
            self.buffer = b""

    def decode(self, part):
        body = part.replace(b"\xf5\x00", b"\xf5")
        if len(body) < 24 or len(body) < 24 + struct.unpack_from("<I", body, 16)[0]:
            return False
        kind, _, request, epoch, length = struct.unpack_from("<HHIQI", body)
        if struct.unpack_from("<I", body, 20 + length)[0] == crc32c(body[: 20 + length]):
            self.frames.append((kind, epoch, request, body[20 : 20 + length]))
        return True

    def next(self, wanted, patience=PATIENCE):
        """The first frame that `wanted` accepts; takes it and leaves the others."""
        deadline = time.monotonic() + patience
        while True:
            for index, frame in enumerate(self.frames):
                if wanted(frame):
                    return self.frames.pop(index)
            rest = deadline - time.monotonic()
            if rest <= 0 or not select.select([self.socket], [], [], rest)[0]:
                return None
            self.receive()

    def hello(self, epoch=None):
        self.epoch = epoch or random.getrandbits(64) | 1
        self.send(encode(HELLO, self.epoch, 0, struct.pack("<I", 1)))
        frame = self.next(lambda f: f[0] == HELLO_ACK and f[1] == self.epoch)
        assert frame, "no HELLO_ACK"
        assert struct.unpack_from("<III", frame[3]) == (1, 65536, 65536), frame
        return frame[3][12:].decode()

    def start(self, command, stdin=False, variables=()):
        self.requests += 1
        shell = isinstance(command, str)
        arguments = [command] if shell else command
        payload = struct.pack("<III", stdin | shell << 1, len(arguments), len(variables))
        payload += b"".join(os.fsencode(text) + b"\0" for text in [*arguments, *variables])
        self.send(encode(EXEC, self.epoch, self.requests, payload))
        return self.requests

    def own(self, request, *kinds):
        return lambda f: f[1] == self.epoch and f[2] == request and (not kinds or f[0] in kinds)

    def feed(self, request, data):
        """Sends stdin within the window, then its end."""
        window = 65536
        while data:
            while window == 0 or (frame := self.next(self.own(request, CREDIT), 0)):
                frame = self.next(self.own(request, CREDIT)) if window == 0 else frame
                window += struct.unpack("<I", frame[3])[0]
            part, data = data[: min(window, 30000)], data[min(window, 30000) :]
            self.send(encode(STDIN, self.epoch, request, part))
            window -= len(part)
        self.send(encode(STDIN, self.epoch, request))

    def finish(self, request):
        """-> exit code (a signal's is negative, an ERROR is a string), stdout, stderr"""
        out = {STDOUT: b"", STDERR: b""}
        while True:
            kind, _, _, payload = self.next(self.own(request)) or (None, 0, 0, b"")
            assert kind, f"request {request} never ended"
            if kind in out:
                out[kind] += payload
            elif kind == EXITED:
                signalled, value = struct.unpack("<II", payload)
                return (-value if signalled else value), out[STDOUT], out[STDERR]
            elif kind == ERROR:
                return f"{struct.unpack_from('<I', payload)[0]} {payload[4:].decode()}", out[STDOUT], out[STDERR]

    def run(self, command, **options):
        return self.finish(self.start(command, **options))
