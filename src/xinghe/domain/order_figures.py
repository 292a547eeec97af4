"""What one order adds to the figures of campaigns (ARCHITECTURE.md, R4 to R8)."""

from __future__ import annotations

from collections import defaultdict
from typing import Final, NamedTuple

from xinghe.domain.attribution.order_credit import Credit, credits_of
from xinghe.domain.cohorts import NO_AMOUNTS, Amounts, CohortCell
from xinghe.domain.counted import day_number, pack_cell
from xinghe.domain.directory import Directory
from xinghe.domain.metrics import COUNTED_INDEX, LAG_DAYS, MODEL_COUNTED_INDEX, MODEL_PEOPLE_INDEX, MODELS
from xinghe.domain.order import Order, counting_refunds
from xinghe.domain.windows import DAY_MS, MINUTE_MS


class _Metrics(NamedTuple):
    """The indexes of one model's metrics in deltas."""

    orders_micros: int
    gmv_fen: int
    direct_gmv_fen: int
    halo_gmv_fen: int
    within_lag: tuple[tuple[int, int, int], ...]
    refunds: int
    refund_fen: int
    repurchases: int
    repurchases_30d: int
    buyers: int
    new_buyers: int
    repurchasers: int
    repurchasers_30d: int


def _metrics(model: int) -> _Metrics:
    counted, people = MODEL_COUNTED_INDEX[model], MODEL_PEOPLE_INDEX[model]
    return _Metrics(
        orders_micros=counted["orders_micros"],
        gmv_fen=counted["gmv_fen"],
        direct_gmv_fen=counted["direct_gmv_fen"],
        halo_gmv_fen=counted["halo_gmv_fen"],
        within_lag=tuple(
            (days * DAY_MS, counted[f"gmv_{days}d_fen"], counted[f"refund_{days}d_fen"]) for days in LAG_DAYS
        ),
        refunds=counted["refunds"],
        refund_fen=counted["refund_fen"],
        repurchases=counted["repurchases"],
        repurchases_30d=counted["repurchases_30d"],
        buyers=people["buyers"],
        new_buyers=people["new_buyers"],
        repurchasers=people["repurchasers"],
        repurchasers_30d=people["repurchasers_30d"],
    )


_METRICS: Final = tuple(map(_metrics, range(len(MODELS))))
_COUPON_REDEMPTIONS: Final = COUNTED_INDEX["coupon_redemptions"]
_COUPON_GMV_FEN: Final = COUNTED_INDEX["coupon_gmv_fen"]


class Figures(NamedTuple):
    """``counts`` by (source number, minute, counted metric); ``people`` are packed cells of distinct people.

    ``cohorts`` are of touches with a campaign only.
    """

    counts: dict[tuple[int, int, int], int]
    people: bytes
    cohorts: dict[CohortCell, Amounts]


