"""Alerts: rules as data, and what becomes of an alert while figures change (ARCHITECTURE.md, R24)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

from msgspec import Meta, Struct, ValidationError, convert

from xinghe.domain.amounts import yuan
from xinghe.domain.order import ORDER_MICROS
from xinghe.domain.outputs import AlertKind, AlertRaised, AlertTurn, AlertUnit, Severity
from xinghe.domain.windows import MINUTE_MS

SYSTEM: Final = "system"
"""Stands for the campaign in the ids of alerts that are about none."""

Minutes = Annotated[int, Meta(ge=0, le=525_600)]
Percent = Annotated[int, Meta(ge=1, le=100)]
Amount = Annotated[int, Meta(ge=1, le=10**14)]
MINUTES_COUNTED_MAX: Final = 120
"""The longest time over which the share of dead letters is looked at."""


class WindowFigures(NamedTuple):
    """What rules look at in a window of a campaign, by the campaign's model; ``spend_fen`` is ``None`` while unknown."""

    spend_fen: int | None = None
    orders_micros: int = 0
    gmv_fen: int = 0
    refund_fen: int = 0
    store_visits: int = 0


class Outlook(NamedTuple):
    """The forecast of a guarantee's final GMV, the upper end of its interval, and the GMV that the target asks for."""

    gmv_fen: int
    high_fen: int
    target_fen: int


class Figures(Struct, kw_only=True):
    """What rules look at; ``None`` is unknown, and what an alert of the other sort would look at.

    Of a campaign: ``day`` is the window of the day in which the watermark is, ``total`` the one to date, ``budget_fen`` that of
    the newest setting. Of the data: ``late_ms`` is how far the watermark is behind the clock, ``quiet_ms`` for how long nothing
    came from the journeys stage, ``minutes`` has the records that it took and those of them that it refused by minute of the
    clock, ``minute`` is the one that runs.
    """

    day: WindowFigures | None = None
    total: WindowFigures | None = None
    budget_fen: int | None = None
    outlook: Outlook | None = None
    late_ms: int | None = None
    quiet_ms: int | None = None
    minutes: list[tuple[int, int, int]] = []
    minute: int = 0


class _Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all rules have: how bad it is, and how long things last, by the watermark or, for rules about the data, the clock."""

    is_system: ClassVar[bool] = False
    """Whether it is about the data of all campaigns, and about none."""
    is_of_replays: ClassVar[bool] = False
    """Whether it is looked at while an old log is worked off."""
    is_below: ClassVar[bool] = False
    """Whether it is bad to be below the threshold, else to be at or above it."""
    unit: ClassVar[AlertUnit] = "percent"
    look: ClassVar[str]
    """What to look at."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    severity: Severity = "warning"
    for_minutes: Minutes = 0
    escalate_after_minutes: Annotated[int, Meta(ge=1, le=525_600)] | None = None
    hysteresis_percent: Annotated[int, Meta(ge=0, le=100)] = 0
    cool_down_minutes: Minutes = 0


class RoiBelow(_Rule, frozen=True, kw_only=True, tag="roi_below"):
    """ROI of today or to date, with at least so many credited orders."""

    is_below: ClassVar[bool] = True
    unit: ClassVar[AlertUnit] = "ratio"
    look: ClassVar[str] = "See which hours and notes cost without selling, and lower the bid or stop them."
    ratio: Decimal
    basis: Literal["gross", "net"] = "gross"
    window: Literal["1d", "total"] = "1d"
    orders_min: Annotated[int, Meta(ge=0, le=10**9)] = 10

    def __post_init__(self) -> None:
        if not (self.ratio.is_finite() and 0 < self.ratio <= 1_000):
            raise ValueError("`ratio` must be above 0 and at most 1000")

    @property
    def threshold(self) -> Fraction:
        """The ROI that it must reach."""
        return Fraction(self.ratio)

    @property
    def subject(self) -> str:
        """What the value is."""
        return f"{self.basis} ROI {'of today' if self.window == '1d' else 'to date'}"

    def value(self, figures: Figures) -> Fraction | None:
        """The ROI; ``None`` with too few orders or without spend."""
        window = figures.day if self.window == "1d" else figures.total
        if window is None or not window.spend_fen or window.orders_micros < self.orders_min * ORDER_MICROS:
            return None
        refund_fen = window.refund_fen if self.basis == "net" else 0
        return Fraction(window.gmv_fen - refund_fen, window.spend_fen)


