#!/usr/bin/env python3
# Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
# SPDX-License-Identifier: Apache-2.0

"""Writes the fuzz targets' seeds anew: small valid disks and conversations, made without the code that reads them."""

import os, struct, uuid

HERE = os.path.dirname(os.path.abspath(__file__))
SIZE, BLOCK = 32768, 4096
IDENTITY, PARENT = bytes(range(1, 17)), bytes(range(33, 49))


def put(target, name, data):
    os.makedirs(f"{HERE}/Seeds/{target}", exist_ok=True)
    with open(f"{HERE}/Seeds/{target}/{name}", "wb") as file:
        file.write(data)


def summed(data, field):
    data = bytearray(data)
    data[field:field + 4] = bytes(4)
    data[field:field + 4] = struct.pack(">I", ~sum(data) & 0xFFFFFFFF)
    return bytes(data)


def footer(kind, size=SIZE, creator=b"win "):
    offset = 0xFFFFFFFFFFFFFFFF if kind == 2 else 512
    data = struct.pack(
        ">8sIIQI4sI4sQQHBBII16sB", b"conectix", 2, 0x10000, offset, 0, creator, 0x60003, b"Wi2k", size, size,
        1, 4, 17, kind, 0, IDENTITY, 0)
    return summed(data + bytes(512 - len(data)), 64)


def header(entries, table, path=None):
    data = struct.pack(">8sQQIIII", b"cxsparse", 0xFFFFFFFFFFFFFFFF, table, 0x10000, entries, BLOCK, 0)
    name = "base.vhd".encode("utf-16-be") if path else b""
    data += (PARENT if path else bytes(16)) + bytes(8) + name + bytes(512 - len(name))
    if path:
        data += b"W2ru" + struct.pack(">IIIQ", 512, len(path), 0, table + 512)
    return summed(data + bytes(1024 - len(data)), 36)


def disk(kind, blocks):
    """A disk of eight blocks of 4 KiB, some of them there."""
    path = ".\\base.vhd".encode("utf-16-le") if kind == 4 else None
    start = 2048 + (512 if path else 0)
    table, data = [0xFFFFFFFF] * 8, b""
    for block in blocks:
        table[block] = (start + len(data)) // 512
        bitmap = (b"\x55" if kind == 4 else b"\xff") + bytes(511)
        data += bitmap + bytes([block + 1]) * BLOCK
    entries = b"".join(struct.pack(">I", entry) for entry in table)
    text = path + bytes(512 - len(path)) if path else b""
    middle = header(8, 1536, path) + entries + b"\xff" * (512 - len(entries)) + text + data
    return footer(kind) + middle + footer(kind)


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def checked(data, count):
    """A structure of so many bytes, most of them zero, with its CRC-32C in its second field."""
    whole = bytearray(data + bytes(count - len(data)))
    whole[4:8] = struct.pack("<I", crc32c(whole))
    return bytes(whole[:max(len(data), 8)])


def guid(text):
    return uuid.UUID(text).bytes_le


def vhdx(parent=False, logged=False):
    """The parts of a disk of 4 MiB with blocks of 1 MiB, as FuzzVHDX puts them into a file."""
    mib = 1 << 20
    log = bytes([9] * 16) if logged else bytes(16)
    head = lambda number: checked(
        struct.pack("<4sIQ16s16s16sHHIQ", b"head", 0, number, bytes([1] * 16), bytes([2] * 16), log, 0, 1, mib, mib), 4096)
    regions = checked(
        struct.pack("<4sIII", b"regi", 0, 2, 0)
        + guid("2DC27766-F623-4200-9D64-115E9BFD4A08") + struct.pack("<QII", 3 * mib, mib, 1)
        + guid("8B7CA206-4790-4B9A-B8FE-575F050F886E") + struct.pack("<QII", 2 * mib, mib, 1), 65536)
    items = [
        ("CAA16737-FA36-4D43-B3B6-33F0AA44E76B", struct.pack("<II", mib, 2 if parent else 0), 4),
        ("2FA54224-CD1B-4876-B211-5DBED83BF4B8", struct.pack("<Q", 4 * mib), 6),
        ("BECA12AB-B2E6-4523-93EF-C309E000C746", bytes([3] * 16), 6),
        ("8141BF1D-A96F-4709-BA47-F233A8FAAB5F", struct.pack("<I", 512), 6),
        ("CDA348C7-445D-4471-9CC9-E9885251C556", struct.pack("<I", 4096), 6),
    ]
    if parent:
        pairs = [("parent_linkage", "{" + str(uuid.UUID(bytes_le=bytes([2] * 16))) + "}"), ("relative_path", ".\\base.vhdx")]
        entries, texts = b"", b""
        for key, value in pairs:
            key, value = key.encode("utf-16-le"), value.encode("utf-16-le")
            start = 20 + 12 * len(pairs) + len(texts)
            entries += struct.pack("<IIHH", start, start + len(key), len(key), len(value))
            texts += key + value
        locator = guid("B04AEFB7-D19E-4A81-B789-25B8E9445913") + struct.pack("<HH", 0, len(pairs)) + entries + texts
        items.append(("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C", locator, 4))
    table, data = struct.pack("<8sHH20s", b"metadata", 0, len(items), bytes(20)), b""
    for identity, value, flags in items:
        table += guid(identity) + struct.pack("<IIII", 65536 + len(data), len(value), flags, 0)
        data += value
    entries = b""
    if logged:
        zero = struct.pack("<4sIQQQ", b"zero", 0, 4096, 4 * mib, 5)
        entries = checked(
            struct.pack("<4sIIIQII16sQQ", b"loge", 0, 4096, 0, 5, 1, 0, log, 8 * mib, 8 * mib) + zero, 4096)
    blocks = struct.pack("<QQQQ", 4 * mib | 6, 0, 2, 5 * mib | 6)
    parts = [
        (b"vhdxfile" + "seed".encode("utf-16-le"), 64), (head(1), 96), (head(2), 96), (regions, 96), (regions, 96),
        (entries, 8192), (table, 256), (data, 512), (blocks, 64)]
    return b"".join(part + bytes(count - len(part)) for part, count in parts)


