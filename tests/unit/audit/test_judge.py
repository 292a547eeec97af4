from __future__ import annotations

from typing import Any

import orjson
import pytest

from xinghe.audit.judge import RejectedError, SettingsDeleted, accepted
from xinghe.audit.record import SourceRecord
from xinghe.domain.events import AdSpent, CampaignConfigured, OrderPaid, StoreVisited

NOW_MS = 1_740_758_400_000
VISIT = {"event_id": "e", "person_id": "p", "time_ms": NOW_MS, "shop_id": "s"}
ORDER = {**VISIT, "order_id": "o", "item_id": "i", "amount_fen": 5}
SPENT = {"event_id": "e", "campaign_id": "c", "hour_start_ms": NOW_MS, "spend_fen": 5, "revision": 0}
CONFIGURED = {"campaign_id": "c", "shop_id": "s", "name": "n", "effective_ms": NOW_MS}


def judged(
    value: bytes | dict[str, Any] | None, *, topic: str = StoreVisited.topic, key: bytes | None = b"p"
) -> Any:
    """The event, or the reason why there is none."""
    as_bytes = orjson.dumps(value) if isinstance(value, dict) else value
    try:
        return accepted(SourceRecord(topic, 0, 0, NOW_MS, key, as_bytes))
    except RejectedError as rejected:
        return rejected.reason


def text(**more: str) -> bytes:
    """A store visit with further members given as JSON text."""
    return (
        orjson.dumps(VISIT)[:-1]
        + b"".join(b',"%s":%s' % (k.encode(), v.encode()) for k, v in more.items())
        + b"}"
    )


def test_a_record_that_fits_is_accepted() -> None:
    assert judged(VISIT) == StoreVisited("e", "p", NOW_MS, "s")
    assert judged(text(unknown="[1e999, " + "9" * 5000 + "]")) == StoreVisited("e", "p", NOW_MS, "s")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "invalid"),
        (b"x" * 65_537, "too_large"),
        (b"", "malformed"),
        (b"x" * 65_536, "malformed"),
        (b"\xef\xbb\xbf" + text(), "malformed"),
        (text() + b"{}", "malformed"),
        (text(x="NaN"), "malformed"),
        (text(x="[" * 20_000 + "]" * 20_000), "malformed"),
        (text(x='"?"').replace(b"?", b"\xff"), "malformed"),
        (text(x='"\\ud800"'), "malformed"),
        (b'{"event_id": 5, garbage', "malformed"),
        (b"[]", "invalid"),
        (b"null", "invalid"),
        ({**VISIT, "time_ms": "1"}, "invalid"),
        ({**VISIT, "time_ms": 1.5}, "invalid"),
        ({**VISIT, "time_ms": True}, "invalid"),
        ({**VISIT, "time_ms": -1}, "invalid"),
        ({**VISIT, "event_id": ""}, "invalid"),
        ({**VISIT, "event_id": "e" * 65}, "invalid"),
        ({"event_id": "e", "person_id": "p", "time_ms": NOW_MS}, "invalid"),
        ({**VISIT, "shop_id": "s:1"}, "invalid"),
        ({**VISIT, "shop_id": "s|1"}, "invalid"),
        ({**VISIT, "shop_id": "s:1", "person_id": "q"}, "invalid"),
        ({**VISIT, "person_id": "q"}, "key_mismatch"),
        ({**VISIT, "person_id": "q", "time_ms": NOW_MS + 600_001}, "key_mismatch"),
        ({**VISIT, "time_ms": NOW_MS + 600_001}, "future"),
    ],
)
def test_the_first_rule_that_applies_is_the_reason(value: Any, reason: str) -> None:
    assert judged(value) == reason


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"P"])
def test_the_key_is_the_utf_8_of_the_person(key: bytes | None) -> None:
    assert judged(VISIT, key=key) == "key_mismatch"


def test_ten_minutes_ahead_is_accepted() -> None:
    assert judged({**VISIT, "time_ms": NOW_MS + 600_000}).time_ms == NOW_MS + 600_000


@pytest.mark.parametrize("amount_fen", [0, -5, 1.0, "5", None, 10**14 + 1])
def test_money_is_a_whole_number_above_zero(amount_fen: Any) -> None:
    assert judged({**ORDER, "amount_fen": amount_fen}, topic=OrderPaid.topic) == "invalid"


def test_the_hour_of_spend_may_not_lie_ahead() -> None:
    assert judged(SPENT, topic=AdSpent.topic, key=b"c").spend_fen == 5
    ahead = {**SPENT, "hour_start_ms": NOW_MS + 3_600_000}
    assert judged(ahead, topic=AdSpent.topic, key=b"c") == "future"
    assert judged({**SPENT, "campaign_id": "a:b"}, topic=AdSpent.topic, key=b"a:b") == "invalid"
    assert judged(SPENT, topic=AdSpent.topic, key=b"d") == "key_mismatch"


def test_settings_may_lie_ahead_and_a_null_value_deletes_them() -> None:
    ahead = {**CONFIGURED, "effective_ms": NOW_MS + 10**9}
    assert judged(ahead, topic=CampaignConfigured.topic, key=b"c").effective_ms == NOW_MS + 10**9
    assert judged(None, topic=CampaignConfigured.topic, key=b"c") == SettingsDeleted("c")
    assert judged(None, topic=CampaignConfigured.topic, key=b"\xff") == SettingsDeleted(None)