class ForecastBelowTarget(_Rule, frozen=True, kw_only=True, tag="forecast_below_target"):
    """The forecast of a guarantee's final GMV under its target by so many percent."""

    is_below: ClassVar[bool] = True
    look: ClassVar[str] = "See the guarantee's position: its gates, the days that are left and the spend."
    percent: Percent
    estimate: Literal["gmv", "high"] = "high"

    @property
    def threshold(self) -> Fraction:
        """Percent of the target that the forecast must reach."""
        return Fraction(100 - self.percent)

    @property
    def subject(self) -> str:
        """What the value is."""
        end = "upper end of the forecast" if self.estimate == "high" else "forecast"
        return f"{end} of the guarantee's GMV, in percent of its target,"

    def value(self, figures: Figures) -> Fraction | None:
        """The forecast in percent of the target; ``None`` without either."""
        outlook = figures.outlook
        if outlook is None or outlook.target_fen <= 0:
            return None
        forecast_fen = outlook.high_fen if self.estimate == "high" else outlook.gmv_fen
        return Fraction(100 * forecast_fen, outlook.target_fen)


class SpendWithoutConversions(_Rule, frozen=True, kw_only=True, tag="spend_without_conversions"):
    """So much spent today, and nothing for it."""

    unit: ClassVar[AlertUnit] = "fen"
    look: ClassVar[str] = "See whether the notes' links lead to the shop and the shop's events still come."
    spend_fen: Amount
    conversions: Literal["orders", "store_visits"] = "orders"

    @property
    def threshold(self) -> Fraction:
        """The spend from which it is an alert, in fen."""
        return Fraction(self.spend_fen)

    @property
    def subject(self) -> str:
        """What the value is."""
        return f"spend of today, with no {self.conversions.replace('_', ' ')} credited for it,"

    def value(self, figures: Figures) -> Fraction | None:
        """The spend; ``None`` while unknown and once there is a conversion."""
        day = figures.day
        if day is None or day.spend_fen is None:
            return None
        conversions = day.orders_micros if self.conversions == "orders" else day.store_visits
        return None if conversions else Fraction(day.spend_fen)


class BudgetNearlyUsed(_Rule, frozen=True, kw_only=True, tag="budget_nearly_used"):
    """So many percent of the campaign's budget spent."""

    look: ClassVar[str] = (
        "Raise the budget in the campaign's settings, or see that the campaign ends in time."
    )
    percent: Annotated[int, Meta(ge=1, le=1_000)]

    @property
    def threshold(self) -> Fraction:
        """Percent of the budget."""
        return Fraction(self.percent)

    @property
    def subject(self) -> str:
        """What the value is."""
        return "spend to date, in percent of the budget,"

    def value(self, figures: Figures) -> Fraction | None:
        """The spend in percent of the budget; ``None`` without either."""
        total = figures.total
        if not figures.budget_fen or total is None or total.spend_fen is None:
            return None
        return Fraction(100 * total.spend_fen, figures.budget_fen)


class DataLate(_Rule, frozen=True, kw_only=True, tag="data_late"):
    """The watermark so far behind the clock."""

    is_system: ClassVar[bool] = True
    is_of_replays: ClassVar[bool] = True
    unit: ClassVar[AlertUnit] = "minutes"
    look: ClassVar[str] = (
        "See whether the collectors of each partition send, and how far the workers lag (xinghe_lag_records)."
    )
    minutes: Annotated[int, Meta(ge=1, le=525_600)]

    @property
    def threshold(self) -> Fraction:
        """Minutes behind the clock."""
        return Fraction(self.minutes)

    @property
    def subject(self) -> str:
        """What the value is."""
        return "time that complete figures are behind the clock"

    def value(self, figures: Figures) -> Fraction | None:
        """Minutes behind the clock; ``None`` while there is no watermark."""
        return None if figures.late_ms is None else Fraction(figures.late_ms, MINUTE_MS)


class DataStopped(_Rule, frozen=True, kw_only=True, tag="data_stopped"):
    """Nothing from the journeys stage for so long."""

    is_system: ClassVar[bool] = True
    is_of_replays: ClassVar[bool] = True
    unit: ClassVar[AlertUnit] = "minutes"
    look: ClassVar[str] = "See whether the collectors still write to the source topics and the workers run."
    minutes: Annotated[int, Meta(ge=1, le=525_600)]

    @property
    def threshold(self) -> Fraction:
        """Minutes without anything."""
        return Fraction(self.minutes)

    @property
    def subject(self) -> str:
        """What the value is."""
        return "time since the last event of any person"

    def value(self, figures: Figures) -> Fraction | None:
        """Minutes since anything came; ``None`` where nothing ever did."""
        return None if figures.quiet_ms is None else Fraction(figures.quiet_ms, MINUTE_MS)


