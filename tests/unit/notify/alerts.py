"""An alert, and receivers of each form, for the tests."""

from __future__ import annotations

from typing import Any

from xinghe.domain.outputs import AlertRaised
from xinghe.notify.receivers import Format, Receiver

ALERT = AlertRaised(
    alert_id="c1|roi-below-1|1764000000000",
    campaign_id="c1",
    shop_id="s1",
    rule="roi-below-1",
    kind="roi_below",
    severity="warning",
    state="raised",
    since_ms=1_764_000_000_000,
    time_ms=1_764_003_600_000,
    unit="ratio",
    value=0.6666,
    threshold=1.0,
    value_text="0.6666",
    threshold_text="1",
    message="Campaign c1: net ROI of today is 0.6666, below 1 for 60 minutes. Look at it.",
)


def receiver(form: Format, **fields: Any) -> Receiver:
    values: dict[str, Any] = {
        "name": form,
        "format": form,
        "url": "https://example.com/hook",
        "key": b"k" * 32,
        "rules": None,
        "severities": None,
        "locale": "en",
        "tries": 3,
        "timeout_s": 60.0,
        **fields,
    }
    return Receiver(**values)
