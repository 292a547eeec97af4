"""An alert as a sentence in the viewer's language, with what to do; its own message is English and has raw figures."""

from __future__ import annotations

import math
from typing import NamedTuple

from xinghe.dashboard.language import TEXTS
from xinghe.dashboard.look import Look
from xinghe.dashboard.numbers import UNKNOWN
from xinghe.domain.outputs import AlertRaised, AlertUnit
from xinghe.domain.windows import MINUTE_MS


class Words(NamedTuple):
    """What is wrong, and what to do while it is; ``is_message`` where it is the record's own, in English."""

    said: str
    advice: str
    is_message: bool = False


def words(alert: AlertRaised, look: Look) -> Words:
    """The sentence by the rule's kind and what has become of it; the record's message for a kind that has none."""
    state = "open" if alert.state != "resolved" else "gone" if alert.value is None else "resolved"
    key = f"alert_says.{alert.kind}_{state}"
    if key not in TEXTS[look.language]:
        return Words(alert.message, "", is_message=True)
    said = look.text(
        key,
        value=figure(alert.value, alert.unit, look),
        threshold=figure(alert.threshold, alert.unit, look),
    )
    return Words(said, look.text(f"alert_advice.{alert.kind}") if state == "open" else "")


def figure(value: float | None, unit: AlertUnit, look: Look) -> str:
    """A figure of an alert, rounded down: what is below a threshold must not read as if it were there.

    >>> en = Look("en", "auto", "green")
    >>> figure(0.99999, "ratio", en), figure(1.0, "ratio", en), figure(4.25, "percent", en), figure(90, "percent", en)
    ('0.9999', '1.00', '4.2%', '90%')
    >>> figure(51_234.0, "fen", en), figure(62.5, "minutes", en), figure(15, "minutes", en), figure(None, "ratio", en)
    ('¥512.34', '1 h 2 min', '15 min', '–')
    """
    if value is None:
        return UNKNOWN
    if unit == "fen":
        return look.money(math.floor(value))
    if unit == "minutes":
        age = look.age(math.floor(value * MINUTE_MS))
        return age.removesuffix(" 0 s").removesuffix(" 0 秒")
    if unit == "ratio":
        places = 2 if value >= 1 or value == round(value, 2) else 4
        return f"{_floor(value, places):,.{places}f}"
    percent = _floor(value, 1)
    return f"{percent:,.0f}%" if percent == round(percent) else f"{percent:,.1f}%"


def _floor(value: float, places: int) -> float:
    # A float such as 0.29 is a little below what it stands for: without the last digits it would lose a hundredth.
    unit: int = 10**places
    return math.floor(round(value * unit, 6)) / unit
