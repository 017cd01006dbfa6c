"""Damage to the bytes: cut, changed, repeated, and lengths that lie."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hostile.case import Hostile, sound


def files() -> Iterator[Hostile]:
    data = sound().SerializeToString()
    chance = random.Random(0)
    for number in range(20):
        end = number * len(data) // 20
        yield Hostile(f"wire: cut after {end}", data[:end], r".", either=True)
    for number in range(40):
        mutant = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 8))):
            mutant[chance.randrange(len(data))] = chance.randrange(256)
        yield Hostile(f"wire: changed bytes {number}", bytes(mutant), r".", either=True)
    for number in range(10):
        start = chance.randrange(len(data))
        part = data[start : start + chance.randrange(1, 40)]
        yield Hostile(f"wire: repeated bytes {number}", data[:start] + part + data[start:], r".", either=True)
    for name, content in {
        "empty": b"",
        "text": b"hello, world\n",
        "zeros": bytes(1000),
        "ones": b"\xff" * 1000,
        "zip": b"PK\x03\x04" + bytes(100),
        "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
        "endless varint": b"\x80" * 1000,
        "length beyond the file": b"\x3a\xff\xff\xff\xff\x0f",
        "length beyond 64 bits": b"\x3a" + b"\xff" * 9 + b"\x7f",
        "group that never ends": b"\x3b" * 1000,
        "field number 0": b"\x02\x01a",
        "reserved wire type": b"\x3f\x00",
        "graph without a version": b"\x3a\x00",
        "version without a graph": b"\x08\x09",
        "deep groups": b"\x0b" * 100_000 + b"\x0c" * 100_000,
        "deep messages": _deep(500),
    }.items():
        yield Hostile(f"wire: {name}", content, r".")


def _deep(levels: int) -> bytes:
    """Graphs in attributes of nodes of graphs."""
    graph = b""
    for _ in range(levels):
        attribute = b"\x0a\x01a" + b"\xa0\x01\x05" + _field(6, graph)
        graph = _field(1, _field(5, attribute))
    return b"\x08\x09" + _field(7, graph)


def _field(number: int, content: bytes) -> bytes:
    length, encoded = len(content), bytearray([number << 3 | 2])
    while length >= 0x80:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*encoded, length]) + content