def option(code, data=b""):
    return b"IHAVEOPT" + struct.pack(">II", code, len(data)) + data


def request(command, offset=0, length=0, flags=0, payload=b""):
    return struct.pack(">IHHQQI", 0x25609513, flags, command, 7, offset, length) + payload


def main():
    for name, kind in (("fixed", 2), ("dynamic", 3), ("differencing", 4)):
        put("FuzzFooter", name, footer(kind))
    put("FuzzFooter", "qemu", footer(3, 17 * 4 * 512, b"qemu"))
    put("FuzzFooter", "short", footer(3)[:511])
    put("FuzzHeader", "dynamic", header(8, 1536))
    put("FuzzHeader", "differencing", header(8, 1536, ".\\base.vhd".encode("utf-16-le")))
    for name, path in (("here", ".\\base.vhd"), ("up", "..\\..\\base.vhd"), ("drive", "C:\\lab\\base.vhd"),
                       ("slashes", "../a/base.vhd"), ("padded", "base.vhd\0\0"), ("device", "\\\\?\\C:\\x")):
        put("FuzzLocator", name, path.encode("utf-16-le"))
    put("FuzzDisk", "fixed", b"\x09" + bytes(4096) + footer(2, 4096))
    for choice in (b"\x0f", b"\x07"):
        put("FuzzDisk", f"dynamic-{choice[0]}", choice + disk(3, [0, 5]))
        put("FuzzDisk", f"differencing-{choice[0]}", choice + disk(4, [1, 7]))
    put("FuzzDisk", "empty", b"\x0f" + disk(4, []))
    put("FuzzDisk", "no-footer", b"\x0e" + disk(3, [2])[:-512])

    put("FuzzVHDX", "dynamic", b"\x0f" + vhdx())
    put("FuzzVHDX", "read-only", b"\x07" + vhdx())
    put("FuzzVHDX", "differencing", b"\x0f" + vhdx(parent=True))
    put("FuzzVHDX", "logged", b"\x0f" + vhdx(logged=True))

    name = struct.pack(">I", 0)
    context = name + struct.pack(">II", 1, 15) + b"base:allocation"
    start = struct.pack(">I", 3)
    go = option(7, name + struct.pack(">HHH", 2, 0, 3))
    put("FuzzHandshake", "go", start + option(8) + option(10, context) + go)
    put("FuzzHandshake", "ask", start + option(3) + option(9, context) + option(6, name + b"\0\0") + option(2))
    put("FuzzHandshake", "name", start + option(1, b"") + request(0, 0, 512) + request(2))
    put("FuzzHandshake", "unknown", start + option(5) + option(99, b"data") + go + request(2))
    put("FuzzTransmission", "all", b"\x01" + request(0, 0, 4096) + request(1, 512, 512, 1, bytes(512)) + request(3)
        + request(4, 4096, 4096) + request(5, 0, 65536) + request(6, 0, 4096, 2) + request(7, 0, 65536, 8) + request(2))
    put("FuzzTransmission", "plain", b"\x00" + request(0, 4096, 512) + request(1, 0, 512, 0, b"x" * 512) + request(3))
    put("FuzzTransmission", "wrong", b"\x01" + request(0, 65536, 512) + request(1, 1, 3, 0, b"abc") + request(9, 0, 1)
        + request(6, 0, 65536, 16) + request(0, 0, 65536, 4))


main()
