"""How long the audit looks again: as long as what differs may come right by itself."""

from __future__ import annotations

from xinghe.audit.findings import Difference, Findings
from xinghe.audit.patience import BOOKS_PAUSE_S, GROWING_S, Patience
from xinghe.audit.recompute import SETTLE_S


class Look:
    """Looks of an audit, with a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.said: list[str] = []
        self.patience = Patience(60, self.said.append, lambda: self.now_s)

    def is_over(self, at_s: float, *kinds: str, entries: int = 7, are_notices: bool = False) -> bool:
        self.now_s = at_s
        findings = Findings()
        for kind in kinds:
            findings.add(Difference(kind, "where", "field", 2, 1), is_notice=are_notices)
        return self.patience.is_over(findings, entries)


def test_what_does_not_differ_is_over_at_once() -> None:
    look = Look()
    assert look.is_over(0)
    assert look.said == []


def test_what_differs_has_as_long_as_a_commit_takes_to_be_followed() -> None:
    look = Look()
    assert not look.is_over(0, "redis", "models")
    assert not look.is_over(SETTLE_S - 0.1, "redis", "models")
    assert look.is_over(SETTLE_S, "redis", "models")
    assert look.said == ["2 values differ; looking again, the last commit may be a moment old"]


def test_models_alone_are_waited_for_as_long_as_the_stream_may_take() -> None:
    look = Look()
    assert not look.is_over(SETTLE_S, "models")
    assert not look.is_over(SETTLE_S + 59.9, "models")
    assert look.is_over(SETTLE_S + 60, "models")


def test_books_that_are_behind_are_waited_for_as_long_as_they_grow() -> None:
    look = Look()
    for second in range(1_000):
        assert not look.is_over(second, "ledger", "models", entries=second)
    assert not look.is_over(999 + BOOKS_PAUSE_S - 0.1, "ledger", entries=999)
    assert look.is_over(999 + BOOKS_PAUSE_S, "ledger", entries=999)
    assert look.said[1:] == ["the books are behind, 2 values differ; waiting as long as days are booked"]
    again = Look()
    assert not again.is_over(0, "ledger", entries=1)
    assert again.is_over(1, entries=2), "they have caught up"


def test_books_that_do_not_grow_have_the_time_that_a_day_waits_until_it_is_booked() -> None:
    look = Look()
    assert not look.is_over(0, "ledger")
    assert not look.is_over(GROWING_S - 0.1, "ledger", "guarantee")
    assert look.is_over(GROWING_S, "ledger")


def test_traffic_that_goes_on_does_not_hold_it_up() -> None:
    look = Look()
    assert not look.is_over(0, "redis", "ledger", entries=1)
    assert look.is_over(SETTLE_S, "redis", "ledger", entries=2)


def test_books_of_campaigns_that_cannot_be_compared_exactly_are_waited_for_too() -> None:
    look = Look()
    for second in range(100):
        assert not look.is_over(second, "ledger", entries=second, are_notices=True)
    assert look.is_over(99 + BOOKS_PAUSE_S, "ledger", entries=99, are_notices=True)
    quiet = Look()
    assert not quiet.is_over(0, "ledger", are_notices=True)
    assert quiet.is_over(GROWING_S, "ledger", are_notices=True)
    assert quiet.said == []
    assert Look().is_over(0, "guarantee", are_notices=True)
