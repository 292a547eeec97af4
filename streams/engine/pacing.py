"""When a task's next commit begins."""

from __future__ import annotations

from typing import Final

GATHER_S: Final = 0.01
"""How long a commit that could start at once waits for the other batches of the same fetch."""
FOLLOW_GATHER_S: Final = 0.05
"""The same in a stage that follows another, for what the other's tasks commit at one moment."""


def pause_s(*, interval_s: float, since_s: float, took_s: float, follows: bool, clock_s: float) -> float:
    """How long a commit waits for which there is work now.

    ``interval_s`` is the set commit interval, ``since_s`` how long ago the task's last commit started, ``took_s`` how long
    that took, ``clock_s`` the time of day.

    From one commit's start to the next it is the interval, or down to half of it where commits are quick: two stages wait
    one after the other, and a commit that takes two fifths of the time leaves the rest for events. While events flow, the
    tasks of a first stage start their commits at the same moments, multiples of half an interval, also those of other
    workers: so a stage that follows has all of it at once, and commits once for it and soon.

    >>> pause_s(interval_s=0.2, since_s=9.0, took_s=0.05, follows=False, clock_s=70.03)
    0.01
    >>> [round(pause_s(interval_s=0.2, since_s=0.03, took_s=took_s, follows=False, clock_s=70.03), 3) for took_s in (0.05, 0.07)]
    [0.07, 0.17]
    >>> round(pause_s(interval_s=0.2, since_s=0.12, took_s=0.05, follows=True, clock_s=70.03), 3)
    0.05
    """
    half_s = interval_s / 2
    if follows:
        return max(1.5 * half_s - since_s, FOLLOW_GATHER_S)
    spacing_s = min(max(2.5 * took_s, half_s), interval_s)
    if since_s >= spacing_s:
        return GATHER_S
    return max(round((clock_s + spacing_s - since_s) / half_s) * half_s - clock_s, GATHER_S)
