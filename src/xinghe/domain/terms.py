"""The terms of money in a campaign's settings: guarantee, spend match, revenue share (ARCHITECTURE.md, R18 to R21).

A policy is data: the two that platforms have published are presets, which fix everything but the target and a cap, and
``custom`` writes out what a preset fixes.

============================  ==============================  ==============================
policy                        ``qianchuan_roi``               ``xhs_cost``
============================  ==============================  ==============================
measure                       ROI, gross                      cost per conversion
trigger                       below 80 % of the target        above 120 % of the bid
payout                        spend - sum(GMV / target)       spend - 1.2 * sum(bid * conv.)
conversions at least          10 orders                       none
edits at most                 2 a day                         2 a day, 1 an hour
observed                      3 days                          7 days
orders count until            1 day later                     3 days later (our choice)
settled at the end of         day 5                           day 10
form                          credit                          credit
============================  ==============================  ==============================

Sources, both as advertisers' guides repeat them: Ocean Engine Qianchuan (巨量千川 成本保障): three calendar days from the
first exposure, a fourth for conversions under way, paid about five days later. Xiaohongshu (小红书 聚光 成本保障): seven
calendar days, computed on the tenth, returned as goods credit (返货). Until when Xiaohongshu counts conversions is not
published: here it is until it computes. Both count days from the first exposure; here from the day of ``start_ms``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Final, Literal

from msgspec import Meta, Struct

from xinghe.domain.counted import day_number, day_start_ms
from xinghe.domain.field_types import Fen, TimeMs
from xinghe.domain.metrics import MODELS

if TYPE_CHECKING:
    from xinghe.domain.events import CampaignConfigured  # which has these terms as fields

Measure = Literal["roi", "cost"]
Form = Literal["cash", "credit"]
Basis = Literal["gross", "net"]
Conversion = Literal[
    "orders",
    "views",
    "likes",
    "comments",
    "collects",
    "shares",
    "follows",
    "ad_clicks",
    "coupon_claims",
    "store_visits",
    "favorites",
    "cart_adds",
    "coupon_redemptions",
]
"""What a guarantee counts: credited orders, or a counted metric that is not money."""

TargetRoi = Annotated[
    float, Meta(gt=0, le=1000, description="GMV per spend that is aimed at, with at most 4 decimals.")
]
Percent = Annotated[int, Meta(ge=1, le=1000)]
EditsMax = Annotated[int, Meta(ge=0, le=1000)]

ROI_PLACES: Final = 10_000
"""A target ROI is a whole number of ten-thousandths, which a float of its size tells exactly."""
_INDEX_OF: Final = {model: index for index, model in enumerate(MODELS)}


class QianchuanRoi(Struct, frozen=True, forbid_unknown_fields=True, tag_field="preset", tag="qianchuan_roi"):
    """Ocean Engine Qianchuan's guarantee of ROI: what was spent above the GMV over the target is paid as credit."""

    start_ms: TimeMs
    target_roi: TargetRoi
    cap_fen: Fen | None = None

    def __post_init__(self) -> None:
        _check_roi(self.target_roi)


class XhsCost(Struct, frozen=True, forbid_unknown_fields=True, tag_field="preset", tag="xhs_cost"):
    """Xiaohongshu's guarantee of cost: what was spent above 1.2 times the bids is paid as credit."""

    start_ms: TimeMs
    bid_fen: Fen
    conversion: Conversion = "orders"
    cap_fen: Fen | None = None


class CustomGuarantee(Struct, frozen=True, forbid_unknown_fields=True, tag_field="preset", tag="custom"):
    """A guarantee with all of its policy written out; what is absent is no limit.

    ``target_roi`` belongs to the measure ``roi``, ``bid_fen`` to ``cost``, and each is needed there.
    """

    start_ms: TimeMs
    measure: Measure
    trigger_percent: Percent
    payout_percent: Percent
    observation_days: Annotated[int, Meta(ge=1, le=60)]
    settlement_day: Annotated[int, Meta(ge=1, le=120)]
    form: Form
    target_roi: TargetRoi | None = None
    bid_fen: Fen | None = None
    conversion: Conversion = "orders"
    conversions_min: Annotated[int, Meta(ge=0, le=10**6)] = 0
    edits_per_day_max: EditsMax | None = None
    edits_per_hour_max: EditsMax | None = None
    backfill_days: Annotated[int, Meta(ge=0, le=120)] = 0
    basis: Basis = "gross"
    cap_fen: Fen | None = None

    def __post_init__(self) -> None:
        needed, foreign = ("target_roi", "bid_fen") if self.measure == "roi" else ("bid_fen", "target_roi")
        if getattr(self, needed) is None:
            raise ValueError(f"{needed}: required by measure {self.measure!r}")
        if getattr(self, foreign) is not None:
            raise ValueError(f"{foreign}: has no place with measure {self.measure!r}")
        if self.target_roi is not None:
            _check_roi(self.target_roi)
        if self.settlement_day < self.observation_days:
            raise ValueError(
                f"settlement_day: Expected at least observation_days, {self.observation_days}, "
                f"got {self.settlement_day}"
            )


Guarantee = QianchuanRoi | XhsCost | CustomGuarantee


