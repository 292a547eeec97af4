"""Everything shown rightly gives no difference; one value changed by hand is named, exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import pytest
from aiokafka import ConsumerRecord

from xinghe.audit.attributions import FoundAttributions, compare_attributions
from xinghe.audit.compare_redis import compare_redis
from xinghe.audit.dead_letters import FoundDeadLetters, compare_dead_letters
from xinghe.audit.figures import Truth, WindowKey
from xinghe.audit.findings import Difference, Findings
from xinghe.audit.funnel import FoundFunnel, compare_funnel
from xinghe.audit.journey import Limits
from xinghe.audit.record import SourceRecord
from xinghe.audit.report import Report, as_json, as_text
from xinghe.audit.truth import LIMITS, truth_of, truth_of_records
from xinghe.domain.events import (
    ALERT_RAISED,
    AdClicked,
    AdSpent,
    CampaignConfigured,
    NoteViewed,
    OrderPaid,
    OrderRefunded,
)
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, SIZE_MS

MIDNIGHT_MS = 1_740_758_400_000
WATERMARK_MS = MIDNIGHT_MS + 3 * HOUR_MS - MINUTE_MS
EVENTS: list[Any] = [
    # A view whose minute and hour are long final, a click and the order that it earned, and spend.
    NoteViewed("v", "p1", MIDNIGHT_MS - 36 * DAY_MS, "n1", "s1", "c1"),
    AdClicked("k", "p1", MIDNIGHT_MS, "n1", "s1", "c1", "i1"),
    OrderPaid("P", "p1", MIDNIGHT_MS + 3 * HOUR_MS, "s1", "o1", "i1", 900),
    AdSpent("s", "c1", MIDNIGHT_MS, 50, 1),
    CampaignConfigured("c1", "s1", "spring", MIDNIGHT_MS),
]
HOUR = "xinghe:campaign:c1:1h:" + str(MIDNIGHT_MS)
TOTAL = "xinghe:campaign:c1:total"
NOTE = "xinghe:campaign:c1:note:n1"
DAY_NOTES = f"xinghe:campaign:c1:noteday:{MIDNIGHT_MS}"
DAY_NOTE = DAY_NOTES + ":n1"

Keys = dict[str, Any]


@pytest.fixture
def truth() -> Truth:
    return truth_of(EVENTS)


def redis_of(truth: Truth) -> Keys:
    """What Redis must hold."""
    keys: Keys = {"xinghe:campaigns": {}}
    for campaign_id, size, start_ms in truth.window_keys:
        window = (campaign_id, size, start_ms)
        fields = {name: str(value) for name, value in truth.metrics(window).items()} | {"version": "3"}
        prefix = f"xinghe:campaign:{campaign_id}:"
        if size == "total":
            keys["xinghe:campaigns"][campaign_id] = 5.0
            keys[prefix + "total"] = fields | {"updated_ms": "5", "watermark_ms": str(WATERMARK_MS)}
        else:
            keys[f"{prefix}{size}:{start_ms}"] = fields | {"final": str(int(truth.is_final(window)))}
            keys.setdefault(f"{prefix}windows:{size}", {})[str(start_ms)] = float(start_ms)
    for campaign_id, note_id in truth.note_counts:
        metrics = truth.note_metrics((campaign_id, note_id))
        keys[f"xinghe:campaign:{campaign_id}:note:{note_id}"] = {
            name: str(value) for name, value in metrics.items()
        }
        keys.setdefault(f"xinghe:campaign:{campaign_id}:notes", {})[note_id] = float(metrics["gmv_fen"])
    for (campaign_id, start_ms, note_id), metrics in truth.note_days.items():
        day = f"xinghe:campaign:{campaign_id}:noteday:{start_ms}"
        keys[f"{day}:{note_id}"] = {name: str(value) for name, value in metrics.items()}
        keys.setdefault(day, {})[note_id] = float(metrics["gmv_fen"])
        keys.setdefault(f"xinghe:campaign:{campaign_id}:windows:noteday", {})[str(start_ms)] = float(start_ms)
    return keys


def redis_differences(truth: Truth, keys: Keys) -> list[Difference]:
    findings = Findings(apart=truth.apart, apart_campaigns=truth.apart_campaigns)
    compare_redis(truth, keys.items(), findings)
    assert findings.differences == len(findings.shown)
    return findings.shown


class TestRedis:
    def test_what_is_right_has_no_difference(self, truth: Truth) -> None:
        keys = redis_of(truth)
        assert redis_differences(truth, keys) == []
        # The first minute and hour have passed their retention.
        assert sorted(keys[HOUR.replace(str(MIDNIGHT_MS), "")[:-3] + "windows:1h"]) == [
            str(MIDNIGHT_MS),
            str(MIDNIGHT_MS + 3 * HOUR_MS),
        ]

    @pytest.mark.parametrize(
        ("key", "field", "expected", "found"),
        [
            (HOUR, "ad_clicks", "1", "2"),
            (HOUR, "ad_clicks", "1", None),
            (HOUR, "spend_fen", "50", None),
            (HOUR, "viewers", None, "1"),
            (HOUR, "final", "1", "0"),
            (HOUR, "final", "1", None),
            (HOUR, "version", "a whole number from 1", "0"),
            (TOTAL, "gmv_fen", "900", "901"),
            (TOTAL, "buyers", "1", "1.0"),
            (TOTAL, "final", None, "0"),
            (TOTAL, "updated_ms", "a whole number", None),
            (TOTAL, "watermark_ms", f"at most {WATERMARK_MS}", str(WATERMARK_MS + 1)),
            (TOTAL, "gmv_fen:linear", "900", "899"),
            (TOTAL, "net_gmv_fen:linear", "900", None),
            (HOUR, "gmv_fen:linear", None, "900"),
            (NOTE, "gmv_30d_fen", "900", "0"),
            (NOTE, "refunds", None, "0"),
            (DAY_NOTE, "net_gmv_fen", "900", "0"),
            (DAY_NOTES, "n1", 900.0, None),
            (DAY_NOTES, "n9", None, 1.0),
            ("xinghe:campaign:c1:windows:noteday", str(MIDNIGHT_MS), float(MIDNIGHT_MS), None),
            ("xinghe:campaign:c1:windows:noteday", "7", None, 7.0),
            ("xinghe:campaign:c1:windows:1h", str(MIDNIGHT_MS), float(MIDNIGHT_MS), None),
            ("xinghe:campaign:c1:windows:1h", "7", None, 7.0),
            ("xinghe:campaign:c1:windows:1h", str(MIDNIGHT_MS), float(MIDNIGHT_MS), 1.0),
            ("xinghe:campaign:c1:notes", "n1", 900.0, 899.0),
            ("xinghe:campaign:c1:notes", "n9", None, 1.0),
            ("xinghe:campaigns", "c1", "listed", None),
            ("xinghe:campaigns", "c9", None, "listed"),
        ],
    )
    def test_one_changed_field_is_named(
        self, truth: Truth, key: str, field: str, expected: Any, found: Any
    ) -> None:
        keys = redis_of(truth)
        if found is None:
            del keys[key][field]
        else:
            keys[key][field] = 1.0 if found == "listed" else found
        assert redis_differences(truth, keys) == [Difference("redis", key, field, expected, found)]

    def test_a_missing_window_is_named_and_so_is_its_place_in_the_list(self, truth: Truth) -> None:
        keys = redis_of(truth)
        del keys[HOUR]
        assert redis_differences(truth, keys) == [
            Difference("redis", HOUR, "key", "a window", None),
            Difference("redis", "xinghe:campaign:c1:windows:1h", str(MIDNIGHT_MS), None, float(MIDNIGHT_MS)),
        ]

    def test_a_missing_note_is_named(self, truth: Truth) -> None:
        keys = redis_of(truth)
        del keys[NOTE], keys["xinghe:campaign:c1:notes"]
        assert redis_differences(truth, keys) == [Difference("redis", NOTE, "key", "a note", None)]

    def test_a_missing_day_of_a_note_is_named(self, truth: Truth) -> None:
        keys = redis_of(truth)
        del keys[DAY_NOTE], keys[DAY_NOTES], keys["xinghe:campaign:c1:windows:noteday"]
        assert redis_differences(truth, keys) == [Difference("redis", DAY_NOTE, "key", "a note", None)]

    def test_a_day_of_a_note_past_its_retention_is_named(self, truth: Truth) -> None:
        keys = redis_of(truth)
        day = f"xinghe:campaign:c1:noteday:{MIDNIGHT_MS - 36 * DAY_MS - 8 * HOUR_MS}"
        old = f"xinghe:campaign:c1:noteday:{MIDNIGHT_MS - 36 * DAY_MS}"
        for start, key in ((MIDNIGHT_MS - 36 * DAY_MS, old), (MIDNIGHT_MS - 36 * DAY_MS - 8 * HOUR_MS, day)):
            keys[key] = {"n1": 0.0}
            keys[key + ":n1"] = dict.fromkeys(keys[DAY_NOTE], "0")
            keys["xinghe:campaign:c1:windows:noteday"][str(start)] = float(start)
        assert [(each.where, each.expected) for each in redis_differences(truth, keys)] == [
            (old + ":n1", "none: its retention has passed"),
            (day + ":n1", "none: its retention has passed"),
        ]

    def test_a_window_past_its_retention_is_named(self, truth: Truth) -> None:
        start_ms = MIDNIGHT_MS - 36 * DAY_MS
        keys = redis_of(truth)
        keys[f"xinghe:campaign:c1:1m:{start_ms}"] = zeros(truth, views="1", final="1")
        keys["xinghe:campaign:c1:windows:1m"][str(start_ms)] = float(start_ms)
        assert redis_differences(truth, keys) == [
            Difference(
                "redis",
                f"xinghe:campaign:c1:1m:{start_ms}",
                "key",
                "none: its retention has passed",
                "a window",
            )
        ]

    @pytest.mark.parametrize("likes", ["0", "4"])
    def test_a_window_that_nothing_counted_in_is_named(self, truth: Truth, likes: str) -> None:
        keys = redis_of(truth)
        start_ms = MIDNIGHT_MS + HOUR_MS
        add_window(keys, "xinghe:campaign:c1:1m:", start_ms, zeros(truth, likes=likes, final="1"))
        key = f"xinghe:campaign:c1:1m:{start_ms}"
        assert redis_differences(truth, keys) == [
            Difference("redis", key, "key", "none: nothing counts in it", "a window")
        ]

    def test_a_note_of_which_nothing_counted_is_named(self, truth: Truth) -> None:
        keys = redis_of(truth)
        keys[NOTE + "9"] = dict.fromkeys(keys[NOTE], "0")
        keys["xinghe:campaign:c1:notes"]["n19"] = 0.0
        assert redis_differences(truth, keys) == [
            Difference("redis", NOTE + "9", "key", "none: nothing counts for it", "a note")
        ]

    def test_keys_of_no_meaning_or_another_type_are_named(self, truth: Truth) -> None:
        keys = redis_of(truth) | {"xinghe:campaign:c1:2m:5": {}, NOTE: None}
        assert redis_differences(truth, keys)[:2] == [
            Difference("redis", NOTE, "type", "hash or sorted set", "another type"),
            Difference("redis", "xinghe:campaign:c1:2m:5", "key", "none: it means nothing", "a key"),
        ]

    def test_what_differs_in_campaigns_of_people_apart_is_a_notice(self) -> None:
        truth = truth_of(EVENTS, limits=LIMITS._replace(journey_events_max=2))
        keys = redis_of(truth)
        keys[TOTAL]["views"] = "9"
        findings = Findings(apart=truth.apart, apart_campaigns=truth.apart_campaigns)
        compare_redis(truth, keys.items(), findings)
        assert findings.differences == 0
        assert findings.notices_shown == [Difference("redis", TOTAL, "views", "1", "9")]


def zeros(truth: Truth, **others: str) -> dict[str, str]:
    """The fields of a window without people in which nothing was counted."""
    metrics = truth.metrics(("nothing", "1m", 0))
    return dict.fromkeys(metrics, "0") | {"version": "1"} | others


def add_window(keys: Keys, prefix: str, start_ms: int, fields: dict[str, str]) -> None:
    keys[prefix + str(start_ms)] = fields
    campaign, _, size = prefix.rstrip(":").rpartition(":")
    keys.setdefault(f"{campaign}:windows:{size}", {})[str(start_ms)] = float(start_ms)


def output(topic: str, offset: int, key: bytes | None, value: Any, headers: Any = ()) -> Any:
    """A record as aiokafka gives it."""
    as_bytes = value if value is None or isinstance(value, bytes) else orjson.dumps(value)
    return ConsumerRecord(topic, 0, offset, 0, 0, key, as_bytes, None, 0, 0, tuple(headers))


def upserts_of(truth: Truth) -> dict[WindowKey, Any]:
    """What the funnel topic must hold last."""
    return {
        window: {
            "campaign_id": window[0],
            "shop_id": "s1",
            "size": window[1],
            "start_ms": window[2],
            "end_ms": None if window[1] == "total" else window[2] + SIZE_MS[window[1]],
            "version": 3,
            "final": truth.is_final(window),
            "metrics": truth.metrics(window),
        }
        for window in truth.window_keys
    }


def funnel_differences(truth: Truth, *upserts: tuple[WindowKey, Any]) -> list[Difference]:
    found = FoundFunnel()
    for offset, (window, value) in enumerate(upserts):
        found.add(output("funnel", offset, "|".join(map(str, window)).encode(), value))
    findings = Findings()
    compare_funnel(truth, found, dict.fromkeys(truth.window_keys, 3), findings)
    return findings.shown


class TestFunnel:
    window = ("c1", "1h", MIDNIGHT_MS)

    def test_what_is_right_has_no_difference(self, truth: Truth) -> None:
        dropped = (("c1", "1m", MIDNIGHT_MS - 36 * DAY_MS), None)
        assert funnel_differences(truth, *upserts_of(truth).items(), dropped) == []

    @pytest.mark.parametrize(
        ("change", "field", "expected", "found"),
        [
            (lambda value: value["metrics"].update(ad_clicks=4), "metrics.ad_clicks", 1, 4),
            (lambda value: value["metrics"].pop("spend_fen"), "metrics.spend_fen", 50, None),
            (lambda value: value.update(final=False), "final", True, False),
            (lambda value: value.update(final=1), "final", True, 1),
            (lambda value: value.update(end_ms=5), "end_ms", MIDNIGHT_MS + HOUR_MS, 5),
            (lambda value: value.update(shop_id="s2"), "shop_id", "s1", "s2"),
            (lambda value: value.update(shop_id=None), "shop_id", "s1", None),
            (lambda value: value.update(version=2), "version", 3, 2),
            (lambda value: value.update(start_ms=0), "start_ms", MIDNIGHT_MS, 0),
        ],
    )
    def test_one_changed_field_is_named(
        self, truth: Truth, change: Callable[[Any], None], field: str, expected: Any, found: Any
    ) -> None:
        upserts = upserts_of(truth)
        change(upserts[self.window])
        assert funnel_differences(truth, *upserts.items()) == [
            Difference("funnel", f"c1|1h|{MIDNIGHT_MS}", field, expected, found)
        ]

    def test_a_missing_window_and_a_deleted_one_are_named(self, truth: Truth) -> None:
        upserts = upserts_of(truth)
        named = [Difference("funnel", f"c1|1h|{MIDNIGHT_MS}", "value", "a window", None)]
        assert funnel_differences(truth, *upserts.items(), (self.window, None)) == named
        del upserts[self.window]
        assert funnel_differences(truth, *upserts.items()) == named

    def test_a_window_past_its_retention_must_be_deleted(self, truth: Truth) -> None:
        dropped = ("c1", "1m", MIDNIGHT_MS - 36 * DAY_MS)
        differences = funnel_differences(truth, *upserts_of(truth).items(), (dropped, {"version": 1}))
        assert [(each.expected, each.found) for each in differences] == [
            ("null: its retention has passed", "a window")
        ]

    def test_a_window_in_which_nothing_counts_any_more_must_be_deleted(self, truth: Truth) -> None:
        empty = ("unattributed:s1", "total", 0)
        assert (
            funnel_differences(truth, *upserts_of(truth).items(), (empty, {"version": 1}), (empty, None))
            == []
        )
        assert funnel_differences(truth, *upserts_of(truth).items(), (empty, {"version": 1})) == [
            Difference("funnel", "unattributed:s1|total|0", "value", "null: nothing counts in it", "a window")
        ]

    def test_a_version_that_does_not_grow_is_named(self, truth: Truth) -> None:
        upserts = upserts_of(truth)
        first = upserts.pop(self.window)
        assert funnel_differences(truth, (self.window, first), (self.window, first), *upserts.items()) == [
            Difference("funnel", "funnel-0@1", "version", "more than 3", 3)
        ]

    def test_what_is_no_upsert_is_named(self, truth: Truth) -> None:
        found = FoundFunnel()
        found.add(output("funnel", 0, b"c1|1h", {"version": 1}))
        found.add(output("funnel", 1, b"c1|1h|0", b"["))
        assert [(each.where, each.field) for each in found.wrong] == [
            ("funnel-0@0", "key"),
            ("funnel-0@1", "value"),
        ]


def attribution_differences(truth: Truth, *values: Any, key: bytes = b"o1") -> list[Difference]:
    found = FoundAttributions(truth.person_of, truth.refused_ids)
    for offset, value in enumerate(values):
        found.add(output("orders", offset, key, value))
    findings = Findings(apart=truth.apart)
    compare_attributions(truth, found, findings)
    return findings.shown


class TestAttributions:
    where = "order o1 of person p1"

    def right(self, truth: Truth, revision: int) -> Any:
        return msgspec.json.decode(orjson.dumps({**truth.orders["p1", "o1"].as_json(), "revision": revision}))

    def test_only_the_last_revision_must_be_the_truth(self, truth: Truth) -> None:
        first = {**self.right(truth, 1), "credits": {"last_touch": []}}
        assert attribution_differences(truth, first, self.right(truth, 2)) == []
        assert len(attribution_differences(truth, self.right(truth, 1), {**first, "revision": 2})) > 0

    def test_an_order_has_its_refunds(self, truth: Truth) -> None:
        refunded = {**self.right(truth, 1), "refunded_fen": 5}
        lacking = {name: value for name, value in refunded.items() if name != "refunded_fen"}

        differences = [*attribution_differences(truth, refunded), *attribution_differences(truth, lacking)]

        assert [(each.field, each.expected, each.found) for each in differences] == [
            ("refunded_fen", 0, 5),
            ("refunded_fen", 0, None),
        ]

    @pytest.mark.parametrize(
        ("field", "expected", "found"),
        [
            ("campaign_id", "c1", "c2"),
            ("touch_event_id", "k", "v"),
            ("direct", True, False),
            ("gmv_fen", 900, 899),
            ("note_id", "n1", None),
        ],
    )
    def test_one_changed_field_is_named(self, truth: Truth, field: str, expected: Any, found: Any) -> None:
        value = self.right(truth, 1)
        value["credits"]["last_touch"][0][field] = found
        named = Difference("attribution", self.where, f"credits.last_touch[0].{field}", expected, found)
        assert attribution_differences(truth, value) == [named]

    @pytest.mark.parametrize(
        ("revisions", "named"),
        [((1, 3), ("orders-0@1", 2, 3)), ((1, 1), ("orders-0@1", 2, 1)), ((2,), ("orders-0@0", 1, 2))],
    )
    def test_gaps_and_repetitions_of_revisions_are_named(
        self, truth: Truth, revisions: tuple[int, ...], named: tuple[str, int, int]
    ) -> None:
        where, expected, found = named
        values = [self.right(truth, revision) for revision in revisions]
        assert attribution_differences(truth, *values) == [
            Difference("attribution", where, "revision", expected, found)
        ]

    def test_missing_orders_and_others_are_named(self, truth: Truth) -> None:
        assert attribution_differences(truth) == [
            Difference("attribution", self.where, "attribution", "one", None)
        ]
        other = {**self.right(truth, 1), "person_id": "p2"}
        assert attribution_differences(truth, self.right(truth, 1), other) == [
            Difference(
                "attribution", "order o1 of person p2", "attribution", "none: the order was not paid", "one"
            )
        ]

    def test_a_wrong_key_and_no_attribution_are_named(self, truth: Truth) -> None:
        wrong_key = attribution_differences(truth, self.right(truth, 1), key=b"o2")
        assert [each.field for each in wrong_key] == ["key"]
        assert [each.field for each in attribution_differences(truth, self.right(truth, 1), b"[]")] == [
            "value"
        ]


VIEWS = [
    SourceRecord(
        NoteViewed.topic,
        0,
        offset,
        MIDNIGHT_MS,
        b"p1",
        msgspec.json.encode(NoteViewed(f"v{offset}", "p1", MIDNIGHT_MS - days * DAY_MS, "n1", "s1", "c1")),
    )
    for offset, days in enumerate((0, 0, 40))
]
BAD = SourceRecord(NoteViewed.topic, 0, 3, MIDNIGHT_MS, b"k", b"{")
NOTHING = SourceRecord(NoteViewed.topic, 0, 4, MIDNIGHT_MS, None, None)


def letter(record: SourceRecord, reason: str) -> Any:
    place = (record.topic, record.partition, record.offset)
    names = ("source_topic", "source_partition", "source_offset")
    headers = [("reason", reason.encode()), *zip(names, (str(part).encode() for part in place), strict=True)]
    return output("dead", 0, record.key, record.value, headers)


class TestDeadLetters:
    right = (
        letter(VIEWS[2], "too_late"),
        letter(BAD, "malformed"),
        # Kafka's clients send no record of neither key nor value, so the key is empty.
        letter(NOTHING._replace(key=b""), "invalid"),
    )

    def differences(self, *letters: Any) -> list[tuple[str, Any, Any]]:
        found = FoundDeadLetters()
        for each in letters:
            found.add(each)
        findings = Findings()
        truth = truth_of_records([*VIEWS, BAD, NOTHING], found.too_late)
        compare_dead_letters(truth, found, findings)
        return [
            (each.where.split("@")[-1] + " " + each.field, each.expected, each.found)
            for each in findings.shown
        ]

    def test_what_is_right_has_no_difference(self) -> None:
        assert self.differences(*self.right) == []

    def test_an_alert_that_could_not_be_delivered_is_none_of_the_streams(self) -> None:
        alert = SourceRecord(ALERT_RAISED, 0, 3, MIDNIGHT_MS, b"c1", b"{}")

        assert self.differences(*self.right, letter(alert, "undeliverable")) == []

    def test_a_missing_one_is_named_and_the_account_does_not_balance(self) -> None:
        assert self.differences(self.right[0], self.right[2]) == [
            ("3 reason", "malformed", None),
            ("source topics events in", 5, "4 accounted for"),
        ]

    def test_one_too_many_is_named(self) -> None:
        assert self.differences(*self.right, letter(VIEWS[0], "invalid")) == [
            ("0 reason", None, "invalid"),
            ("source topics events in", 5, "6 accounted for"),
        ]

    def test_a_repeated_one_is_named(self) -> None:
        assert self.differences(*self.right, self.right[1]) == [("3 dead letters", 1, "more than 1")]

    @pytest.mark.parametrize(
        ("changed", "named"),
        [
            (letter(BAD, "invalid"), ("3 reason", "malformed", "invalid")),
            (letter(BAD, "too_late"), ("3 reason", "malformed", "too_late")),
            (letter(BAD._replace(key=None), "malformed"), ("3 key", "as it came", "another")),
            (letter(BAD._replace(value=b"{}"), "malformed"), ("3 value", "as it came", "another")),
        ],
    )
    def test_one_changed_part_is_named(self, changed: Any, named: tuple[str, Any, Any]) -> None:
        assert self.differences(self.right[0], changed, self.right[2]) == [named]

    def test_one_that_cannot_have_been_too_late_is_named(self) -> None:
        named = self.differences(*self.right, letter(VIEWS[1], "too_late"))
        assert [(where, found) for where, _, found in named] == [("1 reason", "too_late")]

    def test_headers_that_are_missing_are_named(self) -> None:
        named = self.differences(*self.right, output("dead", 9, b"k", b"v"))
        assert [where for where, _, _ in named] == ["9 headers"]

    def test_one_of_settings_that_compaction_removed_is_no_difference(self) -> None:
        gone = SourceRecord(CampaignConfigured.topic, 0, 0, MIDNIGHT_MS, b"c1", b"{")
        assert self.differences(*self.right, letter(gone, "malformed")) == []


def paid_and_refunded(*events: Any) -> list[SourceRecord]:
    """Their records, all of person p1, each topic's in the order given."""
    offsets: Counter[str] = Counter()
    records = []
    for event in events:
        value = msgspec.json.encode(event)
        offset = offsets[event.topic]
        offsets[event.topic] += 1
        records.append(SourceRecord(event.topic, 0, offset, MIDNIGHT_MS + 90 * DAY_MS, b"p1", value))
    return records


