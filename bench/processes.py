"""What a process costs, read from the kernel, and processes pinned to a core."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from xinghe.processes import start_child

REPOSITORY: Final = Path(__file__).parents[1]
SERVICES_CORE: Final = min(1, (os.cpu_count() or 1) - 1)
"""Where the broker, Redis, the writers and the bench itself run."""
ENGINE_CORE: Final = 0
"""Where what is measured runs, alone."""
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


def pin_to_services_core() -> None:
    """Keep this process, and what it starts from now on, off the engine's core."""
    os.sched_setaffinity(0, {SERVICES_CORE})


def start_on_engine_core(
    arguments: Sequence[str], env: Mapping[str, str], cwd: Path, log: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start ``python <arguments>`` in folder ``cwd``, pinned to the engine's core, output to ``log``."""
    return start_child(
        ["taskset", "-c", str(ENGINE_CORE), sys.executable, *arguments],
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**env, "PYTHONPATH": str(REPOSITORY)},
        cwd=cwd,
    )


def cpu_s(pid: int) -> float:
    """User and system seconds of the process and all its children, living and dead."""
    return sum(_cpu_ticks(each) for each in _tree(pid)) / _TICKS_PER_S


def rss_kb(pid: int) -> int:
    """Resident memory now, children included."""
    return sum(_status_kb(each, "VmRSS") for each in _tree(pid))


def rss_peak_kb(pid: int) -> int:
    """Highest resident memory so far, children included."""
    return sum(_status_kb(each, "VmHWM") for each in _tree(pid))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _tree(int(child))


def _cpu_ticks(pid: int) -> int:
    # The name in parentheses may hold spaces; the numbers start behind it, with field 3.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15])


def _status_kb(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    message = f"process {pid} has no {name}: it has ended"
    raise ProcessLookupError(message)
