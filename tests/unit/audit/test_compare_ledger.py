"""A ledger that is right has no difference; one entry changed by hand is named (ARCHITECTURE.md, R22)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from aiokafka import ConsumerRecord

from tests.unit.audit.events import view
from tests.unit.audit.money import DAY, at_ms, credit, facts, setting, spent
from tests.unit.audit.test_arrivals import FAR_MS, arrived, seen
from xinghe.audit.arrivals import Arrivals
from xinghe.audit.compare_ledger import LedgerComparison
from xinghe.audit.figures import Truth
from xinghe.audit.findings import Findings
from xinghe.audit.ledger_laws import FoundLedger
from xinghe.audit.money import expected_entries
from xinghe.audit.money_facts import MoneyFacts
from xinghe.audit.report import Report, as_text
from xinghe.domain.events import LEDGER_ENTRY
from xinghe.domain.terms import QianchuanRoi
from xinghe.domain.windows import HOUR_MS

FACTS = facts(
    [setting(0, guarantee=QianchuanRoi(at_ms(0), 2.0))],
    [spent(0, 1_000), spent(0, 1_200, revision=1, late_days=2), spent(1, 50), spent(4, 7)],
    credit(0, 0, 500, 10),
)
WATERMARK_MS = at_ms(5, 7)
"""Day 4, on which the guarantee is settled, is booked."""
Entries = list[dict[str, Any]]


def record(entry: dict[str, Any] | bytes, offset: int, **fields: Any) -> ConsumerRecord:
    value = entry if isinstance(entry, bytes) else orjson.dumps(entry)
    record_fields: dict[str, Any] = {"key": b"c1", "timestamp": at_ms(9), **fields}
    return ConsumerRecord(
        topic=LEDGER_ENTRY,
        partition=0,
        offset=offset,
        timestamp_type=1,
        value=value,
        checksum=None,
        serialized_key_size=2,
        serialized_value_size=len(value),
        headers=(),
        **record_fields,
    )


def entries(known: MoneyFacts = FACTS, last_day: int = 4) -> Entries:
    return [
        {**entry, "basis": {} if entry["line"] <= 2 else None}
        for entry in expected_entries(lambda _: known, DAY + last_day)
    ]


def findings(
    found: Entries, *, watermark_ms: int = WATERMARK_MS, arrivals: Arrivals | None = None, at: int = at_ms(9)
) -> Findings:
    ledger = FoundLedger()
    for offset, entry in enumerate(found):
        ledger.add(record(entry, offset, timestamp=at))
    result = Findings()
    comparison = LedgerComparison(lambda _: {"c1": FACTS}, arrivals or Arrivals({}), watermark_ms)
    comparison.compare(ledger, result)
    return result


def fields(found: Entries, **options: Any) -> set[str]:
    return {difference.field for difference in findings(found, **options).shown}


def test_what_is_right_has_no_difference() -> None:
    result = findings(entries())
    assert result.shown == []
    assert (result.compared["ledger_entries"], result.compared["ledger_amounts"]) == (12, 4)


def test_a_day_that_is_not_booked_yet_is_no_difference_and_one_that_should_be_is() -> None:
    early = entries(last_day=1)
    assert fields(early, watermark_ms=at_ms(3, 7) - 1) == set()
    # The revision is known on day 2.
    assert fields(early, watermark_ms=at_ms(3, 7)) == {"spend 2026-11-01"}
    assert fields(early) == {"spend 2026-11-01", "spend 2026-11-05", "guarantee 2026-11-01+3d"}
    assert fields([], watermark_ms=0) == set()


def test_a_day_may_be_booked_by_the_clock_and_not_before_it() -> None:
    assert fields(entries(), watermark_ms=at_ms(2), at=at_ms(5, 7)) == set()
    assert fields(entries(), watermark_ms=at_ms(2), at=at_ms(5, 7) - 1) == {"booked_ms"}


def changed(at: int, **values: Any) -> Callable[[Entries], None]:
    def change(found: Entries) -> None:
        found[at].update(values)

    return change


def swap(found: Entries) -> None:
    found[0:2], found[2:4] = found[2:4], found[0:2]


def pay_twice(found: Entries) -> None:
    found += [{**entry, "number": entry["number"] + 2} for entry in found[-2:]]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (changed(0, number=2), "number"),
        (changed(0, entry_id="x"), "entry_id"),
        (changed(1, time_ms=0), "time_ms"),
        (changed(1, amount_fen=-999), "sum"),
        (changed(4, amount_fen=1_100), "entries"),
        (changed(0, account="merchant:cash"), "accounts"),
        (changed(6, reverses="x"), "entries"),
        (changed(6, basis={}), "basis"),
        (lambda found: found.pop(1), "lines"),
        (swap, "place"),
        (pay_twice, "lines"),
        (changed(0, shop_id="s2"), "shop_id"),
        (changed(0, shop_id=3), "value"),
        (changed(0, day="2026-02-30"), "value"),
    ],
)
def test_each_law_of_entries_is_looked_at(change: Callable[[Entries], None], field: str) -> None:
    found = entries()
    change(found)
    assert field in fields(found)


def test_a_right_ledger_of_wrong_amounts_is_named_by_what_they_are_for() -> None:
    other = facts(FACTS.settings, [spent(0, 1_000), spent(1, 50), spent(4, 7)], credit(0, 0, 500, 10))
    result = findings(entries(other))
    told = {difference.field: (difference.expected, difference.found) for difference in result.shown}
    assert told.keys() == {"spend 2026-11-01", "guarantee 2026-11-01+3d"}
    assert told["guarantee 2026-11-01+3d"] == (
        "1000 fen, debit platform:guarantee_expense, credit merchant:ad_credit",
        "800 fen, debit platform:guarantee_expense, credit merchant:ad_credit",
    )


def test_what_came_late_is_a_notice() -> None:
    # Something of a person of c1 came late for day 4: the guarantee may lack it, the spend may not.
    arrivals = arrived((seen(view("v", 0), FAR_MS + 5 * 24 * HOUR_MS), 0), (seen(view("w", 0), at_ms(0)), 10))
    result = findings(entries()[:-2], arrivals=arrivals)
    assert (result.differences, result.notices_by_kind.total()) == (0, 1)
    result = findings(entries()[:-4], arrivals=arrivals)
    assert [difference.field for difference in result.shown] == ["spend 2026-11-05"]


def test_the_report_says_why_a_value_of_the_ledger_is_a_notice() -> None:
    arrivals = arrived((seen(view("v", 0), FAR_MS + 5 * 24 * HOUR_MS), 0), (seen(view("w", 0), at_ms(0)), 10))
    late = findings(entries()[:-2], arrivals=arrivals)
    text = "\n".join(as_text(Report(Truth(), late, 0, 0, 0, 0.0)))
    assert "1 values of the ledger differ where something came after its day was booked" in text
    assert "guarantee 2026-11-01+3d: expected 1000 fen" in text
    assert text.endswith("0 differences")
    assert "ledger" not in "\n".join(as_text(Report(Truth(), findings([], watermark_ms=0), 0, 0, 0, 0.0)))


def test_a_record_of_another_key_is_named() -> None:
    ledger = FoundLedger()
    ledger.add(record(entries()[0], 0, key=b"c2"))
    ledger.add(record(b"{", 1))
    assert [difference.field for difference in ledger.wrong] == ["key", "value"]
