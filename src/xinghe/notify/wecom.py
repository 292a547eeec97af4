"""The form of WeCom's group robots: a message in Markdown; the key in the URL is all that proves who sends."""

from __future__ import annotations

from typing import Final

import msgspec

from xinghe.domain.outputs import AlertRaised
from xinghe.notify.receivers import Receiver
from xinghe.notify.request import JSON, Refusal, Request, robot_refusal
from xinghe.notify.text import lines, plain, title

BUSY: Final = frozenset({-1, 45009, 45033})
"""The system is busy; more than 20 messages a minute; too many at a time."""
TEXT_BYTES_MAX: Final = 4_096


def request(receiver: Receiver, alert: AlertRaised, now_ms: int) -> Request:
    """A Markdown message of the bytes that WeCom takes at most."""
    del now_ms
    text = "\n".join(
        [f"**{plain(title(alert, receiver.locale))}**", *map(plain, lines(alert, receiver.locale))]
    )
    content = text.encode()[:TEXT_BYTES_MAX].decode(errors="ignore")
    body = msgspec.json.encode({"msgtype": "markdown", "markdown": {"content": content}})
    return Request(receiver.url, {"content-type": JSON}, body)


def refusal(answer: bytes) -> Refusal | None:
    """Why the message was not taken."""
    return robot_refusal(answer, ["errcode"], BUSY)