def refund(event_id: str, days: int, amount_fen: int, refund_id: str = "") -> OrderRefunded:
    time_ms = MIDNIGHT_MS + days * DAY_MS
    return OrderRefunded(event_id, "p1", time_ms, "s1", "o1", refund_id or event_id, amount_fen)


def payment(event_id: str, days: int, amount_fen: int, order_id: str = "o1") -> OrderPaid:
    return OrderPaid(event_id, "p1", MIDNIGHT_MS + days * DAY_MS, "s1", order_id, "i1", amount_fen)


class TestLettersOfRefunds:
    def compared(
        self, records: list[SourceRecord], *letters: Any, limits: Limits = LIMITS
    ) -> tuple[Findings, int]:
        found = FoundDeadLetters()
        for each in letters:
            found.add(each)
        truth = truth_of_records(records, limits=limits)
        findings = Findings()
        return findings, compare_dead_letters(truth, found, findings)

    def test_one_that_does_not_fit_must_be_there_with_its_first_record(self) -> None:
        records = paid_and_refunded(payment("P", 0, 100), refund("a", 1, 101), refund("a", 1, 101))
        first, copy = records[1:]
        assert not self.compared(records, letter(first, "refund_exceeds_order"))[0].differences
        assert [each.where.split("@")[-1] for each in self.compared(records)[0].shown] == [
            "0",
            "source topics",
        ]
        findings, _ = self.compared(records, letter(copy, "refund_exceeds_order"))
        assert [(each.expected, each.found) for each in findings.shown] == [
            ("refund_exceeds_order", None),
            (None, "refund_exceeds_order"),
        ]

    def test_one_that_fits_must_not_be_there(self) -> None:
        records = paid_and_refunded(payment("P", 0, 100), refund("a", 1, 100))
        for reason in ("refund_exceeds_order", "order_unknown"):
            findings, _ = self.compared(records, letter(records[1], reason))
            assert findings.by_kind == {"dead-letter": 1, "accounting": 1}

    @pytest.mark.parametrize("newest_days", [31, 33])
    def test_one_without_order_may_be_there_once_its_time_is_past(self, newest_days: int) -> None:
        newest = payment("P", newest_days, 5, order_id="o9")
        records = paid_and_refunded(refund("a", 0, 100), newest)
        findings, waiting = self.compared(records)
        assert (findings.differences, waiting) == (0, 1)
        findings, waiting = self.compared(records, letter(records[0], "order_unknown"))
        if newest_days == 33:
            assert (findings.differences, waiting) == (0, 0)
        else:
            assert findings.by_kind == {"dead-letter": 1, "accounting": 1}
        findings, _ = self.compared(records, letter(records[0], "refund_exceeds_order"))
        assert findings.differences

    def test_one_that_once_did_not_fit_is_a_notice(self) -> None:
        # The payment of 100 came first and refused the refund; the one that counts is larger.
        records = paid_and_refunded(payment("P", 1, 100), refund("a", 2, 500), payment("Q", 0, 900))
        findings, _ = self.compared(records, letter(records[1], "refund_exceeds_order"))
        assert (findings.differences, findings.notices_by_kind) == (0, {"dead-letter": 1})
        assert not self.compared(records)[0].notices_by_kind
        assert self.compared(records, letter(records[1], "order_unknown"))[0].differences

    def test_those_of_people_apart_are_notices(self) -> None:
        records = paid_and_refunded(payment("P", 0, 100), refund("a", 1, 50), refund("b", 2, 51))
        few = LIMITS._replace(journey_events_max=2)
        findings, _ = self.compared(records, letter(records[1], "order_unknown"), limits=few)
        assert (findings.differences, findings.notices_by_kind) == (0, {"dead-letter": 2})


