"""Named points at which a test can have the process die as if by ``kill -9``.

``XINGHE_CRASH_AT=name:probability`` arms one point; unset, the check is one comparison.
"""

from __future__ import annotations

import os
import random
import signal

CRASH_POINTS = ("before_send", "between_offsets_and_commit", "after_commit")

_armed, _, _probability = os.environ.get("XINGHE_CRASH_AT", "").partition(":")
try:
    _share = float(_probability or 1)
except ValueError:
    _share = -1.0
if _armed and (_armed not in CRASH_POINTS or not 0 <= _share <= 1):
    message = (
        f"XINGHE_CRASH_AT={_armed}:{_probability} is not NAME:PROBABILITY, with one of {', '.join(CRASH_POINTS)} "
        "and a number from 0 to 1"
    )
    raise SystemExit(message)


def crash_point(name: str) -> None:
    """Kill the process here where this point is armed and its dice say so."""
    if name == _armed and random.random() < _share:
        os.kill(os.getpid(), signal.SIGKILL)