def figures_of(order: Order, directory: Directory, half_life_ms: int) -> Figures:
    """All that an order adds, with its refunds, by every model."""
    counts: defaultdict[tuple[int, int, int], int] = defaultdict(int)
    people: set[tuple[int, int]] = set()
    by_model = credits_of(order, half_life_ms)
    for metrics, credits_ in zip(_METRICS, by_model, strict=True):
        campaigns = _add_credits(counts, order, credits_, metrics, directory)
        for campaign, source in campaigns.items():
            people.add((campaign, metrics.buyers))
            if order.is_new:
                people.add((campaign, metrics.new_buyers))
            for refund in counting_refunds(order):
                counts[source, refund.time_ms // MINUTE_MS, metrics.refunds] += 1
    for metrics, firsts in zip(_METRICS, order.first_credited, strict=False):
        people |= _add_repurchase(counts, order, firsts, metrics, directory)
    minute = order.time_ms // MINUTE_MS
    coupons = [directory.without_note(claim.source) for claim in order.redeemed]
    for source in coupons:
        counts[source, minute, _COUPON_REDEMPTIONS] += 1
    for source in set(coupons):
        counts[source, minute, _COUPON_GMV_FEN] += order.amount_fen
    day = day_number(order.time_ms)
    cells = b"".join(pack_cell(campaign, metric, day) for campaign, metric in sorted(people))
    return Figures(counts, cells, _cohorts(order, by_model, directory))


def _add_credits(
    counts: dict[tuple[int, int, int], int],
    order: Order,
    credits_: list[Credit],
    metrics: _Metrics,
    directory: Directory,
) -> dict[int, int]:
    """Add one model's credits; answers the campaigns that have any, each with its source without a note."""
    minute = order.time_ms // MINUTE_MS
    refund_minutes = [refund.time_ms // MINUTE_MS for refund in counting_refunds(order)]
    campaigns: dict[int, int] = {}
    for touch, orders_micros, gmv_fen, refund_fen in credits_:
        source = directory.unattributed(order.target) if touch is None else touch.source
        campaigns[directory.campaign_of[source]] = directory.without_note(source)
        counts[source, minute, metrics.orders_micros] += orders_micros
        counts[source, minute, metrics.gmv_fen] += gmv_fen
        for refund_minute, taken_fen in zip(refund_minutes, refund_fen, strict=True):
            counts[source, refund_minute, metrics.refund_fen] += taken_fen
        if touch is None:
            continue
        is_direct = directory.is_direct(source, order.target)
        counts[source, minute, metrics.direct_gmv_fen if is_direct else metrics.halo_gmv_fen] += gmv_fen
        lag_ms = order.time_ms - touch.time_ms
        for within_ms, gmv_metric, refund_metric in metrics.within_lag:
            if lag_ms <= within_ms:
                counts[source, minute, gmv_metric] += gmv_fen
                for refund_minute, taken_fen in zip(refund_minutes, refund_fen, strict=True):
                    counts[source, refund_minute, refund_metric] += taken_fen
    return campaigns


def _cohorts(order: Order, by_model: list[list[Credit]], directory: Directory) -> dict[CohortCell, Amounts]:
    """The cohorts of an order's credits."""
    cohorts: dict[CohortCell, Amounts] = {}
    order_day = day_number(order.time_ms)
    refund_days = [day_number(refund.time_ms) for refund in counting_refunds(order)]
    sources, campaign_of = directory.sources, directory.campaign_of
    for model, credits_ in enumerate(by_model):
        for touch, orders_micros, gmv_fen, refund_fen in credits_:
            if touch is None or sources[touch.source].campaign_id is None:
                continue
            campaign, touch_day = campaign_of[touch.source], day_number(touch.time_ms)
            cell = campaign, touch_day, order_day, order_day, model
            orders, gmv, taken = cohorts.get(cell, NO_AMOUNTS)
            cohorts[cell] = orders + orders_micros, gmv + gmv_fen, taken
            for day, taken_fen in zip(refund_days, refund_fen, strict=True):
                cell = campaign, touch_day, order_day, day, model
                orders, gmv, taken = cohorts.get(cell, NO_AMOUNTS)
                cohorts[cell] = orders, gmv, taken + taken_fen
    return cohorts


def _add_repurchase(
    counts: dict[tuple[int, int, int], int],
    order: Order,
    firsts: tuple[int, ...],
    metrics: _Metrics,
    directory: Directory,
) -> set[tuple[int, int]]:
    """Count a repurchase for the campaigns of the first order; answers (campaign, metric) of its people."""
    minute = order.time_ms // MINUTE_MS
    people: set[tuple[int, int]] = set()
    for source in firsts:
        campaign = directory.campaign_of[source]
        counts[source, minute, metrics.repurchases] += 1
        people.add((campaign, metrics.repurchasers))
        if order.repurchase_days == 30:
            counts[source, minute, metrics.repurchases_30d] += 1
            people.add((campaign, metrics.repurchasers_30d))
    return people


def credited_campaigns(order: Order, directory: Directory, half_life_ms: int) -> tuple[tuple[int, ...], ...]:
    """For each model the campaigns with credit in the order, as numbers of their sources without a note."""
    by_model = []
    for credits_ in credits_of(order, half_life_ms):
        campaigns = {}
        for credit in credits_:
            source = directory.unattributed(order.target) if credit.touch is None else credit.touch.source
            campaigns[directory.campaign_of[source]] = directory.without_note(source)
        by_model.append(tuple(campaigns.values()))
    return tuple(by_model)
