"""Faults of files, for the fuzzers."""

from __future__ import annotations

import random


def damage(data: bytes, chance: random.Random) -> bytes:
    """The file with one fault."""
    at, length = chance.randrange(len(data)), min(len(data), 1 << chance.randrange(10))
    kind = chance.choice(("flip", "cut", "hole", "insert", "drop"))
    if kind == "flip":
        changed = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        return bytes(changed)
    if kind == "cut":
        return data[:at]
    if kind == "hole":
        return data[:at] + bytes(length) + data[at + length :]
    if kind == "insert":
        return data[:at] + chance.randbytes(length) + data[at:]
    return data[:at] + data[at + length :]
