"""What orders add to the figures of campaigns (ARCHITECTURE.md, R4 to R8)."""

from __future__ import annotations

from collections import defaultdict
from typing import Final, NamedTuple

from xinghe.domain.attribution.order_credit import credits_of, shares_of
from xinghe.domain.cohorts import CohortCell, add_amounts
from xinghe.domain.counted import day_number, pack_cell
from xinghe.domain.delta import Changes
from xinghe.domain.directory import Directory
from xinghe.domain.metrics import COUNTED_INDEX, LAG_DAYS, MODEL_COUNTED_INDEX, MODEL_PEOPLE_INDEX, MODELS
from xinghe.domain.order import Order, counting_refunds
from xinghe.domain.touch import Touch
from xinghe.domain.windows import DAY_MS, MINUTE_MS

_LAGS_MS: Final = tuple(days * DAY_MS for days in LAG_DAYS)


class _Metrics(NamedTuple):
    """The indexes of one model's metrics in deltas, but for those of credits."""

    refunds: int
    repurchases: int
    repurchases_30d: int
    buyers: int
    new_buyers: int
    repurchasers: int
    repurchasers_30d: int


def _metrics(model: int) -> _Metrics:
    counted, people = MODEL_COUNTED_INDEX[model], MODEL_PEOPLE_INDEX[model]
    return _Metrics(
        refunds=counted["refunds"],
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

_UNATTRIBUTED: Final = 2 * (len(LAG_DAYS) + 1)
_KINDS: Final = _UNATTRIBUTED + 1
"""Of credit: direct or halo, each by how many of ``LAG_DAYS`` its lag is within, or to no touch."""


def _gmv_metrics(model: int, kind: int) -> tuple[int, ...]:
    """The metrics in fen that a credit adds to."""
    counted = MODEL_COUNTED_INDEX[model]
    if kind == _UNATTRIBUTED:
        return (counted["gmv_fen"],)
    within, is_direct = divmod(kind, 2)
    lags = [counted[f"gmv_{days}d_fen"] for days in LAG_DAYS[len(LAG_DAYS) - within :]]
    return (counted["gmv_fen"], counted["direct_gmv_fen" if is_direct else "halo_gmv_fen"], *lags)


def _refund_metrics(model: int, kind: int) -> tuple[int, ...]:
    """The metrics in fen that what is taken back of a credit adds to."""
    counted = MODEL_COUNTED_INDEX[model]
    within = 0 if kind == _UNATTRIBUTED else kind // 2
    lags = [counted[f"refund_{days}d_fen"] for days in LAG_DAYS[len(LAG_DAYS) - within :]]
    return (counted["refund_fen"], *lags)


_MICROS_METRIC: Final = tuple(index["orders_micros"] for index in MODEL_COUNTED_INDEX for _ in range(_KINDS))
_GMV_METRICS: Final = tuple(
    _gmv_metrics(model, kind) for model in range(len(MODELS)) for kind in range(_KINDS)
)
_REFUND_METRICS: Final = tuple(
    _refund_metrics(model, kind) for model in range(len(MODELS)) for kind in range(_KINDS)
)
"""By model and kind of credit."""


class _Place(NamedTuple):
    """Where the credit of a touch goes; ``touch_day`` is 0 for one that is of no campaign, and so in no cohort."""

    source: int
    kind: int
    campaign: int
    touch_day: int


class OrderFigures:
    """What orders add to the figures of campaigns, in sum.

    Credits are far the most: an order of a hundred touches has some three hundred, each of which adds to six metrics. They
    are summed by source and kind first, so that those which one order gives and another takes meet before that.
    """

    def __init__(self, directory: Directory, half_life_ms: int) -> None:
        self._directory = directory
        self._half_life_ms = half_life_ms
        self._credits: defaultdict[int, defaultdict[tuple[int, int], list[int]]] = defaultdict(
            lambda: defaultdict(lambda: [0, 0])
        )
        """Micros and fen by minute, source and kind."""
        self._counts: defaultdict[tuple[int, int, int], int] = defaultdict(int)
        self._cohorts: defaultdict[CohortCell, list[int]] = defaultdict(lambda: [0, 0, 0])

    def add_to(self, changes: Changes) -> None:
        """Add all to what changed."""
        counts = changes.counts
        for cell, amount in self._counts.items():
            counts[cell] += amount
        for minute, credits_ in self._credits.items():
            for (source, kind), (orders_micros, gmv_fen) in credits_.items():
                if orders_micros:
                    counts[source, minute, _MICROS_METRIC[kind]] += orders_micros
                if gmv_fen:
                    for metric in _GMV_METRICS[kind]:
                        counts[source, minute, metric] += gmv_fen
        add_amounts(changes.cohorts, self._cohorts)

    def add(self, order: Order, sign: int = 1) -> bytes:
        """Add an order with its refunds, by every model, or with ``sign`` -1 take it off.

        Answers the packed cells of the people that it counts.
        """
        people: set[tuple[int, int]] = set()
        by_model = self._add_credits(order, sign)
        for metrics, campaigns in zip(_METRICS, by_model, strict=True):
            for campaign in campaigns:
                people.add((campaign, metrics.buyers))
                if order.is_new:
                    people.add((campaign, metrics.new_buyers))
        if order.refunds:
            self._add_refunds(order, sign)
        for metrics, firsts in zip(_METRICS, order.first_credited, strict=False):
            people |= self._add_repurchase(order, firsts, metrics, sign)
        if order.redeemed:
            self._add_coupons(order, sign)
        day = day_number(order.time_ms)
        return b"".join(pack_cell(campaign, metric, day) for campaign, metric in sorted(people))

    def _add_credits(self, order: Order, sign: int) -> list[set[int]]:
        """Add the credits of all models; answers for each the campaigns that have any."""
        credits_, cohorts = self._credits[order.time_ms // MINUTE_MS], self._cohorts
        order_day = day_number(order.time_ms)
        by_model: list[set[int]] = []
        shares = shares_of(order, self._half_life_ms)
        path = [self._place(order, touch) for touch in shares[-1].touches]
        winner = [self._place(order, touch) for touch in shares[0].touches]
        for model, one in enumerate(shares):
            first_kind, campaigns = model * _KINDS, set()
            places = winner if one is shares[0] else path
            for (source, kind, campaign, touch_day), orders_micros, gmv_fen in zip(
                places, one.orders_micros, one.gmv_fen, strict=True
            ):
                if orders_micros or gmv_fen:
                    credit = credits_[source, first_kind + kind]
                    credit[0] += sign * orders_micros
                    credit[1] += sign * gmv_fen
                    campaigns.add(campaign)
                    if touch_day:
                        cohort = cohorts[campaign, touch_day, order_day, order_day, model, 0]
                        cohort[0] += sign * orders_micros
                        cohort[1] += sign * gmv_fen
            by_model.append(campaigns)
        return by_model

    def _place(self, order: Order, touch: Touch | None) -> _Place:
        directory = self._directory
        if touch is None:
            source = directory.unattributed(order.target)
            return _Place(source, _UNATTRIBUTED, directory.campaign_of[source], 0)
        source, lag_ms = touch.source, order.time_ms - touch.time_ms
        within = (lag_ms <= _LAGS_MS[0]) + (lag_ms <= _LAGS_MS[1]) + (lag_ms <= _LAGS_MS[2])
        kind = 2 * within + directory.is_direct(source, order.target)
        touch_day = 0 if directory.sources[source].campaign_id is None else day_number(touch.time_ms)
        return _Place(source, kind, directory.campaign_of[source], touch_day)

    def _add_refunds(self, order: Order, sign: int) -> None:
        times_ms = [refund.time_ms for refund in counting_refunds(order)]
        for model, credits_ in enumerate(credits_of(order, self._half_life_ms)):
            campaigns = {}
            for touch, _, _, refund_fen in credits_:
                place = self._place(order, touch)
                campaigns[place.campaign] = self._directory.without_note(place.source)
                for time_ms, taken_fen in zip(times_ms, refund_fen, strict=True):
                    self._add_taken(order, place, model, time_ms, sign * taken_fen)
            for source in campaigns.values():
                for time_ms in times_ms:
                    self._counts[source, time_ms // MINUTE_MS, _METRICS[model].refunds] += sign

    def _add_taken(self, order: Order, place: _Place, model: int, time_ms: int, taken_fen: int) -> None:
        """Add what a refund takes back of a credit."""
        for metric in _REFUND_METRICS[model * _KINDS + place.kind]:
            self._counts[place.source, time_ms // MINUTE_MS, metric] += taken_fen
        if place.touch_day:
            days = place.touch_day, day_number(order.time_ms), day_number(time_ms)
            self._cohorts[place.campaign, *days, model, 0][2] += taken_fen

    def _add_repurchase(
        self, order: Order, firsts: tuple[int, ...], metrics: _Metrics, sign: int
    ) -> set[tuple[int, int]]:
        """Count a repurchase for the campaigns of the first order; answers (campaign, metric) of its people."""
        minute = order.time_ms // MINUTE_MS
        people: set[tuple[int, int]] = set()
        for source in firsts:
            campaign = self._directory.campaign_of[source]
            self._counts[source, minute, metrics.repurchases] += sign
            people.add((campaign, metrics.repurchasers))
            if order.repurchase_days == 30:
                self._counts[source, minute, metrics.repurchases_30d] += sign
                people.add((campaign, metrics.repurchasers_30d))
        return people

    def _add_coupons(self, order: Order, sign: int) -> None:
        minute = order.time_ms // MINUTE_MS
        coupons = [self._directory.without_note(claim.source) for claim in order.redeemed]
        for source in coupons:
            self._counts[source, minute, _COUPON_REDEMPTIONS] += sign
        for source in set(coupons):
            self._counts[source, minute, _COUPON_GMV_FEN] += sign * order.amount_fen


def credited_campaigns(order: Order, directory: Directory, half_life_ms: int) -> tuple[tuple[int, ...], ...]:
    """For each model the campaigns with credit in the order, as numbers of their sources without a note."""
    by_model = []
    for shares in shares_of(order, half_life_ms):
        campaigns: dict[int, int] = {}
        for touch, orders_micros, gmv_fen in zip(*shares, strict=True):
            source = directory.unattributed(order.target) if touch is None else touch.source
            if (orders_micros or gmv_fen) and directory.campaign_of[source] not in campaigns:
                campaigns[directory.campaign_of[source]] = directory.without_note(source)
        by_model.append(tuple(campaigns.values()))
    return tuple(by_model)
