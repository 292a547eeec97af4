"""The rules of a journey on drawn timelines (R2 to R5, R11), each in every order of arrival.

A drawing has one column per day; what stands in it happens at that day's midnight: v a view, l a like, k an ad click, c a
coupon claim; V a store visit, F a favourite, A a cart addition, P a payment. Column 0 is the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

import pytest
from xxhash import xxh3_64_intdigest as hash64

from xinghe.domain.counted import day_number
from xinghe.domain.directory import Directory, Names
from xinghe.domain.journey import (
    CART_ADD,
    CONVERSION_BYTES,
    FAVORITE,
    STORE_VISIT,
    TOUCHES,
    Journey,
    JourneyCodec,
    part_number,
)
from xinghe.domain.journey_rules import JourneyRules
from xinghe.domain.metrics import (
    COUNTED_NAMES,
    MODEL_COUNTED_INDEX,
    MODEL_PEOPLE_INDEX,
    MODELS,
    PEOPLE_NAMES,
)
from xinghe.domain.order import Order
from xinghe.domain.order_rules import Windows
from xinghe.domain.touch import AD_CLICK, KIND_NUMBER, VIEW, touch_count, touches_in
from xinghe.domain.windows import DAY_MS, MINUTE_MS

START_MS = 1_740_758_400_000
"""2025-03-01 00:00 in Shanghai."""
TOUCH_LETTERS = {"v": VIEW, "l": KIND_NUMBER["like"], "k": AD_CLICK, "c": KIND_NUMBER["coupon_claim"]}
CONVERSIONS = {"V": STORE_VISIT, "F": FAVORITE, "A": CART_ADD}
KEY = b"p1"
AMOUNT_FEN = 900

Event = tuple[int, str]
"""Day, letter."""


class Person:
    """One journey; each kind of touch belongs to a campaign of its own: ``view``, ``like``, ``click``, ``coupon``."""

    def __init__(self, journey_events_max: int = 2_000, shop_of_touches: str = "s1") -> None:
        self.marked: set[tuple[bytes, int]] = set()
        self.directory = Directory()
        self.rules = JourneyRules(self.directory, Windows(), journey_events_max, self.marked.add)
        self.journey = Journey([])
        self._sources: dict[str, Names] = {
            "v": (shop_of_touches, "view", "n1", "i1"),
            "l": (shop_of_touches, "like", "n2", None),
            "k": (shop_of_touches, "click", "n3", "i2"),
            "c": (shop_of_touches, "coupon", None, None),
        }

    def happens(
        self, day: float, letter: str, event_id: str | None = None, order_id: str | None = None
    ) -> bool:
        self.rules.changes.orders.clear()  # each event is committed before the next
        return self.commits(self._adds(day, letter, event_id, order_id))

    def commits(self, added: bool) -> bool:
        """What the caller does before each commit."""
        self.rules.settle()
        self.rules.trim()
        return added

    def _adds(self, day: float, letter: str, event_id: str | None, order_id: str | None) -> bool:
        time_ms = START_MS + round(day * DAY_MS)
        name = (event_id or f"{letter}{day}").encode()
        self.rules.event_time_ms_max = max(self.rules.event_time_ms_max, time_ms)
        if letter in TOUCH_LETTERS:
            source = self.directory.number(self._sources[letter])
            return self.rules.touch(
                KEY, self.journey, hash64(name), time_ms, source, TOUCH_LETTERS[letter], name
            )
        target = self.directory.number(("s1", None, None, "i1"))
        if letter in CONVERSIONS:
            return self.rules.convert(KEY, self.journey, hash64(name), time_ms, target, CONVERSIONS[letter])
        order = Order(order_id or f"o{day}", name, hash64(name), time_ms, target, AMOUNT_FEN)
        return self.rules.pay(KEY, self.journey, order)

    def orders(self) -> list[Order]:
        return self.journey.orders or []

    def counts(self, campaign_id: str, model: str = "last_touch") -> dict[str, int]:
        """What the campaign counts by a model, over all time."""
        names = dict(enumerate(COUNTED_NAMES)) | _names(MODEL_COUNTED_INDEX, model)
        found: Counter[str] = Counter()
        for (source, _, metric), change in self.rules.changes.counts.items():
            if (
                metric in names
                and self.directory.campaigns[self.directory.campaign_of[source]] == campaign_id
            ):
                found[names[metric]] += change
        return {name: count for name, count in found.items() if count}

    def people(
        self, campaign_id: str, model: str = "last_touch", shown: Sequence[str] = (*PEOPLE_NAMES, "buyers")
    ) -> dict[tuple[str, int | None], int]:
        """Distinct people of the campaign by metric and day of the drawing; ``None`` is to date."""
        first_day = day_number(START_MS)
        names = dict(enumerate(PEOPLE_NAMES)) | _names(MODEL_PEOPLE_INDEX, model)
        names = {index: name for index, name in names.items() if name in shown}
        return {
            (names[metric], day - first_day if day else None): change
            for (campaign, day, metric), change in self.rules.changes.people.items()
            if change and metric in names and self.directory.campaigns[campaign] == campaign_id
        }


def _names(index_by_model: Sequence[Mapping[str, int]], model: str) -> dict[int, str]:
    return {index: name for name, index in index_by_model[MODELS.index(model)].items()}


def drawn(timeline: str) -> list[Event]:
    """The events of a drawing; a dot is a day on which nothing happens."""
    return [(day, letter) for day, letter in enumerate(timeline) if letter != "."]


def in_every_order(events: Iterable[Event], **options: Any) -> Iterator[Person]:
    for order in permutations(events):
        person = Person(**options)
        for day, letter in order:
            assert person.happens(day, letter)
        yield person


def order_of(amount_fen: int = AMOUNT_FEN, **parts: int) -> dict[str, int]:
    return {"orders_micros": 1_000_000, "gmv_fen": amount_fen} | parts


class TestDuplicates:  # R2
    @pytest.mark.parametrize("letter", [*TOUCH_LETTERS, *CONVERSIONS, "P"])
    def test_an_event_that_is_known_changes_nothing(self, letter: str) -> None:
        person = Person()
        assert person.happens(0, letter)
        counts, people = dict(person.rules.changes.counts), dict(person.rules.changes.people)
        person.marked.clear()
        assert not person.happens(0, letter)
        assert (person.rules.changes.counts, person.rules.changes.people) == (counts, people)
        assert person.journey.events == 1
        assert not person.marked

    def test_of_two_payments_of_an_order_the_first_counts_whichever_came_first(self) -> None:
        for days in permutations([0, 1, 2]):
            person = Person()
            for day in days:
                person.happens(day, "P", order_id="o1")
            assert person.counts("unattributed:s1") == order_of()
            (order,) = person.orders()
            assert order.time_ms == START_MS
            assert person.people("unattributed:s1") == {("buyers", 0): 1, ("buyers", None): 1}

    def test_at_the_same_time_the_smaller_id_counts(self) -> None:
        for ids in permutations(["a", "b"]):
            person = Person()
            for event_id in ids:
                person.happens(0, "P", event_id=event_id, order_id="o1")
            (order,) = person.orders()
            assert order.event_id == b"a"

    def test_another_id_whose_hash_begins_alike_is_no_duplicate(self) -> None:
        person = Person()
        source = person.directory.number(("s1", "view", "n1", "i1"))
        for event_hash, event_id in ((1, b"a"), (1 + 2**32, b"b")):
            assert person.rules.touch(KEY, person.journey, event_hash, START_MS, source, VIEW, event_id)
        assert not person.rules.touch(KEY, person.journey, 1 + 2**32, START_MS, source, VIEW, b"b")

    def test_a_duplicate_is_known_after_many_were_dropped(self) -> None:
        person = Person(journey_events_max=30)
        for number in range(500):
            person.happens(number / 100, "kkV"[number % 3], event_id=f"{number}")
        for number in range(490, 500):
            assert not person.happens(number / 100, "kkV"[number % 3], event_id=f"{number}")
        assert len(person.journey.fingerprints) <= 4 * (2 * 30 + 16 + 6)


class TestTouches:  # R3
    def test_each_kind_adds_to_its_metric(self) -> None:
        (person, *_) = in_every_order(drawn("vlkc"))
        assert [person.counts(name) for name in ("view", "like", "click", "coupon")] == [
            {"views": 1},
            {"likes": 1},
            {"ad_clicks": 1},
            {"coupon_claims": 1},
        ]

    def test_a_touch_counts_in_the_minute_of_its_own_time(self) -> None:
        person = Person()
        person.happens(3, "v")
        ((_, minute, _),) = person.rules.changes.counts
        assert minute == (START_MS + 3 * DAY_MS) // MINUTE_MS


class TestLastTouch:  # R4
    @pytest.mark.parametrize(
        ("timeline", "campaign_id"),
        [
            ("vP", "view"),
            ("vlP", "like"),
            ("vlcP", "coupon"),
            ("kvP", "click"),
            ("k.vlP", "click"),
            ("P", "unattributed:s1"),
            ("Pv", "unattributed:s1"),
            ("P.k", "unattributed:s1"),
        ],
    )
    def test_the_last_ad_click_else_the_last_touch_before_wins(self, timeline: str, campaign_id: str) -> None:
        for person in in_every_order(drawn(timeline)):
            assert person.counts(campaign_id)["orders_micros"] == 1_000_000
            others = {"view", "like", "click", "coupon", "unattributed:s1"} - {campaign_id}
            assert all("orders_micros" not in person.counts(other) for other in others)

    def test_a_click_out_of_reach_gives_way_to_a_view(self) -> None:
        for person in in_every_order([(0, "k"), (20, "v"), (31, "P")]):
            assert person.counts("view")["gmv_fen"] == AMOUNT_FEN

    @pytest.mark.parametrize(("letter", "days"), [("V", 15), ("F", 15), ("A", 15), ("P", 30)])
    def test_a_touch_reaches_as_far_as_its_window_and_no_millisecond_more(
        self, letter: str, days: int
    ) -> None:
        for beyond_ms, campaign_id in ((0, "view"), (1, "unattributed:s1")):
            for events in permutations([(0, "v"), (days + beyond_ms / DAY_MS, letter)]):
                person = Person()
                for day, what in events:
                    person.happens(day, what)
                metric = {"V": "store_visits", "F": "favorites", "A": "cart_adds", "P": "orders_micros"}[
                    letter
                ]
                assert metric in person.counts(campaign_id)

    def test_a_touch_of_another_shop_reaches_nothing(self) -> None:
        for person in in_every_order(drawn("kVP"), shop_of_touches="s2"):
            assert person.counts("unattributed:s1")["store_visits"] == 1
            assert person.counts("unattributed:s1")["orders_micros"] == 1_000_000
            assert person.counts("click") == {"ad_clicks": 1}

    @pytest.mark.parametrize(
        ("days", "lags"),
        [
            (7, {"gmv_7d_fen", "gmv_15d_fen", "gmv_30d_fen"}),
            (7 + 1 / DAY_MS, {"gmv_15d_fen", "gmv_30d_fen"}),
            (15, {"gmv_15d_fen", "gmv_30d_fen"}),
            (15 + 1 / DAY_MS, {"gmv_30d_fen"}),
            (30, {"gmv_30d_fen"}),
        ],
    )
    def test_gmv_counts_by_the_lag_from_touch_to_order(self, days: float, lags: set[str]) -> None:
        person = Person()
        person.happens(0, "l")
        person.happens(days, "P")
        parts = dict.fromkeys((*lags, "halo_gmv_fen"), AMOUNT_FEN)
        assert person.counts("like") == order_of(**parts) | {"likes": 1}

    @pytest.mark.parametrize(
        ("letter", "part"), [("v", "direct"), ("k", "halo"), ("l", "halo"), ("c", "halo")]
    )
    def test_an_order_of_the_promoted_item_is_direct_and_any_other_halo(self, letter: str, part: str) -> None:
        for person in in_every_order([(0, letter), (1, "P")]):
            found = person.counts({"v": "view", "k": "click", "l": "like", "c": "coupon"}[letter])
            assert {name for name in found if name.endswith("_gmv_fen")} == {f"{part}_gmv_fen"}

    def test_an_order_that_no_touch_reaches_is_neither(self) -> None:
        person = Person()
        person.happens(0, "P")
        assert person.counts("unattributed:s1") == order_of()

    def test_a_late_touch_marks_the_order_it_earns_and_only_that(self) -> None:
        person = Person()
        person.happens(0, "P")
        person.happens(40, "P")
        person.rules.changes.orders.clear()
        person.happens(39, "v")
        assert list(person.rules.changes.orders) == [(KEY, 1)]


class TestPeople:  # R5
    def test_a_viewer_is_one_a_day_and_one_to_date(self) -> None:
        for order in permutations([(0, "a"), (0, "b"), (2, "c")]):
            person = Person()
            for day, event_id in order:
                person.happens(day, "v", event_id=event_id)
            assert person.people("view") == {("viewers", 0): 1, ("viewers", 2): 1, ("viewers", None): 1}

    def test_those_with_another_touch_are_no_viewers(self) -> None:
        person = Person()
        person.happens(0, "l")
        person.happens(0, "k")
        assert not person.people("like")
        assert not person.people("click")

    @pytest.mark.parametrize(
        ("letter", "name"), [("V", "store_visitors"), ("A", "cart_users"), ("P", "buyers")]
    )
    def test_people_follow_the_credit(self, letter: str, name: str) -> None:
        for person in in_every_order([(0, "v"), (2, "k"), (3, letter), (4, letter)]):
            assert person.people("click") == {(name, 3): 1, (name, 4): 1, (name, None): 1}
            assert person.people("view") == {("viewers", 0): 1, ("viewers", None): 1}
            assert not person.people("unattributed:s1")

    def test_a_favourite_has_no_people(self) -> None:
        person = Person()
        person.happens(0, "F")
        assert not person.people("unattributed:s1")


class TestRetention:  # R11
    def test_conversions_leave_after_31_days_and_touches_after_61(self) -> None:
        person = Person()
        for day, letter in drawn("vV" + "A"):
            person.happens(day, letter)
        for day in range(3, 92):
            person.happens(day, "l")
            person.rules.expire(KEY, person.journey)
            conversions = sum(map(len, person.journey.conversions or ())) // CONVERSION_BYTES
            # The watermark is a minute behind: a day later it is past. Both are in one segment.
            assert conversions == 2 * (day - 2 <= 31), day
        # Segments hold several touches and leave together.
        assert 61 <= person.journey.events <= 61 + 6

    def test_orders_leave_after_396_days(self) -> None:
        person = Person()
        for day, letter in drawn("vP"):
            person.happens(day, letter)
        for day in (397, 398):
            person.happens(day, "l")
            person.rules.expire(KEY, person.journey)
            assert len(person.orders()) == (day == 397)

    def test_what_was_counted_stays_counted(self) -> None:
        person = Person()
        for day, letter in drawn("vVAP"):
            person.happens(day, letter)
        person.happens(500, "l")
        person.rules.expire(KEY, person.journey)
        assert not person.journey.conversions
        assert not person.journey.orders
        for day, letter in enumerate("vVAP", start=500):
            person.happens(day, letter)
        people = person.people("view")
        assert {name: count for (name, day), count in people.items() if day is None} == dict.fromkeys(
            ("viewers", "store_visitors", "cart_users", "buyers"), 1
        )

    def test_the_oldest_views_go_first(self) -> None:
        person = Person(journey_events_max=30)
        for number in range(20):
            person.happens(number / 100, "k", event_id=f"k{number}")
            person.happens(number / 100, "v", event_id=f"v{number}")
            assert person.journey.events <= 30
        kinds = Counter(self._kinds(person))
        assert kinds[AD_CLICK] == 20
        assert person.rules.changes.evicted == 40 - person.journey.events
        assert person.counts("view") == {"views": 20}

    def test_then_the_oldest_other_touches(self) -> None:
        person = Person(journey_events_max=30)
        for number in range(100):
            person.happens(number / 100, "k", event_id=f"k{number}")
        assert 25 <= person.journey.events <= 30
        assert sum(map(touch_count, person.journey.touches)) == person.journey.events
        assert not person.happens(0.99, "k", event_id="k99")
        assert person.counts("click") == {"ad_clicks": 100}

    @pytest.mark.parametrize("letter", ["V", "P"])
    def test_then_the_oldest_conversions(self, letter: str) -> None:
        person = Person(journey_events_max=30)
        for number in range(100):
            person.happens(number / 100, letter, event_id=f"{number}", order_id=f"o{number}")
        assert 25 <= person.journey.events <= 30
        name = {"V": "store_visitors", "P": "buyers"}[letter]
        assert person.people("unattributed:s1") == {(name, 0): 1, (name, None): 1}

    def test_conversions_do_not_crowd_out_the_touches_that_earn_them(self) -> None:
        person = Person(journey_events_max=40)
        for number in range(400):
            person.happens(number / 1000, "kVP"[number % 3], event_id=f"{number}", order_id=f"o{number}")
        journey = person.journey
        assert sum(map(touch_count, journey.touches)) >= 12
        assert len(journey.orders or ()) <= 17
        assert sum(map(len, journey.conversions or ())) // CONVERSION_BYTES <= 20
        assert person.counts("unattributed:s1") == {}

    @staticmethod
    def _kinds(person: Person) -> Iterator[int]:
        for segment in person.journey.touches:
            yield from (touch.kind for touch in touches_in(segment))


class TestCodec:
    def test_a_journey_comes_back_from_its_parts(self) -> None:
        person = Person()
        for day, letter in enumerate("vlkcVFAPvvvvvkkkkVVVVVPP"):
            person.happens(day, letter)
        assembled = round_trip(person)
        assert assembled.touches == person.journey.touches
        assert assembled.conversions == person.journey.conversions
        assert assembled.orders == person.journey.orders
        assert assembled.kept == person.journey.kept
        assert assembled.events == person.journey.events
        assert assembled.last_conversion_ms == person.journey.last_conversion_ms

    def test_every_part_that_changed_was_marked_dropped_ones_too(self) -> None:
        """What is written from marks alone is what the parts are: a part more would come back from the dead."""
        person, codec = Person(journey_events_max=30), JourneyCodec()
        changelog: dict[int, bytes] = {}
        for number in range(300):
            letter = "vkvVvPvlA"[number % 9]
            person.happens(number / 3, letter, event_id=f"{number}")
            for _, part in person.marked:
                data = codec.encode(person.journey, part)
                if data is None:
                    changelog.pop(part, None)
                else:
                    changelog[part] = data
            person.marked.clear()
            parts = {part: codec.encode(person.journey, part) for part in codec.parts(person.journey)}
            assert changelog == {part: data for part, data in parts.items() if data is not None}
        assert min(part for part in changelog if part & 3 == TOUCHES) > part_number(TOUCHES, 5)

    def test_parts_that_are_gone_or_not_yet_there_are_none(self) -> None:
        person, codec = Person(), JourneyCodec()
        person.happens(0, "v")
        for group in range(4):
            assert codec.encode(person.journey, part_number(group, 7)) is None

    def test_a_journey_after_recovery_goes_on_as_one_without(self) -> None:
        timeline = "vkVPvlAcFPvvkkVVPPvv"
        for cut in range(len(timeline)):
            straight, restarted = Person(), Person()
            for day, letter in enumerate(timeline):
                if day == cut:
                    restarted.journey = round_trip(restarted)
                    restarted.rules.recover(restarted.journey)
                straight.happens(day * 5, letter)
                restarted.happens(day * 5, letter)
            assert restarted.rules.changes.counts == straight.rules.changes.counts
            assert restarted.rules.changes.people == straight.rules.changes.people


def round_trip(person: Person) -> Journey:
    codec = JourneyCodec()
    parts = {part: codec.encode(person.journey, part) for part in codec.parts(person.journey)}
    return codec.assemble({part: data for part, data in parts.items() if data is not None})