class SpendMatch(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the spend of each period that the platform adds as credit."""

    start_ms: TimeMs
    days: Annotated[int, Meta(ge=1, le=366, description="Length of a period.")]
    rate_percent: Annotated[int, Meta(ge=1, le=100)]
    settle_after_days: Annotated[int, Meta(ge=0, le=90)]
    threshold_fen: Annotated[int, Meta(ge=0, le=10**14, description="Spend that a period must reach.")] = 0
    orders_min: Annotated[int, Meta(ge=0, le=10**9)] = 0
    cap_fen: Fen | None = None


class Tier(Struct, frozen=True, forbid_unknown_fields=True):
    """The rate for the part of a month's net GMV from ``from_fen`` up to that of the next tier."""

    from_fen: Annotated[int, Meta(ge=0, le=10**14)]
    rate_basis_points: Annotated[int, Meta(ge=0, le=10_000)]


class RevenueShare(Struct, frozen=True, forbid_unknown_fields=True):
    """The commission on a calendar month's net GMV, by marginal tiers, ascending by ``from_fen``."""

    tiers: Annotated[list[Tier], Meta(min_length=1, max_length=20)]
    settle_after_days: Annotated[int, Meta(ge=0, le=90)]

    def __post_init__(self) -> None:
        starts = [tier.from_fen for tier in self.tiers]
        if starts != sorted(set(starts)):
            raise ValueError(f"tiers: Expected from_fen to rise from tier to tier, got {starts}")


class Policy(Struct, frozen=True):
    """What a guarantee promises, written out: presets and ``custom`` alike (R20)."""

    start_ms: int
    measure: Measure
    target: Fraction
    """ROI to reach, or fen bid for a conversion."""
    conversion: Conversion
    trigger_percent: int
    payout_percent: int
    conversions_min: int
    observation_days: int
    edits_per_day_max: int | None
    edits_per_hour_max: int | None
    backfill_days: int
    """How many days after the last observed one an order still counts."""
    settlement_day: int
    """The day at whose end it is settled; the first observed day is 1."""
    form: Form
    basis: Basis
    cap_fen: int | None

    @property
    def first_day(self) -> int:
        """The first observed day."""
        return day_number(self.start_ms)


def policy_of(guarantee: Guarantee) -> Policy:
    """What a guarantee comes to.

    >>> policy = policy_of(QianchuanRoi(1_700_000_000_000, 2.5, cap_fen=100_000))
    >>> policy.first_day, policy.target, policy.trigger_percent, policy.settlement_day, policy.cap_fen
    (19677, Fraction(5, 2), 80, 5, 100000)
    """
    match guarantee:
        case QianchuanRoi():
            return Policy(
                start_ms=guarantee.start_ms,
                measure="roi",
                target=exact_roi(guarantee.target_roi),
                conversion="orders",
                trigger_percent=80,
                payout_percent=100,
                conversions_min=10,
                observation_days=3,
                edits_per_day_max=2,
                edits_per_hour_max=None,
                backfill_days=1,
                settlement_day=5,
                form="credit",
                basis="gross",
                cap_fen=guarantee.cap_fen,
            )
        case XhsCost():
            return Policy(
                start_ms=guarantee.start_ms,
                measure="cost",
                target=Fraction(guarantee.bid_fen),
                conversion=guarantee.conversion,
                trigger_percent=120,
                payout_percent=120,
                conversions_min=0,
                observation_days=7,
                edits_per_day_max=2,
                edits_per_hour_max=1,
                backfill_days=3,
                settlement_day=10,
                form="credit",
                basis="gross",
                cap_fen=guarantee.cap_fen,
            )
        case CustomGuarantee():
            return Policy(
                start_ms=guarantee.start_ms,
                measure=guarantee.measure,
                target=_target_of(guarantee),
                conversion=guarantee.conversion,
                trigger_percent=guarantee.trigger_percent,
                payout_percent=guarantee.payout_percent,
                conversions_min=guarantee.conversions_min,
                observation_days=guarantee.observation_days,
                edits_per_day_max=guarantee.edits_per_day_max,
                edits_per_hour_max=guarantee.edits_per_hour_max,
                backfill_days=guarantee.backfill_days,
                settlement_day=guarantee.settlement_day,
                form=guarantee.form,
                basis=guarantee.basis,
                cap_fen=guarantee.cap_fen,
            )


def terms_of(settings: Sequence[CampaignConfigured], day: int) -> CampaignConfigured | None:
    """The setting that holds for money on a day, ``None`` where there is none (R18).

    ``settings`` ascend by ``effective_ms``, each time once. It is the one that holds at the day's first millisecond, where
    there is none the first that takes effect within the day.
    """
    after_start = bisect_right(settings, day_start_ms(day), key=lambda setting: setting.effective_ms)
    if after_start > 0:
        return settings[after_start - 1]
    if settings and day_number(settings[0].effective_ms) == day:
        return settings[0]
    return None


def model_of(settings: Sequence[CampaignConfigured], day: int) -> int:
    """The model of a day's money as an index into ``MODELS``; ``last_touch`` without terms and for data-driven models."""
    terms = terms_of(settings, day)
    return 0 if terms is None else model_index(terms)


def model_index(terms: CampaignConfigured) -> int:
    """The model of terms as an index into ``MODELS``."""
    return _INDEX_OF.get(terms.model, 0)


def exact_roi(target_roi: float) -> Fraction:
    """The target ROI that a JSON number with at most 4 decimals says.

    >>> exact_roi(2.55), exact_roi(0.0001)
    (Fraction(51, 20), Fraction(1, 10000))
    """
    return Fraction(round(target_roi * ROI_PLACES), ROI_PLACES)


def _target_of(guarantee: CustomGuarantee) -> Fraction:
    if guarantee.target_roi is not None:
        return exact_roi(guarantee.target_roi)
    return Fraction(guarantee.bid_fen or 0)  # the measure needs one of both: the bid is there


def _check_roi(target_roi: float) -> None:
    if round(target_roi * ROI_PLACES) / ROI_PLACES != target_roi:
        raise ValueError(f"target_roi: Expected at most 4 decimals, got {target_roi!r}")