def settings_record(
    offset: int, told_ms: int, campaign_id: str = "c1", model: Any = "linear", value: bytes | None = b""
) -> SourceRecord:
    setting = CampaignConfigured(campaign_id, "s1", "spring", MIDNIGHT_MS, model)
    as_bytes = msgspec.json.encode(setting) if value == b"" else value
    return SourceRecord(CampaignConfigured.topic, 0, offset, told_ms, campaign_id.encode(), as_bytes)


class TestSettingsApart:
    newest = SourceRecord(
        NoteViewed.topic,
        0,
        0,
        MIDNIGHT_MS + 9 * DAY_MS,
        b"p1",
        msgspec.json.encode(NoteViewed("v", "p1", MIDNIGHT_MS + 9 * DAY_MS, "n1", "s1", "c1")),
    )

    def test_a_campaign_whose_setting_was_told_late_is_named(self) -> None:
        truth = truth_of_records([self.newest, settings_record(0, MIDNIGHT_MS + 3 * DAY_MS)])
        assert truth.apart_settings == {"c1": "a setting was told 72 hours after its time"}
        assert truth.apart_campaigns == {"c1"}
        assert not truth_of_records([self.newest, settings_record(0, MIDNIGHT_MS)]).apart_settings

    def test_after_a_gap_earlier_settings_are_not_known(self) -> None:
        records = [settings_record(0, MIDNIGHT_MS, "c1"), settings_record(2, MIDNIGHT_MS, "c2")]
        assert truth_of_records(records).apart_settings == {"c2": "its topic has lost settings to compaction"}

    def test_deleted_settings_count_and_leave_the_default(self) -> None:
        records = [settings_record(0, MIDNIGHT_MS), settings_record(1, MIDNIGHT_MS, value=None)]
        truth = truth_of_records(records)
        assert (truth.counted, truth.settings["c1"].newest_model()) == (2, "last_touch")


