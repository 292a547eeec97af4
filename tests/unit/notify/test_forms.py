"""Each form as its receivers take it: signatures by published examples, bodies, and what answers mean."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from tests.unit.notify.alerts import ALERT, receiver
from xinghe.domain.outputs import AlertRaised
from xinghe.notify import dingtalk, feishu, standard, wecom
from xinghe.notify.request import Refusal

NOW_MS = 1_614_265_330_123
DINGTALK_SIGN = "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM="
FEISHU_SIGN = "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8="


def test_the_signature_is_that_of_the_published_example() -> None:
    # From the tests of the reference libraries of Standard Webhooks.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    signed = standard.signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_standard_webhook_has_the_record_and_an_id_that_stays() -> None:
    at_first = standard.request(receiver("standard"), ALERT, NOW_MS)
    later = standard.request(receiver("standard"), ALERT, NOW_MS + 60_000)

    body = msgspec.json.decode(at_first.body)
    assert body["type"] == "alert.raised"
    assert body["timestamp"] == "2025-11-24T17:00:00.000Z"
    assert msgspec.convert(body["data"], AlertRaised) == ALERT
    assert at_first.headers["webhook-id"] == "c1%7Croi-below-1%7C1764000000000%7Craised"
    assert at_first.headers["webhook-timestamp"] == "1614265330"
    assert (later.body, later.headers["webhook-id"]) == (at_first.body, at_first.headers["webhook-id"])
    assert later.headers["webhook-signature"] != at_first.headers["webhook-signature"]


def test_each_turn_has_an_id_of_its_own_without_dots_or_line_ends() -> None:
    odd = msgspec.structs.replace(ALERT, alert_id="星.\r\nx: y|r.1|1")
    resolved = msgspec.structs.replace(odd, state="resolved")

    ids = [standard.webhook_id_of(odd), standard.webhook_id_of(resolved)]

    assert len(set(ids)) == 2
    assert all(one.isascii() and one.isprintable() and "." not in one and " " not in one for one in ids)


def test_dingtalk_is_signed_in_the_url() -> None:
    # DingTalk's example: timestamp, a line feed and the key, signed with the key; computed with openssl dgst -sha256 -hmac.
    assert dingtalk.sign(b"this is secret", 1_577_262_236_757) == DINGTALK_SIGN

    form = receiver("dingtalk", url="https://example.com/robot/send?access_token=t", key=b"SEC1")
    request = dingtalk.request(form, ALERT, NOW_MS)

    query = parse_qs(urlsplit(request.url).query, strict_parsing=True)
    assert query == {
        "access_token": ["t"],
        "timestamp": [str(NOW_MS)],
        "sign": [dingtalk.sign(b"SEC1", NOW_MS)],
    }
    body = msgspec.json.decode(request.body)
    assert body["msgtype"] == "markdown"
    assert body["markdown"]["title"] == "［warning］ raised: roi-below-1, campaign c1"
    assert ALERT.message in body["markdown"]["text"]


def test_feishu_is_signed_in_the_body() -> None:
    # Feishu's example: nothing, signed with timestamp, a line feed and the key; computed with openssl dgst -sha256 -hmac.
    assert feishu.sign(b"demo", 1_599_360_473) == FEISHU_SIGN

    body = msgspec.json.decode(feishu.request(receiver("feishu", key=b"SEC1"), ALERT, NOW_MS).body)

    assert (body["timestamp"], body["sign"]) == ("1614265330", feishu.sign(b"SEC1", 1_614_265_330))
    assert body["msg_type"] == "interactive"
    assert body["card"]["header"]["template"] == "orange"
    assert body["card"]["header"]["title"]["content"] == "[warning] raised: roi-below-1, campaign c1"
    assert ALERT.message in body["card"]["elements"][0]["text"]["content"]


def test_a_resolved_alert_is_green() -> None:
    resolved = msgspec.structs.replace(ALERT, state="resolved", severity="critical")

    body = msgspec.json.decode(feishu.request(receiver("feishu"), resolved, NOW_MS).body)

    assert body["card"]["header"]["template"] == "green"


@pytest.mark.parametrize("form", [dingtalk, feishu])
def test_robots_may_do_without_a_key(form: Any) -> None:
    request = form.request(receiver("dingtalk", key=None), ALERT, NOW_MS)

    assert request.url == "https://example.com/hook"
    assert "sign" not in msgspec.json.decode(request.body)


def test_wecom_takes_so_many_bytes_only() -> None:
    long = msgspec.structs.replace(ALERT, message="星" * 3_000)

    body = msgspec.json.decode(wecom.request(receiver("wecom"), long, NOW_MS).body)

    content = body["markdown"]["content"]
    assert body["msgtype"] == "markdown"
    assert content.startswith("**［warning］ raised: roi-below-1, campaign c1**\n星")  # wide on purpose
    assert 4_093 < len(content.encode()) <= 4_096


@pytest.mark.parametrize("form", [dingtalk, wecom])
def test_an_id_cannot_make_a_link_or_a_mention(form: Any) -> None:
    odd = msgspec.structs.replace(ALERT, campaign_id="[x](u)", message="<@all> `x` [x](u)")

    said = form.request(receiver("wecom", key=None), odd, NOW_MS).body.decode()

    assert "<" not in said
    assert "](" not in said


@pytest.mark.parametrize(
    ("form", "answer", "refusal"),
    [
        (dingtalk, {"errcode": 0, "errmsg": "ok"}, None),
        (dingtalk, {"errcode": 310000, "errmsg": "sign not match"}, ("code 310000: sign not match", False)),
        (dingtalk, {"errcode": 130101, "errmsg": "send too fast"}, ("code 130101: send too fast", True)),
        (wecom, {"errcode": 0, "errmsg": "ok"}, None),
        (
            wecom,
            {"errcode": 93000, "errmsg": "invalid webhook url"},
            ("code 93000: invalid webhook url", False),
        ),
        (wecom, {"errcode": 45009, "errmsg": "freq"}, ("code 45009: freq", True)),
        (feishu, {"code": 0, "msg": "success", "StatusCode": 0}, None),
        (feishu, {"StatusCode": 0, "StatusMessage": "success"}, None),
        (feishu, {"code": 19021, "msg": "sign match fail"}, ("code 19021: sign match fail", False)),
        (feishu, {"code": 11232, "msg": "frequency limited"}, ("code 11232: frequency limited", True)),
        (wecom, {}, ("code None: ", False)),
    ],
)
def test_a_robot_says_no_with_status_200(form: Any, answer: Any, refusal: tuple[str, bool] | None) -> None:
    expected = None if refusal is None else Refusal(*refusal)

    assert form.refusal(msgspec.json.encode(answer)) == expected


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"\xff"])
def test_an_answer_that_is_none_of_theirs_is_no(answer: bytes) -> None:
    refusal = dingtalk.refusal(answer)

    assert refusal is not None
    assert not refusal.again
