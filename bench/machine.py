"""The machine and the versions that figures belong to."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("faust-streaming", "aiokafka", "msgspec", "redis")


def describe(kafka_lib_dir: Path) -> dict[str, object]:
    """Processor, cores, memory, and versions of what ran."""
    return {
        "cpu": _first(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "kafka": ", ".join(_kafka_versions(kafka_lib_dir)),
        "java": _first(r'version "([^"]*)"', _output("java", "-version")),
        "redis_server": _first(r"v=(\S+)", _output("redis-server", "--version")),
        **{package: version(package) for package in PACKAGES},
    }


def _kafka_versions(lib_dir: Path) -> list[str]:
    return [jar.stem.removeprefix("kafka_2.13-") for jar in lib_dir.glob("kafka_2.13-*.jar")]


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # Java prints its version to standard error.
    return done.stdout + done.stderr


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found[1] if found else None