class TestReport:
    def report(self, truth: Truth, findings: Findings) -> Report:
        return Report(
            truth=truth, findings=findings, dead_letters=0, waiting_refunds=0, arrived=0, seconds=0.5
        )

    def test_no_differences(self, truth: Truth) -> None:
        lines = list(as_text(self.report(truth, Findings())))
        assert lines[0] == (
            "events in 5: counted 5, duplicates 0, dead letters 0, refunds that wait for their order 0"
        )
        assert lines[-1] == "0 differences"

    def test_differences_are_limited_and_counted(self, truth: Truth) -> None:
        findings = Findings(shown_max=2)
        for number in range(5):
            findings.add(Difference("redis", f"key{number}", "views", 1, None))
        lines = list(as_text(self.report(truth, findings)))
        assert lines[-4:] == [
            "redis: key0: views: expected 1, found nothing",
            "redis: key1: views: expected 1, found nothing",
            "... and 3 more; --limit shows more of them",
            "5 differences (redis 5)",
        ]

    def test_people_apart_are_named(self) -> None:
        truth = truth_of(EVENTS, limits=LIMITS._replace(journey_events_max=2))
        lines = list(as_text(self.report(truth, Findings())))
        assert "notice:   person p1: 3 events, more than the 2 that a journey keeps" in lines
        assert "notice:   campaign c1" in lines

    def test_orders_whose_refunds_are_unsure_are_named(self) -> None:
        truth = truth_of([*EVENTS, OrderPaid("Q", "p1", MIDNIGHT_MS + 3 * HOUR_MS, "s1", "o1", "i1", 800)])
        lines = list(as_text(self.report(truth, Findings())))
        assert "notice:   order o1 of person p1: its payments differ from each other" in lines

    def test_json(self, truth: Truth) -> None:
        findings = Findings()
        findings.add(Difference("funnel", "c1|1h|0", "final", True, False))
        document = orjson.loads(orjson.dumps(as_json(self.report(truth, findings))))
        assert document["differences"] == 1
        assert document["shown"] == [
            {"kind": "funnel", "where": "c1|1h|0", "field": "final", "expected": True, "found": False}
        ]
        assert document["events"] == {
            "in": 5,
            "counted": 5,
            "duplicates": 0,
            "dead_letters": 0,
            "waiting_refunds": 0,
        }
