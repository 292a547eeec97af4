"""Looking at the machine's processes, for tests that none is left over."""

from __future__ import annotations

from pathlib import Path

from tests.waiting import wait_until


def processes_of(data_dir: Path) -> list[int]:
    """The ids of the processes that name the folder in their command line or work in it, as Redis does."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command_line = (folder / "cmdline").read_bytes()
            works_in = (folder / "cwd").readlink()
        except OSError:
            # No process, or one that has just ended.
            continue
        if str(data_dir).encode() in command_line or works_in == data_dir:
            found.append(int(folder.name))
    return found


def wait_until_gone(data_dir: Path) -> None:
    wait_until(
        lambda: not processes_of(data_dir),
        "no process is left over",
        said=lambda: f"left over: {processes_of(data_dir)}",
    )


def children_of(parent_id: int) -> set[int]:
    """The ids of the processes that the process has started and not waited for."""
    return {
        int(child)
        for task in Path(f"/proc/{parent_id}/task").iterdir()
        for child in (task / "children").read_text().split()
    }


def is_running(process_id: int) -> bool:
    """Whether the process is there and no zombie that waits for its parent."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