class DeadLetterShare(_Rule, frozen=True, kw_only=True, tag="dead_letter_share"):
    """So many percent of the records of the last minutes in the dead letters."""

    is_system: ClassVar[bool] = True
    look: ClassVar[str] = "See what does not fit and which collector sends it: xinghe deadletters list."
    percent: Percent
    minutes: Annotated[int, Meta(ge=1, le=MINUTES_COUNTED_MAX)]
    records_min: Annotated[int, Meta(ge=1, le=10**9)] = 100

    @property
    def threshold(self) -> Fraction:
        """Percent of the records."""
        return Fraction(self.percent)

    @property
    def subject(self) -> str:
        """What the value is."""
        return f"share of the last {self.minutes} minutes' records that did not fit"

    def value(self, figures: Figures) -> Fraction | None:
        """The percentage over the minute that runs and those before it; ``None`` with too few records."""
        first = figures.minute - self.minutes + 1
        taken = sum(taken for minute, taken, _ in figures.minutes if minute >= first)
        refused = sum(refused for minute, _, refused in figures.minutes if minute >= first)
        return None if taken < self.records_min else Fraction(100 * refused, taken)


AlertRule = (
    RoiBelow
    | ForecastBelowTarget
    | SpendWithoutConversions
    | BudgetNearlyUsed
    | DataLate
    | DataStopped
    | DeadLetterShare
)


class AlertRuleError(ValueError):
    """A rule is wrong; the message names the rule and its field."""


def alert_rules_of(document: Mapping[str, Any]) -> list[AlertRule]:
    """The rules of a file of rules: a list under ``rule``, each a table with its ``kind``.

    Raises ``AlertRuleError`` for the first that is wrong.
    """
    tables = document.get("rule", [])
    if set(document) - {"rule"} or not isinstance(tables, list):
        raise AlertRuleError("expected nothing but a list of tables [[rule]]")
    rules: dict[str, AlertRule] = {}
    for number, table in enumerate(tables, 1):
        name = table.get("name") if isinstance(table, Mapping) else None
        try:
            rule: AlertRule = convert(table, AlertRule)
        except ValidationError as error:
            raise AlertRuleError(f"rule {number} ({name or 'without a name'}): {error}") from error
        if rule.name in rules:
            raise AlertRuleError(f"rule {number} ({name}): another rule has that `name`")
        rules[rule.name] = rule
    return list(rules.values())


class AlertState(Struct, array_like=True, frozen=True, gc=False):
    """How a campaign stands with a rule; there is none where all is well.

    ``pending``: the condition holds since ``since_ms``, not for long enough. ``raised``, ``escalated``: so it was at ``raised_ms``.
    ``resolved``: all is well since, but before ``quiet_until_ms`` nothing is raised again.
    """

    phase: Literal["pending", "raised", "escalated", "resolved"]
    since_ms: int
    raised_ms: int = 0
    quiet_until_ms: int = 0

    @property
    def is_open(self) -> bool:
        """Whether people are to know of it."""
        return self.phase in {"raised", "escalated"}


class Turn(NamedTuple):
    """What happens to an alert, and the figure that it happens at."""

    state: AlertTurn
    since_ms: int
    time_ms: int
    value: Fraction | None


def step(
    rule: AlertRule, state: AlertState | None, figures: Figures, time_ms: int
) -> tuple[AlertState | None, Turn | None]:
    """How a campaign stands with a rule after a look at its figures, and what happens to its alert.

    ``time_ms`` is the watermark, for rules about the data the clock. A condition whose figure is unknown does not hold. Ids do not
    repeat: a crossing begins later than the one before it.
    """
    value = rule.value(figures)
    if state is not None and state.is_open:
        return _step_open(rule, state, value, time_ms)
    quiet_until_ms = 0 if state is None else state.quiet_until_ms
    if not _holds(rule, value, rule.threshold):
        if state is None or time_ms >= quiet_until_ms:
            return None, None
        return AlertState("resolved", state.since_ms, quiet_until_ms=quiet_until_ms), None
    if state is None:
        since_ms = time_ms
    elif state.phase == "pending":
        since_ms = state.since_ms
    else:
        since_ms = max(time_ms, state.since_ms + 1)
    if time_ms >= max(since_ms + rule.for_minutes * MINUTE_MS, quiet_until_ms):
        return AlertState("raised", since_ms, time_ms), Turn("raised", since_ms, time_ms, value)
    return AlertState("pending", since_ms, quiet_until_ms=quiet_until_ms), None


