from __future__ import annotations

import base64
import tomllib
from collections.abc import Mapping

import pytest

from tests.unit.notify.alerts import ALERT
from xinghe.notify.receivers import Receiver, ReceiverError, receivers_of

SECRET = f"whsec_{base64.b64encode(b'k' * 32).decode()}"
RULES = frozenset({"roi-below-1", "data-late"})
STANDARD = f'[[receiver]]\nname = "a"\nurl = "https://example.com/hook"\nsecret = "{SECRET}"\n'


def read(text: str, env: Mapping[str, str] | None = None, *, plain_http: bool = False) -> list[Receiver]:
    return receivers_of(tomllib.loads(text), env or {}, rule_names=RULES, plain_http=plain_http)


def test_a_receiver_needs_little() -> None:
    [receiver] = read(STANDARD)

    assert (receiver.format, receiver.locale, receiver.tries, receiver.timeout_s) == ("standard", "en", 8, 10)
    assert receiver.key == b"k" * 32
    assert receiver.takes(ALERT)


def test_url_and_secret_may_come_from_the_environment() -> None:
    text = '[[receiver]]\nname = "d"\nformat = "dingtalk"\nurl_env = "DING_URL"\nsecret_env = "DING_SECRET"\n'

    [receiver] = read(
        text, {"DING_URL": "https://example.com/robot?access_token=t0ken", "DING_SECRET": "SEC1"}
    )

    assert receiver.url.endswith("t0ken")
    assert receiver.key == b"SEC1"


def test_neither_url_nor_key_is_shown() -> None:
    [receiver] = read(STANDARD)

    assert "example.com" not in repr(receiver)
    assert "kkk" not in repr(receiver)


@pytest.mark.parametrize(
    ("fields", "takes"),
    [
        ('rules = ["roi-below-1"]', True),
        ('rules = ["data-late"]', False),
        ('severities = ["warning", "critical"]', True),
        ('severities = ["info"]', False),
        ('rules = ["roi-below-1"]\nseverities = ["info"]', False),
    ],
)
def test_filters(fields: str, takes: bool) -> None:
    [receiver] = read(STANDARD + fields)

    assert receiver.takes(ALERT) is takes


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "at least one"),
        ("[receiver]", "a list of tables"),
        (STANDARD + "[other]", "nothing else"),
        (STANDARD + STANDARD, r"receiver 2 \(a\): another receiver has that `name`"),
        ('[[receiver]]\nurl = "https://x/"', r"receiver 1 \(without a name\): .*`name`"),
        (STANDARD + "colour = 1", r"receiver 1 \(a\): .*`colour`"),
        (STANDARD + 'locale = "fr"', r"\(a\): .*'fr'.*locale"),
        (STANDARD + "tries = 0", r"\(a\): .*tries"),
        (STANDARD + "timeout_s = 600", r"\(a\): .*timeout_s"),
        (STANDARD + "rules = []", r"\(a\): .*rules"),
        (STANDARD + 'rules = ["roi-below"]', r"\(a\): `rules` has 'roi-below', but there are data-late, roi"),
        (STANDARD + 'secret_env = "X"', r"\(a\): `secret` and `secret_env` are both there"),
        (
            STANDARD.replace(f'secret = "{SECRET}"', 'secret_env = "NOT_THERE"'),
            "NOT_THERE, which is not set",
        ),
        (STANDARD.replace(f'secret = "{SECRET}"', 'secret_env = "XINGHE_SECRET"'), "secret_env"),
        (STANDARD.replace(f'secret = "{SECRET}"', ""), r"\(a\): `secret` must be whsec_"),
        (STANDARD.replace(SECRET, SECRET.removeprefix("whsec_")), "`secret` must be whsec_"),
        (STANDARD.replace(SECRET, "whsec_%%%%"), "`secret` must be whsec_"),
        (STANDARD.replace(SECRET, "whsec_c2hvcnQ="), "24 to 64"),
        (STANDARD.replace('url = "https://example.com/hook"', ""), "`url` or `url_env` is missing"),
        (STANDARD.replace("https:", "http:"), "must begin with https://"),
        (STANDARD.replace("https:", "file:"), "must begin with https://"),
        (STANDARD.replace("https://example.com", "https://"), "`url` must be https://host/path"),
        (STANDARD.replace("example.com", "example.com:port"), "`url` must be https://host/path"),
        (STANDARD.replace("/hook", "/a b"), "`url` must be https://host/path"),
        (STANDARD.replace("/hook", "/a\\r\\nx: y"), "`url` must be https://host/path"),
        (STANDARD.replace("example.com", "user:pass@example.com"), "neither a user nor a fragment"),
        (STANDARD.replace('name = "a"', 'name = "a"\nformat = "wecom"'), "`secret` has no use"),
    ],
)
def test_what_is_wrong_is_named(text: str, named: str) -> None:
    with pytest.raises(ReceiverError, match=named) as error:
        read(text)

    assert SECRET not in str(error.value)
    assert "pass@" not in str(error.value)


def test_plain_http_is_for_ones_own_network() -> None:
    [receiver] = read(STANDARD.replace("https:", "http:"), plain_http=True)

    assert receiver.url == "http://example.com/hook"
