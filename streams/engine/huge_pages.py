"""Huge pages under the tables: fewer misses of the processor's address cache, a tenth of the CPU with half a gigabyte of state.

Python takes its memory in pieces of 1 MB, half a huge page, so Linux never gives it one by itself. Once two neighbours are
there, it can be asked to put them together (``MADV_COLLAPSE``, Linux 6.1, madvise(2)); elsewhere nothing is done.
"""

from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path
from typing import Final

PAGE_BYTES: Final = 2 << 20
_MADV_COLLAPSE: Final = 25
ENABLED: Final = Path("/sys/kernel/mm/transparent_hugepage/enabled")
# Private, writable, of no file: the heap and what was mapped for it. Named areas such as stacks are not.
_AREA: Final = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw-p [0-9a-f]+ 00:00 0 *(?:\[heap\])?$", re.MULTILINE)


class HugePages:
    """Puts this process's memory together, piece by piece as it grows."""

    def __init__(self) -> None:
        # An administrator who said never means it; the call alone would not ask.
        self._is_wanted = (
            sys.platform == "linux" and ENABLED.exists() and "[never]" not in ENABLED.read_text()
        )
        self._done: set[int] = set()

    def collapse(self) -> int:
        """Ask for all that is not in huge pages yet; how many of them were put together. Runs beside Python's other threads."""
        if not self._is_wanted:
            return 0
        madvise = ctypes.CDLL(None).madvise
        pages = set(_pages(Path("/proc/self/maps").read_text()))
        # A page that is not full yet, or that there is no memory for, is asked for again the next time.
        new = {
            page
            for page in pages - self._done
            if madvise(ctypes.c_void_p(page), ctypes.c_size_t(PAGE_BYTES), _MADV_COLLAPSE) == 0
        }
        self._done = self._done & pages | new
        return len(new)


def _pages(maps: str) -> list[int]:
    """The addresses of the whole huge pages in the areas of ``/proc/self/maps``.

    >>> [hex(page) for page in _pages("7f0000100000-7f0000500000 rw-p 00000000 00:00 0 ")]
    ['0x7f0000200000']
    """
    pages: list[int] = []
    for area in _AREA.finditer(maps):
        start, end = (int(address, 16) for address in area.groups())
        first = -(-start // PAGE_BYTES) * PAGE_BYTES
        pages += range(first, end - PAGE_BYTES + 1, PAGE_BYTES)
    return pages
