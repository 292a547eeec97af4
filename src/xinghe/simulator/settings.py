"""What the model can be told: how many people and campaigns, and the shares of what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass

HISTORY_DAYS_MAX = 30
"""A touch may reach a payment for 30 days, and events older than 31 days are refused."""


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """Sizes and shares of the model; a share is a probability per record or per session, 0 to 1.

    ``bad_share``: records that do not fit the contract, of every kind in turn.
    ``duplicate_share``: good events that are delivered twice.
    ``late_share``: events that are delivered up to 10 minutes after they happened.
    ``skew_share``: events whose clock is up to 5 minutes ahead or up to 2 hours behind.
    ``history_share``: sessions whose touches happened up to ``history_days`` ago and come only now.
    ``days_long``: the run is one of days, so that guarantees, matches and shares are settled in it: spend is reported when
    its hour is over, settings change by the day, and what takes days is waited for.
    ``late_revision_share``: spend reports that are revised days later, in a run of days.
    ``links``: some people have several ids, and links say so.

    Raises ``ValueError`` that names setting, value and what would be right.
    """

    people: int = 10_000
    campaigns: int = 20
    bad_share: float = 0.002
    duplicate_share: float = 0.01
    late_share: float = 0.02
    skew_share: float = 0.005
    history_share: float = 0.05
    history_days: int = 30
    days_long: bool = False
    late_revision_share: float = 0.02
    links: bool = True

    def __post_init__(self) -> None:
        """Refuse what the model cannot do."""
        _check("people", self.people, 2, 10_000_000)
        _check("campaigns", self.campaigns, 1, 100_000)
        _check("history_days", self.history_days, 1, HISTORY_DAYS_MAX)
        for name in (
            "bad_share",
            "duplicate_share",
            "late_share",
            "skew_share",
            "history_share",
            "late_revision_share",
        ):
            _check(name, getattr(self, name), 0, 0.9)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} is {value:g}; it must be from {low:g} to {high:g}")
