"""The form of Standard Webhooks 1.0 (standardwebhooks.com): signed JSON, and an id by which a receiver knows a repetition."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import quote

import msgspec

from xinghe.domain.outputs import AlertRaised
from xinghe.notify.receivers import Receiver
from xinghe.notify.request import JSON, Request


def request(receiver: Receiver, alert: AlertRaised, now_ms: int) -> Request:
    """The alert as it stands in the topic, under ``data``; the body is the same on each try, the signature is of its time."""
    time = datetime.fromtimestamp(alert.time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    body = msgspec.json.encode(
        {"type": f"alert.{alert.state}", "timestamp": time.replace("+00:00", "Z"), "data": alert}
    )
    webhook_id, timestamp = webhook_id_of(alert), now_ms // 1000
    assert receiver.key is not None
    headers = {
        "content-type": JSON,
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(receiver.key, webhook_id, timestamp, body),
    }
    return Request(receiver.url, headers, body)


def webhook_id_of(alert: AlertRaised) -> str:
    """``alert_id|state``, quoted: a header is ASCII, and a dot would be one of those that separate what is signed."""
    return quote(f"{alert.alert_id}|{alert.state}", safe="").replace(".", "%2E")


def signature(key: bytes, webhook_id: str, timestamp: int, body: bytes) -> str:
    """``v1,`` and the base64 of HMAC-SHA256 over id, seconds since 1970 and body with dots between."""
    digest = hmac.digest(key, f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"
