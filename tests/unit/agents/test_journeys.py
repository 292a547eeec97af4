"""Stage 1 at its edges: every kind of bad record (R1), in order of the rules, and never at the cost of its neighbours."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.pipeline import BROKER_MS, Pipeline, Sent
from xinghe.domain.delta import Delta, PathDelta, Watermark
from xinghe.domain.events import CAMPAIGN_DELTA, PATH_DELTA, CouponClaimed, NoteViewed, OrderPaid
from xinghe.domain.windows import DAY_MS, FUTURE_MS, MINUTE_MS

TIME_MS = 1_790_000_000_000
GOOD: dict[str, Any] = {
    "event_id": "e1",
    "person_id": "p1",
    "time_ms": TIME_MS,
    "shop_id": "s1",
    "note_id": "n1",
    "campaign_id": "c1",
    "item_id": "i1",
    "order_id": "o1",
    "amount_fen": 100,
}
VIEWED = "xhs.note.viewed.v1"
ENGAGED = "xhs.note.engaged.v1"
PAID = "taobao.order.paid.v1"
COUPON = "promo.coupon.claimed.v1"


def json(**changes: Any) -> bytes:
    """A good value for every topic but for what is changed; a field that is changed to ``...`` is missing."""
    return msgspec.json.encode({name: value for name, value in (GOOD | changes).items() if value is not ...})


def with_field(field: bytes) -> bytes:
    """A good value with a field written by hand behind the others."""
    return json()[:-1] + b"," + field + b"}"


def letters_of(
    topic: str, *records: tuple[bytes | None, bytes | None], pipeline: Pipeline | None = None
) -> list[Sent]:
    pipeline = pipeline or Pipeline(1)
    pipeline.feed_records(topic, 0, records)
    pipeline.settle()
    return pipeline.dead_letters()


def reason_and_detail(letter: Sent) -> tuple[str, str]:
    headers = dict(letter.headers)
    return headers["reason"].decode(), headers["detail"].decode()


BAD: list[Any] = [
    pytest.param(VIEWED, None, "invalid", "value: null", id="null"),
    pytest.param(VIEWED, b" " * 65_537, "too_large", "value: 65537 bytes", id="oversized"),
    pytest.param(VIEWED, b"x" * 10_000_000, "too_large", "10000000", id="ten-megabytes"),
    pytest.param(VIEWED, b"", "malformed", "", id="empty"),
    pytest.param(VIEWED, b"{", "malformed", "", id="cut-off"),
    pytest.param(VIEWED, b"not json", "malformed", "", id="no-json"),
    pytest.param(VIEWED, json() + b"{}", "malformed", "", id="two-documents"),
    pytest.param(VIEWED, with_field(b'"surface":"\xff"'), "malformed", "", id="invalid-utf-8"),
    pytest.param(VIEWED, b'{"x":"\xff",' + json()[1:], "malformed", "", id="invalid-utf-8-in-unknown-field"),
    pytest.param(VIEWED, b'{"\xff":1,' + json()[1:], "malformed", "", id="invalid-utf-8-in-unknown-name"),
    pytest.param(VIEWED, with_field(b'"surface":"\\ud800"'), "malformed", "", id="half-a-character"),
    pytest.param(VIEWED, b'{"event_id":5,"x":', "malformed", "", id="cut-off-behind-a-wrong-type"),
    pytest.param(VIEWED, b"[1,", "malformed", "", id="cut-off-array"),
    pytest.param(
        VIEWED,
        b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"," + json()[1:],
        "malformed",
        "",
        id="nested-without-end",
    ),
    pytest.param(VIEWED, b"[]", "invalid", "Expected `object`", id="no-object"),
    pytest.param(VIEWED, json(time_ms="soon"), "invalid", "$.time_ms", id="wrong-type"),
    pytest.param(VIEWED, json(time_ms=1.5), "invalid", "$.time_ms", id="half-a-millisecond"),
    pytest.param(VIEWED, json(time_ms=-1), "invalid", "$.time_ms", id="before-the-epoch"),
    pytest.param(VIEWED, json(event_id=""), "invalid", "$.event_id", id="empty-id"),
    pytest.param(VIEWED, json(event_id="x" * 65), "invalid", "$.event_id", id="long-id"),
    pytest.param(VIEWED, json(note_id=...), "invalid", "note_id", id="missing-field"),
    pytest.param(VIEWED, json(surface="billboard"), "invalid", "$.surface", id="unknown-enum"),
    pytest.param(ENGAGED, json(action="stare"), "invalid", "$.action", id="unknown-action"),
    pytest.param(ENGAGED, json(), "invalid", "action", id="missing-action"),
    pytest.param(PAID, json(amount_fen=0), "invalid", "$.amount_fen", id="zero-money"),
    pytest.param(PAID, json(amount_fen=-100), "invalid", "$.amount_fen", id="negative-money"),
    pytest.param(PAID, json(amount_fen=10**14 + 1), "invalid", "$.amount_fen", id="too-much-money"),
    pytest.param(PAID, json(amount_fen=9.99), "invalid", "$.amount_fen", id="half-a-fen"),
    pytest.param(VIEWED, json(shop_id="s:1"), "invalid", "$.shop_id", id="colon-in-shop"),
    pytest.param(VIEWED, json(shop_id="s|1"), "invalid", "$.shop_id", id="bar-in-shop"),
    pytest.param(VIEWED, json(campaign_id="c|1"), "invalid", "$.campaign_id", id="bar-in-campaign"),
    pytest.param(VIEWED, json(campaign_id="organic:s1"), "invalid", "$.campaign_id", id="organic-by-name"),
    pytest.param(PAID, json(shop_id="s:1"), "invalid", "$.shop_id", id="colon-in-shop-of-an-order"),
    pytest.param(VIEWED, json(person_id="p2"), "key_mismatch", "person_id 'p2'", id="key-of-another"),
    pytest.param(VIEWED, json(time_ms=BROKER_MS + FUTURE_MS + 1), "future", "$.time_ms", id="future"),
]


@pytest.mark.parametrize(("topic", "value", "reason", "detail"), BAD)
def test_a_bad_record_is_a_dead_letter_and_its_neighbours_count(
    topic: str, value: bytes | None, reason: str, detail: str
) -> None:
    pipeline = Pipeline(1)
    good = [
        (b"p1", json(event_id=f"good-{number}", order_id=f"o{number}", action="share")) for number in range(2)
    ]
    letters = letters_of(topic, good[0], (b"p1", value), good[1], pipeline=pipeline)
    assert len(letters) == 1
    assert (letters[0].key, letters[0].value) == (b"p1", value)
    found = dict(letters[0].headers)
    assert (found["source_topic"], found["source_partition"], found["source_offset"]) == (
        topic.encode(),
        b"0",
        b"1",
    )
    assert reason_and_detail(letters[0])[0] == reason
    assert detail in reason_and_detail(letters[0])[1]
    metric = {VIEWED: "views", ENGAGED: "shares", PAID: "orders_micros"}[topic]
    counted = sum(metrics[metric] for key, metrics in pipeline.windows().items() if key[1] == "total")
    assert counted == (2_000_000 if topic == PAID else 2)


@pytest.mark.parametrize("key", [None, b"", b"p2", b"\xff", b"P1"])
def test_a_record_under_another_key_is_a_mismatch(key: bytes | None) -> None:
    (letter,) = letters_of(VIEWED, (key, json()))
    assert reason_and_detail(letter) == ("key_mismatch", "key: expected person_id 'p1'")
    assert letter.key == key


def test_a_record_without_key_and_value_can_be_written_as_a_dead_letter() -> None:
    (letter,) = letters_of(VIEWED, (None, None))
    assert reason_and_detail(letter)[0] == "invalid"
    assert (letter.key, letter.value) == (b"", None)


def test_the_first_rule_that_applies_is_the_reason() -> None:
    """A separator goes before the key, the key before the time."""
    late = json(time_ms=BROKER_MS + 2 * FUTURE_MS)
    separator = json(shop_id="s:1", time_ms=BROKER_MS + 2 * FUTURE_MS)
    letters = letters_of(VIEWED, (b"p2", separator), (b"p2", late), (b"p1", late))
    assert [reason_and_detail(letter)[0] for letter in letters] == ["invalid", "key_mismatch", "future"]


def test_an_event_10_minutes_ahead_is_accepted() -> None:
    assert not letters_of(VIEWED, (b"p1", json(time_ms=BROKER_MS + FUTURE_MS)))


def test_a_bad_clock_does_not_move_the_watermark() -> None:
    old = json(event_id="e2", time_ms=BROKER_MS - 30 * DAY_MS)
    letters = letters_of(VIEWED, (b"p1", json(time_ms=2**53)), (b"p1", old))
    assert [reason_and_detail(letter)[0] for letter in letters] == ["future"]


def test_an_event_31_days_behind_the_watermark_is_accepted_and_an_older_one_too_late() -> None:
    edge_ms = TIME_MS - MINUTE_MS - 31 * DAY_MS
    letters = letters_of(
        VIEWED,
        (b"p1", json(event_id="newest")),
        (b"p1", json(event_id="edge", time_ms=edge_ms)),
        (b"p1", json(event_id="late", time_ms=edge_ms - 1)),
    )
    (letter,) = letters
    assert dict(letter.headers)["source_offset"] == b"2"
    reason, detail = reason_and_detail(letter)
    assert reason == "too_late"
    assert f"$.time_ms: {edge_ms - 1}" in detail


def test_what_is_too_late_stays_so_after_a_restart() -> None:
    pipeline = Pipeline(1)
    assert not letters_of(VIEWED, (b"p1", json()), pipeline=pipeline)
    pipeline.journeys[0].crash()
    (letter,) = letters_of(
        VIEWED, (b"p1", json(event_id="e2", time_ms=TIME_MS - 40 * DAY_MS)), pipeline=pipeline
    )
    assert reason_and_detail(letter)[0] == "too_late"


def test_an_id_of_64_characters_of_four_bytes_each_is_accepted() -> None:
    pipeline = Pipeline(1)
    long_id = "𝛆" * 64
    pipeline.feed(
        [
            NoteViewed(
                event_id=long_id, person_id=long_id, time_ms=TIME_MS, note_id=long_id, shop_id=long_id
            ),
            OrderPaid(
                event_id="e2",
                person_id=long_id,
                time_ms=TIME_MS,
                shop_id=long_id,
                order_id=long_id,
                item_id=long_id,
                amount_fen=1,
            ),
        ]
    )
    pipeline.settle()
    assert not pipeline.dead_letters()
    (revisions,) = pipeline.attributions().values()
    assert revisions[-1]["credits"]["last_touch"][0]["touch_event_id"] == long_id


def test_a_coupon_without_a_campaign_is_organic_and_has_no_note() -> None:
    pipeline = Pipeline(1)
    who: dict[str, Any] = {"person_id": "p1", "shop_id": "s1", "time_ms": TIME_MS}
    pipeline.feed(
        [
            CouponClaimed(event_id="k", coupon_id="k1", platform="xhs", **who),
            OrderPaid(event_id="o", order_id="o1", item_id="i1", amount_fen=1, **who),
        ]
    )
    pipeline.settle()
    (revisions,) = pipeline.attributions().values()
    (credit,) = revisions[-1]["credits"]["last_touch"]
    assert (credit["campaign_id"], credit["note_id"], credit["kind"]) == ("organic:s1", None, "coupon_claim")
    assert not pipeline.notes()


def test_an_order_is_attributed_though_it_leaves_the_journey_within_the_same_commit() -> None:
    """As in a replay, where more than 31 days of events may come between two commits."""
    pipeline = Pipeline(1)
    who: dict[str, Any] = {"person_id": "p1", "shop_id": "s1"}
    pipeline.feed(
        [OrderPaid(event_id="o", order_id="o1", item_id="i1", amount_fen=1, time_ms=TIME_MS, **who)]
    )
    pipeline.feed([NoteViewed(event_id="v", note_id="n1", time_ms=TIME_MS + 40 * DAY_MS, **who)])
    for _ in range(2):
        # The first turn of the sweep lists the journeys, the second looks at them.
        pipeline.journeys[0].processor.tick(0)
    pipeline.settle()
    assert list(pipeline.attributions()) == [("p1", "o1")]
    assert pipeline.windows()["unattributed:s1", "total", 0]["orders_micros"] == 1_000_000


def test_a_commit_without_a_change_sends_nothing() -> None:
    pipeline = Pipeline(1)
    letters_of(VIEWED, (b"p1", json()), pipeline=pipeline)
    pipeline.settle()  # which tells that the deltas are told
    task = pipeline.journeys[0]
    sent, written = len(task.committed), task.changelog_bytes
    pipeline.settle()
    assert (len(task.committed), task.changelog_bytes) == (sent, written)


def test_of_a_duplicate_nothing_is_told_but_that_it_came() -> None:
    pipeline = Pipeline(1)
    letters_of(VIEWED, (b"p1", json()), pipeline=pipeline)
    task = pipeline.journeys[0]
    sent, kept = len(task.committed), list(task.store("journeys").items())
    letters_of(VIEWED, (b"p1", json()), pipeline=pipeline)
    assert [record.key for record in task.committed[sent:]] == [None]
    assert told(pipeline)[-1].taken == 2
    assert list(task.store("journeys").items()) == kept


def told(pipeline: Pipeline) -> list[Watermark]:
    return [
        msgspec.msgpack.decode(sent.value or b"", type=Watermark)
        for sent in pipeline.journeys[0].committed
        if sent.topic == CAMPAIGN_DELTA and sent.key is None
    ]


def test_what_was_taken_and_refused_is_told_and_goes_on_after_a_crash() -> None:
    pipeline = Pipeline(1)
    letters_of(VIEWED, (b"p1", b"{"), (b"p1", None), pipeline=pipeline)
    assert told(pipeline) == [Watermark(0, -MINUTE_MS, -MINUTE_MS, 2, 2)], "though no event was accepted"
    letters_of(VIEWED, (b"p1", json()), (b"p2", json()), pipeline=pipeline)
    pipeline.feed_records(VIEWED, 0, [(b"p1", b"lost, since it is not committed")])
    pipeline.crash_task(0)
    letters_of(VIEWED, (b"p1", b"{"), pipeline=pipeline)
    counts = [(each.taken, each.refused) for each in told(pipeline)]
    assert list(dict.fromkeys(counts)) == [(2, 2), (4, 3), (5, 4)]


def test_the_arrivals_of_duplicates_do_not_pile_up() -> None:
    pipeline = Pipeline(1)
    known = NoteViewed(event_id="v", person_id="p1", time_ms=TIME_MS, note_id="n1", shop_id="s1")
    for _ in range(5):
        pipeline.feed([known])
        pipeline.commit_journeys()
    pipeline.feed([msgspec.structs.replace(known, event_id="w")])
    pipeline.commit_journeys()
    deltas = [
        msgspec.msgpack.decode(sent.value or b"", type=Delta)
        for sent in pipeline.journeys[0].committed
        if sent.topic == CAMPAIGN_DELTA
    ]
    assert [len(delta.arrived_ms) for delta in deltas] == [1, 1]


def test_each_commit_tells_a_shop_once_what_changed_in_its_paths() -> None:
    pipeline = Pipeline(1)

    def view(event_id: str, shop_id: str, before_ms: int, campaign_id: str) -> NoteViewed:
        return NoteViewed(event_id, "p1", TIME_MS - before_ms, "n1", shop_id, campaign_id)

    def order(shop_id: str, order_id: str) -> OrderPaid:
        return OrderPaid(order_id, "p1", TIME_MS, shop_id, order_id, "i1", 100)

    def told() -> list[tuple[bytes | None, set[tuple[tuple[str, ...], int, int]]]]:
        return [
            (sent.key, set(msgspec.msgpack.decode(sent.value or b"", type=PathDelta).paths))
            for sent in pipeline.journeys[0].committed
            if sent.topic == PATH_DELTA
        ]

    pipeline.feed([view("a", "s1", 2, "c1"), view("b", "s2", 2, "c2"), order("s1", "o1"), order("s2", "o2")])
    pipeline.feed([order("s1", "o3"), order("s3", "without a touch")])
    pipeline.commit_journeys()
    assert told() == [(b"s1", {(("c1",), 2, 200)}), (b"s2", {(("c2",), 1, 100)})]
    pipeline.feed([view("c", "s1", 1, "c1")])  # the path of channels is the same
    pipeline.commit_journeys()
    assert len(told()) == 2
    pipeline.feed([view("d", "s1", 3, "c3")])
    pipeline.commit_journeys()
    assert told()[2:] == [(b"s1", {(("c1",), -2, -200), (("c3", "c1"), 2, 200)})]
