"""Huge pages under the tables."""

from __future__ import annotations

import mmap
import platform
import re
from pathlib import Path

import pytest

from streams.engine import huge_pages
from streams.engine.huge_pages import PAGE_BYTES, HugePages

ROLLUP = Path("/proc/self/smaps_rollup")


def kernel() -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", platform.release())[:2])


@pytest.mark.skipif(
    platform.system() != "Linux" or kernel() < (6, 1) or not huge_pages.ENABLED.exists(),
    reason="Linux collapses pages on demand from 6.1 on",
)
def test_memory_that_is_in_use_is_put_together_once_and_stays_as_it_is() -> None:
    area = mmap.mmap(-1, 8 * PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.write(b"x" * len(area))
    pages = HugePages()
    if not pages.collapse():
        pytest.skip("this kernel has no huge page to give, or its administrator wants none")
    assert int(re.findall(r"AnonHugePages: +(\d+)", ROLLUP.read_text())[0]) > 0
    assert pages.collapse() <= 1, "what is done is not asked for again"
    assert area[:] == b"x" * len(area)


def test_an_administrator_who_wants_no_huge_pages_gets_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = tmp_path / "enabled"
    setting.write_text("always madvise [never]\n")
    monkeypatch.setattr(huge_pages, "ENABLED", setting)
    assert HugePages().collapse() == 0
