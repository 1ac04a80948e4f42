"""Settings of the C library's memory allocator."""

from __future__ import annotations

import ctypes
import sys


def keep_freed_memory() -> None:
    """Make glibc keep freed blocks; otherwise every large activation is mapped and zeroed again.

    benchmarks/memory.py measures what it saves. Does nothing on other systems.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            for parameter in (-3, -1):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
                libc.mallopt(parameter, 1 << 30)
