"""Laws of the recomputation itself: it adds up, and the order of events does not matter."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.events import journey_events, times_ms
from xinghe.audit.credit import ORDER_MICROS
from xinghe.audit.figures import Truth
from xinghe.audit.truth import truth_of
from xinghe.domain.events import CampaignConfigured, OrderPaid, OrderRefunded
from xinghe.domain.metrics import MODEL_COUNTED_NAMES, MODELS
from xinghe.domain.windows import DAY_MS

bounded = settings(max_examples=200, deadline=None)
configured = st.lists(
    st.builds(
        CampaignConfigured,
        campaign_id=st.sampled_from(("c1", "c2")),
        shop_id=st.just("s1"),
        name=st.just("spring"),
        effective_ms=times_ms,
        model=st.sampled_from((*MODELS, "shapley")),
    ),
    max_size=4,
    unique_by=lambda setting: (setting.campaign_id, setting.effective_ms),
)
SHIFTS_DAYS: Final = (0, 0, 1, 30, 90, 365, 400)


def figures(truth: Truth) -> Any:
    """Everything that is shown of it."""
    return (
        truth.windows,
        truth.notes,
        truth.note_days,
        truth.orders,
        truth.refused,
        truth.waiting,
        truth.unsure,
        (truth.events_in, truth.counted, truth.duplicates),
    )


@given(data=st.data(), events=journey_events(), told=configured)
@bounded
def test_any_order_of_events_gives_the_same(
    data: st.DataObject, events: list[Any], told: list[CampaignConfigured]
) -> None:
    shuffled = data.draw(st.permutations([*events, *told]))
    assert figures(truth_of(shuffled)) == figures(truth_of([*events, *told]))


@given(events=journey_events(), told=configured)
@bounded
def test_copies_are_only_duplicates(events: list[Any], told: list[CampaignConfigured]) -> None:
    once, twice = truth_of([*events, *told]), truth_of([*events, *events, *told])
    assert figures(twice)[:-1] == figures(once)[:-1]
    assert twice.duplicates == once.duplicates + len(events)
    assert twice.events_in == once.events_in + len(events)


@given(events=journey_events(), told=configured)
@bounded
def test_each_model_gives_the_whole_order_and_takes_the_whole_refund(
    events: list[Any], told: list[CampaignConfigured]
) -> None:
    truth = truth_of([*events, *told])
    orders = truth.orders.values()
    for order in orders:
        for model in MODELS:
            assert sum(credit.orders_micros for credit in order.credits[model]) == ORDER_MICROS
            assert sum(credit.gmv_fen for credit in order.credits[model]) == order.amount_fen
            assert sum(credit.refund_fen for credit in order.credits[model]) == order.refunded_fen
            assert all(0 <= credit.refund_fen <= credit.gmv_fen for credit in order.credits[model])
    to_date = [truth.metrics((campaign_id, "total", 0)) for campaign_id in truth.campaigns]
    for model in MODELS:
        assert sum(each.get(f"gmv_fen:{model}", 0) for each in to_date) == sum(o.amount_fen for o in orders)
        assert sum(each.get(f"refund_fen:{model}", 0) for each in to_date) == sum(
            o.refunded_fen for o in orders
        )
        for each in to_date:
            assert each.get(f"buyers:{model}", 0) >= each.get(f"new_buyers:{model}", 0)
            assert each.get(f"repurchasers:{model}", 0) >= each.get(f"repurchasers_30d:{model}", 0)


@given(events=journey_events(), told=configured)
@bounded
def test_minutes_add_up_to_everything_larger(events: list[Any], told: list[CampaignConfigured]) -> None:
    truth = truth_of([*events, *told])
    for campaign_id in truth.campaigns:
        minutes = [truth.metrics(key) for key in truth.counts if key[:2] == (campaign_id, "1m")]
        total = truth.metrics((campaign_id, "total", 0))
        for name in (*MODEL_COUNTED_NAMES, "net_gmv_fen", "views", "coupon_gmv_fen"):
            assert sum(each[name] for each in minutes) == total[name], name


@given(events=journey_events())
@bounded
def test_without_settings_the_last_touch_counts(events: list[Any]) -> None:
    truth = truth_of(events)
    for metrics in truth.windows.values():
        for name, value in metrics.items():
            plain, _, model = name.partition(":")
            if model == "last_touch":
                assert metrics[plain] == value, name


@given(events=journey_events())
@bounded
def test_refunds_change_no_figure_but_their_own(events: list[Any]) -> None:
    without = truth_of([event for event in events if not isinstance(event, OrderRefunded)])
    for key, counts in truth_of(events).counts.items():
        others = {name: value for name, value in counts.items() if not name.startswith("refund")}
        assert others == without.counts.get(key, {}), key


@given(data=st.data(), events=journey_events())
@bounded
def test_over_years_who_repeats_a_purchase_bought_before(data: st.DataObject, events: list[Any]) -> None:
    shifted = [
        msgspec.structs.replace(
            event, time_ms=event.time_ms + data.draw(st.sampled_from(SHIFTS_DAYS)) * DAY_MS
        )
        for event in {event.event_id: event for event in events}.values()
    ]
    truth = truth_of(shifted)
    repurchases = sum(
        counts.get("repurchases:last_touch", 0) for key, counts in truth.counts.items() if key[1] == "total"
    )
    old = [order for order in truth.orders.values() if not order.new_customer]
    assert repurchases <= len(old)
    said_new = {
        (event.person_id, event.event_id)
        for event in shifted
        if isinstance(event, OrderPaid) and event.new_customer
    }
    for order in old:
        ids = {
            (event.person_id, event.event_id)
            for event in shifted
            if isinstance(event, OrderPaid)
            and (event.person_id, event.order_id, event.time_ms)
            == (order.person_id, order.order_id, order.time_ms)
        }
        assert not ids <= said_new
