"""An explanation tells what the audit recomputes, with each step's arithmetic."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from rich.console import Console

from tests.property.events import journey_events
from tests.unit.audit.events import MIDNIGHT_MS, claim, click, paid, refunded, view
from xinghe.audit.journey import Limits
from xinghe.audit.truth import LIMITS, truth_of
from xinghe.commands.trace_text import as_text
from xinghe.domain.attribution.arithmetic import ShareTold
from xinghe.domain.attribution.recorded import told_of
from xinghe.domain.events import PersonLinked
from xinghe.domain.metrics import MODELS
from xinghe.domain.outputs import OrderAttributed
from xinghe.domain.windows import DAY_MS
from xinghe.explain.explain import explain
from xinghe.explain.explanation import EarlierOrder, Explanation

EVENTS: list[Any] = [
    # day  -40 -31 0   1   2   3   4   5   9
    #      Z   v   v   k   v   P   R   S   v      c1, c1, c2, c3
    paid("Z", -40 * DAY_MS, order_id="o0"),
    view("old", -31 * DAY_MS),
    view("v1", 0),
    click("k", DAY_MS),
    view("v2", 2 * DAY_MS, campaign_id="c3"),
    paid("P", 3 * DAY_MS),
    refunded("R", 4 * DAY_MS, amount_fen=100),
    refunded("S", 5 * DAY_MS, amount_fen=901),
    view("later", 9 * DAY_MS),
    view("other shop", DAY_MS, shop_id="s2"),
]


def revision(number: int, events: list[Any]) -> dict[str, Any]:
    return truth_of(events).orders["p1", "o1"].as_json() | {"revision": number}


def explained(events: list[Any], revisions: list[dict[str, Any]] | None = None) -> Explanation:
    told = explain("o1", events, [revision(1, events)] if revisions is None else revisions)
    assert told is not None
    return told


def printed(told: Explanation) -> str:
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(as_text(told))
    return console.export_text()


class TestLinkedIds:
    events: tuple[Any, ...] = (
        view("v1", 0, person_id="older-pseudonym"),
        view("v2", DAY_MS),
        PersonLinked("v1", "older-pseudonym", MIDNIGHT_MS, "p1"),
        paid("P", 3 * DAY_MS),
    )

    def test_touches_of_all_ids_say_under_which_they_came(self) -> None:
        told = explained([*self.events])
        assert [(touch.event_id, touch.person_id, touch.place) for touch in told.touches] == [
            ("v1", "older-pseudonym", "path"),
            ("v2", "p1", "path"),
        ]
        assert (told.person_id, told.linked_ids) == ("p1", ["older-pseudonym"])
        assert not told.differences
        shown = printed(told)
        assert "came under older-ps… too" in shown
        assert "older-pseudonym" not in shown

    def test_a_revision_under_another_id_says_so(self) -> None:
        last = revision(2, [*self.events])
        told = explained([*self.events], [{**last, "person_id": "older-pseudonym", "revision": 1}, last])
        assert told.revisions[1].why == ["it is told under another id of the person"]


class TestTouches:
    def test_each_touch_of_the_shop_says_whether_it_is_in_the_path_and_if_not_why(self) -> None:
        told = explained(EVENTS).touches
        assert [(touch.event_id, touch.place, touch.wins) for touch in told] == [
            ("old", "too_early", False),
            ("v1", "path", False),
            ("k", "path", True),
            ("v2", "path", False),
            ("later", "after_order", False),
        ]
        assert told[0].before_order_ms == 34 * DAY_MS
        assert told[-1].before_order_ms == -6 * DAY_MS

    def test_of_more_than_100_the_middle_is_left_out(self) -> None:
        told = explained([*(view(f"v{number:03}", number) for number in range(102)), paid("P", 200)])
        assert [touch.event_id for touch in told.touches if touch.place == "left_out"] == ["v001", "v002"]

    def test_a_shorter_window_reaches_less(self) -> None:
        told = explain("o1", EVENTS, [], Limits(DAY_MS, DAY_MS, 2_000))
        assert told is not None
        assert [touch.event_id for touch in told.touches if touch.place == "path"] == ["v2"]
        assert told.payment_window_ms == DAY_MS

    def test_without_click_over_view_the_last_in_the_path_wins(self) -> None:
        told = explain("o1", EVENTS, [], LIMITS._replace(click_over_view=False))
        assert told is not None
        assert [touch.event_id for touch in told.touches if touch.wins] == ["v2"]


class TestModels:
    def test_the_arithmetic_of_a_share(self) -> None:
        linear = explained(EVENTS).models[MODELS.index("linear")]
        assert linear.weights_sum == 3
        assert [credit.fen for credit in linear.credits] == [
            ShareTold(333, 1, 1, 334),
            ShareTold(333, 1, 0, 333),
            ShareTold(333, 1, 0, 333),
        ]
        assert [credit.refund_fen for credit in linear.credits] == [34, 33, 33]
        assert [credit.campaign_id for credit in linear.credits] == ["c1", "c2", "c3"]

    def test_without_a_touch_the_whole_order_is_nobodys(self) -> None:
        told = explained([paid("P", 0), refunded("R", 1, amount_fen=7)])
        for model in told.models:
            (credit,) = model.credits
            assert (credit.touch_event_id, credit.campaign_id) == (None, "unattributed:s1")
            assert (credit.weight, credit.fen.got, credit.refund_fen) == (1, 1_000, 7)

    @given(events=journey_events())
    @settings(max_examples=150, deadline=None)
    def test_what_is_told_is_what_the_audit_recomputes(self, events: list[Any]) -> None:
        for (person_id, order_id), order in truth_of(events).orders.items():
            theirs = [event for event in events if event.person_id == person_id]
            told = explain(order_id, theirs, [order.as_json() | {"revision": 1}])
            assert told is not None
            assert not told.differences
            for model in told.models:
                assert [
                    (credit.touch_event_id, credit.micros.got, credit.fen.got, credit.refund_fen)
                    for credit in model.credits
                ] == [
                    (credit.touch_event_id, credit.orders_micros, credit.gmv_fen, credit.refund_fen)
                    for credit in order.credits[model.model]
                ]
            # The record alone, with the arithmetic of the stream, leads to the same.
            record = msgspec.convert(order.as_json() | {"revision": 1}, OrderAttributed)
            assert told_of(record, LIMITS.payment_window_ms // 4).models == told.models
            assert sum(refund.verdict == "counts" for refund in told.refunds) == order.refunds
            assert told.purchase.is_new == order.new_customer
            # It prints whatever it holds, and goes through JSON.
            assert printed(told)
            assert msgspec.json.decode(msgspec.json.encode(told), type=Explanation) == told


class TestRefunds:
    def test_each_has_its_verdict_and_what_it_took(self) -> None:
        events = [
            *EVENTS,
            refunded("early", DAY_MS),
            refunded("again", 6 * DAY_MS, refund_id="R", amount_fen=100),
        ]
        told = explained(events).refunds
        assert [(refund.event_id, refund.verdict, refund.left_fen) for refund in told] == [
            ("early", "waits", 1_000),
            ("R", "counts", 1_000),
            ("S", "exceeds_order", 900),
            ("again", "repeated", 900),
        ]
        assert told[1].taken_fen["linear"] == [34, 33, 33]
        assert told[2].taken_fen == {}


class TestBuyer:
    def test_what_the_order_repeats(self) -> None:
        purchase = explained(EVENTS).purchase
        assert not purchase.is_new
        assert purchase.before == purchase.first == EarlierOrder("o0", 43 * DAY_MS)
        assert purchase.repurchases == ["repurchases"]

    def test_a_new_one(self) -> None:
        purchase = explained([paid("P", 0, new_customer=True)]).purchase
        assert (purchase.is_new, purchase.said, purchase.before, purchase.first) == (True, True, None, None)

    def test_coupons(self) -> None:
        assert explained([claim("q", 0), paid("P", 1, coupon_ids=["q1"])]).coupons == {"c1": 1}


class TestRevisions:
    @pytest.mark.parametrize(
        ("came", "why"),
        [
            ([], []),
            ([view("v2", 2 * DAY_MS)], ["touch v2 came and is credited"]),
            ([refunded("R", 4 * DAY_MS, amount_fen=5)], ["refunds take 5 fen more back"]),
            ([paid("Z", DAY_MS, order_id="o0")], ["it is now a known buyer's: an order before it came"]),
            (
                [paid("P0", -DAY_MS, amount_fen=800)],
                [
                    "another payment counts: time_ms 1741017600000 became 1740672000000",
                    "another payment counts: amount_fen 1000 became 800",
                    "touch k is credited no more",
                    "touch v1 is credited no more",
                ],
            ),
        ],
    )
    def test_each_says_what_is_not_as_before(self, came: list[Any], why: list[str]) -> None:
        events = [view("v1", 0), click("k", DAY_MS), paid("P", 3 * DAY_MS)]
        later = [*events, *came]
        told = explained(later, [revision(1, events), revision(2, later)]).revisions
        assert [each.why for each in told] == [["the order was paid"], why]
        assert [each.revision for each in told] == [1, 2]

    def test_a_split_that_moved_between_the_same_touches(self) -> None:
        first, second = (revision(number, EVENTS) for number in (1, 2))
        second["credits"]["linear"][0]["gmv_fen"] += 1
        assert explained(EVENTS, [first, second]).revisions[1].why == ["the split by linear is another"]

    def test_a_last_revision_that_is_not_as_recomputed_is_said(self) -> None:
        last = revision(1, EVENTS)
        last["credits"]["linear"][0]["gmv_fen"] += 1
        assert explained(EVENTS, [last]).differences == [
            "credits.linear[0].gmv_fen: recomputed 334, attributed 335"
        ]
        assert explained(EVENTS, []).differences == ["attribution: the order has none yet"]


def test_an_order_that_was_not_paid_has_no_explanation() -> None:
    assert explain("o9", EVENTS, []) is None


def test_it_prints_what_there_is_to_know_and_no_markup_or_escapes_of_ids() -> None:
    events = [*EVENTS, view("x\x1b[31m", 2 * DAY_MS, campaign_id="[red]c[/]", person_id="p1")]
    shown = printed(explained(events))
    for text in ("[red]c[/]", "no: after the order", "no: more than 30d before", "counts in repurchases"):
        assert text in shown
    assert "\x1b" not in shown
