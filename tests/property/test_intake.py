"""What is accepted, byte by byte: the stream's judgement of a record against the audit's (R1)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.pipeline import BROKER_MS, Pipeline
from xinghe.audit.judge import RejectedError, accepted
from xinghe.audit.record import SourceRecord
from xinghe.domain.events import CAMPAIGN_EVENTS, JOURNEY_EVENTS, LINK_EVENTS, CampaignConfigured, NoteViewed
from xinghe.domain.windows import FUTURE_MS, HOUR_MS

GOOD: Final[dict[str, Any]] = {
    "event_id": "e1",
    "person_id": "p1",
    "linked_person_id": "p9",
    "time_ms": 1_790_000_000_000,
    "note_id": "n1",
    "shop_id": "s1",
    "campaign_id": "c1",
    "item_id": "i1",
    "action": "collect",
    "coupon_id": "k1",
    "platform": "xhs",
    "order_id": "o1",
    "refund_id": "r1",
    "amount_fen": 100,
    "new_customer": True,
    "coupon_ids": ["k1"],
    "name": "Spring",
    "effective_ms": 1_790_000_000_000,
    "hour_start_ms": 1_790_002_800_000 // HOUR_MS * HOUR_MS,
    "spend_fen": 5,
    "revision": 1,
    "guarantee": {"preset": "qianchuan_roi", "start_ms": 1_790_000_000_000, "target_roi": 2.5},
    "spend_match": {"start_ms": 0, "days": 7, "rate_percent": 10, "settle_after_days": 3},
    "revenue_share": {"tiers": [{"from_fen": 0, "rate_basis_points": 200}], "settle_after_days": 15},
    "budget_fen": 1,
}
"""Fields of every event; one ignores those of the others."""

BAD_VALUES: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, -1, 10**14, 10**14 + 1, BROKER_MS + FUTURE_MS, BROKER_MS + FUTURE_MS + 1, 1.0, 1.5]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3),
    st.sampled_from(["", "s:1", "s|1", "x" * 64, "x" * 65, "é" * 64, "view", "share", "taobao", "p2"]),
    st.lists(st.integers(), max_size=2),
    st.sampled_from([2, 2.5, 2.00001, "2.5", 1001]).map(
        lambda roi: {"preset": "qianchuan_roi", "start_ms": 0, "target_roi": roi}
    ),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)
SNIPPETS: Final = (
    *(
        b"\xff",
        b"\xed\xa0\x80",
        b"\x00",
        b"\\ud800",
        b"\\u0041",
        b'"',
        b"{",
        b"}",
        b",",
        b" ",
        b"\n",
        b"\xef\xbb\xbf",
    ),
    *(
        b'"x":1e999,',
        b'"x":NaN,',
        b'"x":"\xff",',
        b'"x":"\\ud800",',
        b'"x":01,',
        b'"event_id":"e2",',
        b'"\xff":1,',
    ),
    *(b'"x":@deep@,', b'"x":"@long@",', b'"x":{"y":[1,{}]},'),
)
LONG: Final = {b"@deep@": b"[" * 3_000 + b"]" * 3_000, b"@long@": b"y" * 70_000, b"@open@": b"[" * 60_000}
"""What stands for too many bytes to print."""
EVENTS: Final = (*JOURNEY_EVENTS, *LINK_EVENTS, *CAMPAIGN_EVENTS)


@st.composite
def values(draw: st.DrawFn) -> bytes | None:
    """The value of a record: good, or with a field changed or missing, or with bytes put in or cut off."""
    fields = dict(GOOD)
    for name in draw(st.lists(st.sampled_from(sorted(GOOD)), max_size=2)):
        fields[name] = draw(BAD_VALUES)
    for name in draw(st.lists(st.sampled_from(sorted(GOOD)), max_size=1)):
        fields.pop(name, None)
    value = msgspec.json.encode(fields)
    for snippet in draw(st.lists(st.sampled_from(SNIPPETS), max_size=2)):
        # Often right behind the opening brace, where a field may stand.
        at = draw(st.one_of(st.just(1), st.integers(0, len(value))))
        value = value[:at] + snippet + value[at:]
    return draw(
        st.sampled_from(
            [value] * 8 + [None, b"", value[: len(value) // 2], value + value, b"@open@", b"null"]
        )
    )


KEYS: Final = st.sampled_from([b"p1", b"p1", b"p1", b"c1", b"c1", b"p2", b"", b"\xff", None])


def at_full_length(value: bytes | None) -> bytes | None:
    for short, long in LONG.items():
        value = None if value is None else value.replace(short, long)
    return value


def judged(record: SourceRecord) -> str | None:
    """The reason of the audit; ``None`` where the record is accepted."""
    try:
        accepted(record)
    except RejectedError as rejected:
        return rejected.reason
    return None


@given(
    event_type=st.sampled_from(EVENTS), records=st.lists(st.tuples(KEYS, values()), min_size=1, max_size=5)
)
# A number beyond any float where no field is read, and half a character that a second "x" hides.
@example(event_type=NoteViewed, records=[(b"p1", b'{"x":1e999,"event_id":5}')])
@example(event_type=NoteViewed, records=[(b"p1", b'{"x":"\\ud800","x":1,' + msgspec.json.encode(GOOD)[1:])])
@settings(max_examples=400, deadline=None)
def test_each_record_is_judged_as_the_audit_judges_it(
    event_type: Any, records: list[tuple[bytes | None, bytes | None]]
) -> None:
    topic: str = event_type.topic
    # The broker refuses a record without a key in a compacted topic.
    assume(event_type is not CampaignConfigured or all(key is not None for key, _ in records))
    records = [(key, at_full_length(value)) for key, value in records]
    pipeline = Pipeline(1)
    pipeline.feed_records(topic, 0, records)
    pipeline.settle()
    found = {
        int(headers["source_offset"]): headers["reason"].decode()
        for letter in pipeline.dead_letters()
        for headers in [dict(letter.headers)]
    }
    expected = {
        offset: reason
        for offset, (key, value) in enumerate(records)
        if (reason := judged(SourceRecord(topic, 0, offset, BROKER_MS, key, value))) is not None
    }
    # What is older than 31 days behind the newest depends on the order of arrival: the audit does not judge it. Nor does it
    # judge refunds and links, which are accepted first.
    later = {"too_late", "order_unknown", "link_repeated", "link_circular"}
    assert {at: reason for at, reason in found.items() if reason not in later} == expected
