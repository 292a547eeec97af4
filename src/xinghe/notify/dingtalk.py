"""The form of DingTalk's custom robots: a message in Markdown, signed in the URL."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final
from urllib.parse import quote_plus

import msgspec

from xinghe.domain.outputs import AlertRaised
from xinghe.notify.receivers import Receiver
from xinghe.notify.request import JSON, Refusal, Request, robot_refusal
from xinghe.notify.text import lines, plain, title

BUSY: Final = frozenset({-1, 130101, 410100})
"""The system is busy; more than 20 messages a minute."""


def request(receiver: Receiver, alert: AlertRaised, now_ms: int) -> Request:
    """A Markdown message; with a key, ``timestamp`` and ``sign`` are added to the URL."""
    head = plain(title(alert, receiver.locale))
    text = "\n\n".join([f"### {head}", *map(plain, lines(alert, receiver.locale))])
    url = receiver.url
    if receiver.key is not None:
        joint = "&" if "?" in url else "?"
        url += f"{joint}timestamp={now_ms}&sign={quote_plus(sign(receiver.key, now_ms))}"
    body = msgspec.json.encode({"msgtype": "markdown", "markdown": {"title": head, "text": text}})
    return Request(url, {"content-type": JSON}, body)


def sign(key: bytes, now_ms: int) -> str:
    """The base64 of HMAC-SHA256 over the milliseconds, a line feed and the key, with the key."""
    digest = hmac.digest(key, f"{now_ms}\n".encode() + key, hashlib.sha256)
    return base64.b64encode(digest).decode()


def refusal(answer: bytes) -> Refusal | None:
    """Why the message was not taken."""
    return robot_refusal(answer, ["errcode"], BUSY)
