"""The form of Feishu's (Lark's) custom robots: a card of plain text, signed in the body."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from xinghe.domain.outputs import AlertRaised, Severity
from xinghe.notify.receivers import Receiver
from xinghe.notify.request import JSON, Refusal, Request, robot_refusal
from xinghe.notify.text import lines, title

BUSY: Final = frozenset({9499, 11232, 99991400})
"""Too many messages, which are also said to be a bad request; more than the robot or its application may send."""
COLOURS: Final[Mapping[Severity, str]] = {"info": "blue", "warning": "orange", "critical": "red"}


def request(receiver: Receiver, alert: AlertRaised, now_ms: int) -> Request:
    """A card; with a key, ``timestamp`` and ``sign`` are in the body."""
    colour = "green" if alert.state == "resolved" else COLOURS[alert.severity]
    text = "\n".join(lines(alert, receiver.locale))
    message: dict[str, Any] = {
        "msg_type": "interactive",
        "card": {
            "header": {
                "template": colour,
                "title": {"tag": "plain_text", "content": title(alert, receiver.locale)},
            },
            "elements": [{"tag": "div", "text": {"tag": "plain_text", "content": text}}],
        },
    }
    if receiver.key is not None:
        timestamp = now_ms // 1000
        message |= {"timestamp": str(timestamp), "sign": sign(receiver.key, timestamp)}
    return Request(receiver.url, {"content-type": JSON}, msgspec.json.encode(message))


def sign(key: bytes, timestamp: int) -> str:
    """The base64 of HMAC-SHA256 over nothing, with the seconds, a line feed and the key as the key."""
    digest = hmac.digest(f"{timestamp}\n".encode() + key, b"", hashlib.sha256)
    return base64.b64encode(digest).decode()


def refusal(answer: bytes) -> Refusal | None:
    """Why the message was not taken; older robots answer with ``StatusCode``."""
    return robot_refusal(answer, ["code", "StatusCode"], BUSY)