def _step_open(
    rule: AlertRule, state: AlertState, value: Fraction | None, time_ms: int
) -> tuple[AlertState, Turn | None]:
    percent = rule.hysteresis_percent if rule.is_below else -rule.hysteresis_percent
    if not _holds(rule, value, rule.threshold * (100 + percent) / 100):
        quiet_until_ms = max(time_ms + rule.cool_down_minutes * MINUTE_MS, state.since_ms + 1)
        resolved = AlertState("resolved", state.since_ms, quiet_until_ms=quiet_until_ms)
        return resolved, Turn("resolved", state.since_ms, time_ms, value)
    wake_ms = next_step_ms(rule, state)
    if wake_ms is not None and time_ms >= wake_ms:
        escalated = AlertState("escalated", state.since_ms, state.raised_ms)
        return escalated, Turn("escalated", state.since_ms, time_ms, value)
    return state, None


def _holds(rule: AlertRule, value: Fraction | None, threshold: Fraction) -> bool:
    if value is None:
        return False
    return value < threshold if rule.is_below else value >= threshold


def next_step_ms(rule: AlertRule, state: AlertState) -> int | None:
    """From when on a step may change the state while no figure does; ``None`` for never."""
    if state.phase == "pending":
        return max(state.since_ms + rule.for_minutes * MINUTE_MS, state.quiet_until_ms)
    if state.phase == "raised" and rule.escalate_after_minutes is not None:
        return state.raised_ms + rule.escalate_after_minutes * MINUTE_MS
    return state.quiet_until_ms if state.phase == "resolved" else None


def kind_of(rule: AlertRule) -> AlertKind:
    """The kind of a rule, as rules are written."""
    kind: AlertKind = rule.__struct_config__.tag  # type: ignore[assignment]  # each class above names its tag
    return kind


def record_of(rule: AlertRule, campaign_id: str | None, shop_id: str | None, turn: Turn) -> AlertRaised:
    """The record of what happens to an alert; ``campaign_id`` is ``None`` for rules about the data."""
    value_text = None if turn.value is None else figure_text(turn.value, rule.unit)
    threshold_text = figure_text(rule.threshold, rule.unit)
    return AlertRaised(
        alert_id=f"{SYSTEM if campaign_id is None else campaign_id}|{rule.name}|{turn.since_ms}",
        campaign_id=campaign_id,
        shop_id=shop_id,
        rule=rule.name,
        kind=kind_of(rule),
        severity=rule.severity,
        state=turn.state,
        since_ms=turn.since_ms,
        time_ms=turn.time_ms,
        unit=rule.unit,
        value=None if turn.value is None else float(turn.value),
        threshold=float(rule.threshold),
        value_text=value_text,
        threshold_text=threshold_text,
        message=_message(rule, campaign_id, turn, value_text, threshold_text),
    )


def _message(
    rule: AlertRule, campaign_id: str | None, turn: Turn, value_text: str | None, threshold_text: str
) -> str:
    side = "below" if rule.is_below else "at or above"
    said = f"{rule.subject} is {value_text}"
    if value_text is None:
        text = f"resolved: there is no {rule.subject.rstrip(',')} any more."
    elif turn.state == "resolved":
        text = f"resolved: {said}, no longer {side} {threshold_text}."
    else:
        minutes = (turn.time_ms - turn.since_ms) // MINUTE_MS
        lasting = f" for {figure_text(Fraction(minutes), 'minutes')}" if minutes else ""
        again = "still unsolved: " if turn.state == "escalated" else ""
        text = f"{again}{said}, {side} {threshold_text}{lasting}. {rule.look}"
    return text[0].upper() + text[1:] if campaign_id is None else f"Campaign {campaign_id}: {text}"


def figure_text(figure: Fraction, unit: AlertUnit) -> str:
    """A figure for people: rounded down, so that what is below a threshold does not read as if it were there.

    >>> figure_text(Fraction(2, 3), "ratio"), figure_text(Fraction(90), "percent"), figure_text(Fraction(12345), "fen")
    ('0.6666', '90 percent', '123.45 yuan')
    >>> figure_text(Fraction(1_000_000), "fen"), figure_text(Fraction(1), "minutes"), figure_text(Fraction(3, 2), "minutes")
    ('10,000.00 yuan', '1 minute', '1.5 minutes')
    """
    if unit == "fen":
        return f"{yuan(figure // 1)} yuan"
    if unit == "ratio":
        return _decimal(figure, 4)
    shown = _decimal(figure, 1)
    return "1 minute" if (shown, unit) == ("1", "minutes") else f"{shown} {unit}"


def _decimal(figure: Fraction, places: int) -> str:
    whole, part = divmod(figure * 10**places // 1, 10**places)
    if whole < 0 and part:
        return f"-{_decimal(Fraction(-whole * 10**places - part, 10**places), places)}"
    return f"{whole}.{part:0{places}}".rstrip("0").rstrip(".") if part else f"{whole}"
