"""How a viewer likes the pages: language, light or dark, the colour of a rise."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final, NamedTuple, cast

from starlette.requests import Request

from xinghe.dashboard import numbers
from xinghe.dashboard.language import LANGUAGES, MEANINGS, TEXTS, preferred
from xinghe.dashboard.numbers import Language
from xinghe.dashboard.source import Campaign
from xinghe.domain.catalogue import PLAIN
from xinghe.domain.rates import RATES, rate

CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "language": LANGUAGES,
    "theme": ("auto", "light", "dark"),
    "rise": ("red", "green"),
}
_UNITS: Final = {metric.name: metric.unit for metric in PLAIN}
_PARTS: Final = frozenset({"click_through_rate", "coupon_redemption_rate", "repurchase_rate"})
"""Rates that are read as percent."""


class Figure(NamedTuple):
    """A figure as a page has it: short, to its last digit, and the number that charts draw."""

    text: str
    exact: str
    value: float | None


class Look(NamedTuple):
    """The choices of a viewer, and words and figures by them."""

    language: Language
    theme: str
    rise: str

    def text(self, key: str, **values: object) -> str:
        """Words in the viewer's language."""
        found = TEXTS[self.language][key]
        return found.format(**values) if values else found

    def name(self, metric: str) -> str:
        """What a metric is called."""
        return self.text(f"metric.{metric}")

    def meaning(self, metric: str) -> str:
        """What a metric means."""
        return MEANINGS[self.language][metric]

    def of(self, metric: str, metrics: Mapping[str, int]) -> Figure:
        """A metric or rate of a window."""
        return self.figure(metric, rate(metric, metrics) if metric in RATES else metrics.get(metric))

    def figure(self, metric: str, value: int | Fraction | None) -> Figure:
        """A value of a metric or rate."""
        if metric.startswith("cost_"):
            return self._figure(numbers.money(value, self.language), value, "fen", 100)
        if metric in RATES:
            exact = None if value is None else Fraction(value)
            shown = numbers.percent(exact) if metric in _PARTS else numbers.ratio(exact)
            return Figure(shown, shown, None if exact is None else float(exact))
        unit = _UNITS[metric]
        whole = None if value is None else int(value)
        if unit == "fen":
            return self._figure(numbers.money(whole, self.language), whole, unit, 100)
        if unit == "millionths of an order":
            return self._figure(numbers.orders(whole, self.language), whole, unit, 1_000_000)
        return self._figure(numbers.count(whole, self.language), whole, unit, 1)

    @staticmethod
    def _figure(shown: str, value: int | Fraction | None, unit: str, per: int) -> Figure:
        return Figure(shown, numbers.exact(value, unit), None if value is None else float(value / per))

    def campaign_figure(self, campaign: Campaign, metric: str) -> Figure:
        """A figure to date of a campaign."""
        return self.of(metric, campaign.funnel.metrics)

    def number(self, value: int | None) -> str:
        """A number of times or people."""
        return numbers.count(value, self.language)

    def money(self, fen: int | None) -> str:
        """An amount."""
        return numbers.money(fen, self.language)

    def age(self, age_ms: int | None) -> str:
        """A time span."""
        return numbers.age(age_ms, self.language)


def look_of(request: Request) -> Look:
    """What was chosen; else by what the browser prefers."""
    session = request.session
    accepted = preferred(request.headers.get("accept-language", ""))
    language = session.get("language")
    chosen = cast(Language, language) if language in LANGUAGES else accepted
    theme, rise = session.get("theme"), session.get("rise")
    return Look(
        chosen,
        theme if theme in CHOICES["theme"] else "auto",
        rise if rise in CHOICES["rise"] else ("red" if chosen == "zh-CN" else "green"),
    )
