"""A batch of the index: of what is overwritten the last, what does not fit is left out, people with several ids have one order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson
import pytest

from streams.index.fold import Fold
from streams.index.persons import Persons
from tests.outputs import TIME_MS, attribution, credit, ledger_entry
from xinghe.domain.events import DEAD_LETTER, LEDGER_ENTRY, ORDER_ATTRIBUTED, CampaignConfigured
from xinghe.domain.windows import DAY_MS
from xinghe.serving.records_writer import RecordsWrite


@dataclass(frozen=True, slots=True)
class Consumed:
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int = 0
    offset: int = 0
    timestamp: int = 7


@dataclass(frozen=True, slots=True)
class Redis:
    """As much of what Redis has as a batch asks for."""

    persons_of: dict[str, list[str]]
    effective: dict[str, int]

    async def persons(self, order_ids: Sequence[str]) -> list[list[str]]:
        return [self.persons_of.get(order_id, []) for order_id in order_ids]

    async def effective_ms(self, campaign_ids: Any) -> dict[str, int]:
        return {each: self.effective[each] for each in campaign_ids if each in self.effective}


def order(order_id: str, person_id: str, revision: int = 1) -> Consumed:
    value = attribution(order_id, [credit("c1", 5)], revision=revision, person_id=person_id)
    return Consumed(ORDER_ATTRIBUTED, order_id.encode(), msgspec.json.encode(value))


def setting(campaign_id: str, effective_ms: int, **more: Any) -> Consumed:
    value = {"campaign_id": campaign_id, "shop_id": "s1", "name": "n", "effective_ms": effective_ms, **more}
    return Consumed(CampaignConfigured.topic, campaign_id.encode(), orjson.dumps(value))


async def folded(
    *records: Consumed,
    links: Sequence[tuple[str, str]] = (),
    there: dict[str, list[str]] | None = None,
    effective: dict[str, int] | None = None,
    now_ms: int = TIME_MS,
) -> RecordsWrite:
    persons = Persons()
    for one, other in links:
        persons.join(one, other)
    fold = Fold(persons, order_days=90, now_ms=now_ms)
    for record in records:
        fold.take(record)
    return await fold.changes(Redis(there or {}, effective or {}))  # type: ignore[arg-type]  # as much as is asked


async def test_the_last_record_of_an_order_counts_as_it_came() -> None:
    write = await folded(order("o1", "p1"), order("o1", "p1", 2), order("o1", "p2"))
    assert [(each.person_id, msgspec.json.decode(each.json)["revision"]) for each in write.orders] == [
        *(("p1", 2), ("p2", 1))
    ]
    assert write.orders[0].json.encode() == order("o1", "p1", 2).value
    assert write.orders[0].expire_at_ms == TIME_MS + 90 * DAY_MS
    assert not any(each.stale for each in write.orders)


@pytest.mark.parametrize(
    "links", [[("old", "new")], [("old", "x"), ("x", "new")], [("x", "old"), ("x", "new")]]
)
async def test_an_order_told_anew_under_another_id_replaces_the_old(links: list[tuple[str, str]]) -> None:
    there = {"o1": ["old", "stranger"]}
    write = await folded(order("o1", "new", 2), links=links, there=there)
    assert [(each.person_id, each.stale) for each in write.orders] == [("new", ["old"])]
    # Within a batch too, and what is there from before it goes as well.
    write = await folded(order("o1", "old", 2), order("o1", "new", 3), links=links, there=there)
    assert [(each.person_id, each.stale) for each in write.orders] == [("new", ["old"])]


async def test_the_same_order_of_people_who_are_not_linked_stays() -> None:
    there = {"o1": ["p1"], "o2": ["p2"]}
    write = await folded(order("o1", "p2"), order("o2", "p2"), links=[("p2", "p3")], there=there)
    assert [(each.person_id, each.stale) for each in write.orders] == [("p2", []), ("p2", [])]


async def test_orders_that_are_too_old_are_left_out() -> None:
    kept_until_ms = TIME_MS + 90 * DAY_MS
    assert (await folded(order("o1", "p1"), now_ms=kept_until_ms - 1)).orders
    assert not (await folded(order("o1", "p1"), now_ms=kept_until_ms)).orders


async def test_the_newest_settings_count_of_equal_ones_the_later() -> None:
    first, second = setting("c1", 5, budget_fen=1), setting("c1", 5, budget_fen=2)
    assert (await folded(first, second, setting("c1", 4))).settings == {"c1": (second.value or b"").decode()}
    assert (await folded(first, effective={"c1": 6})).settings == {}
    assert (await folded(first, effective={"c1": 5})).settings == {"c1": (first.value or b"").decode()}


async def test_a_null_value_deletes_settings_and_older_ones_count_again() -> None:
    null = Consumed(CampaignConfigured.topic, b"c1", None)
    assert (await folded(null, effective={"c1": 6})).settings == {"c1": None}
    later = setting("c1", 3)
    write = await folded(setting("c1", 5), null, later, effective={"c1": 6})
    assert write.settings == {"c1": (later.value or b"").decode()}


@pytest.mark.parametrize(
    "record",
    [
        setting("c:1", 5),
        setting("c1", 5, shop_id="s|1"),
        setting("c1", 5, model="best"),
        Consumed(CampaignConfigured.topic, b"c2", setting("c1", 5).value),
        Consumed(CampaignConfigured.topic, b"c1", b'{"campaign_id": "c1"'),
        Consumed(CampaignConfigured.topic, b"c1", b"\xff"),
        Consumed(CampaignConfigured.topic, b"c1", (setting("c1", 5).value or b"") + b" " * 70_000),
        Consumed(CampaignConfigured.topic, None, None),
    ],
)
async def test_settings_that_the_stream_refuses_are_left_out(record: Consumed) -> None:
    assert (await folded(record)).settings == {}


async def test_entries_are_put_under_their_campaign_and_number() -> None:
    entries = [ledger_entry("c1", 1), ledger_entry("c2", 1), ledger_entry("c1", 2)]
    write = await folded(*(Consumed(LEDGER_ENTRY, b"", msgspec.json.encode(each)) for each in entries))
    assert [(each.campaign_id, each.number) for each in write.entries] == [("c1", 1), ("c2", 1), ("c1", 2)]
    assert [msgspec.json.decode(each.json, type=type(entries[0])) for each in write.entries] == entries


async def test_dead_letters_become_harmless_text() -> None:
    headers = [("reason", b"invalid"), ("detail", b"$.x"), ("source_topic", b"t"), ("source_offset", b"3")]
    write = await folded(Consumed(DEAD_LETTER, None, b"\x1b[31m\xff" + b"a" * 500, headers))
    (letter,) = write.letters
    assert (letter.reason, letter.detail, letter.key, letter.time_ms) == ("invalid", "$.x", "", 7)
    assert letter.value.startswith(r"\x1b[31m\xffa")
    assert letter.value.endswith("more characters)")
    assert letter.source_partition == "unknown"


@pytest.mark.parametrize("topic", [ORDER_ATTRIBUTED, LEDGER_ENTRY])
@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff", b"[" * 100_000])
async def test_what_no_topic_of_ours_holds_is_left_out(topic: str, value: bytes | None) -> None:
    assert await folded(Consumed(topic, b"k", value)) == RecordsWrite([], [], {}, [])
