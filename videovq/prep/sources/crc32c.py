"""CRC-32C, the checksum of TFRecord files.

Python has none of its own, and a loop over bytes in Python takes a second for each megabyte. The register of a CRC is
linear in the data, so that stretches of it can be worked through side by side and put together after.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt32

POLYNOMIAL = np.uint32(0x82F63B78)  # Castagnoli's, reflected
ONES = np.uint32(0xFFFFFFFF)


def _after_zeros(register: UInt32[np.ndarray, "n"], bits: int) -> UInt32[np.ndarray, "n"]:
    for _ in range(bits):
        register = np.where(register & 1, (register >> 1) ^ POLYNOMIAL, register >> 1)
    return register


TABLE = _after_zeros(np.arange(1 << 16, dtype=np.uint32), 16)  # by the register's lower half, to go on by two bytes
BITS = np.uint32(1) << np.arange(32, dtype=np.uint32)
ZERO_BYTE = _after_zeros(BITS, 8)  # what a byte of 0 makes of each bit of the register


def crc32c(data: bytes | bytearray | memoryview) -> int:
    """CRC-32C (iSCSI; RFC 3720, appendix B.4) of some bytes."""
    octets = np.frombuffer(data, dtype=np.uint8)
    stretch = 1 << max(3, len(octets).bit_length() // 2 - 1)  # as many steps as stretches, about
    stretches = np.zeros((-(-len(octets) // stretch), stretch), dtype=np.uint8)
    stretches.reshape(-1)[stretches.size - len(octets) :] = octets  # zeros in front leave an empty register empty
    register = np.zeros(max(1, len(stretches)), dtype=np.uint32)
    for column in np.ascontiguousarray(stretches.view("<u2").T) if len(stretches) else ():
        register = TABLE[register.astype(np.uint16) ^ column] ^ (register >> 16)
    zeros = _zero_bytes(stretch)
    while len(register) > 1:
        if len(register) % 2:
            register = np.concatenate([np.zeros(1, dtype=np.uint32), register])
        register = _through(zeros, register[::2]) ^ register[1::2]
        zeros = _through(zeros, zeros)
    start = _through(_zero_bytes(len(octets)), np.array([ONES]))  # a CRC starts from a register full of ones
    return int((register ^ start ^ ONES)[0])


def _through(zeros: UInt32[np.ndarray, "32"], register: UInt32[np.ndarray, "n"]) -> UInt32[np.ndarray, "n"]:
    found = np.zeros_like(register)
    for bit in range(32):
        found ^= np.where((register >> np.uint32(bit)) & 1, zeros[bit], np.uint32(0))
    return found


def _zero_bytes(count: int) -> UInt32[np.ndarray, "32"]:
    """What so many bytes of 0 make of each bit of the register."""
    found, power = BITS, ZERO_BYTE
    while count:
        if count & 1:
            found = _through(power, found)
        power, count = _through(power, power), count >> 1
    return found
