"""The audit of models: right records have no difference, one value changed is named (R16)."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import msgspec
import orjson
import pytest

from xinghe.audit.compare_models import FoundModels, ModelsComparison
from xinghe.audit.figures import Truth
from xinghe.audit.findings import Difference, Findings
from xinghe.audit.shop_models import Path, PathSum, linear, markov, merged_channels, shapley
from xinghe.audit.truth import LIMITS, truth_of
from xinghe.domain.events import AdClicked, CouponClaimed, ModelChannel, NoteViewed, OrderPaid
from xinghe.domain.shop_models import PathTally, pack_path, shop_models

EVENTS: list[Any] = [
    NoteViewed("v1", "p1", 1_000_000, "n1", "s1", "c1"),
    NoteViewed("v2", "p1", 1_000_001, "n2", "s1", "c1"),
    AdClicked("k", "p1", 1_000_002, "n1", "s1", "c2"),
    NoteViewed("late", "p1", 1_000_009, "n1", "s1", "c9"),
    OrderPaid("P", "p1", 1_000_005, "s1", "o1", "i1", 900),
    NoteViewed("v3", "p2", 1_000_000, "n1", "s1"),
    OrderPaid("Q", "p2", 1_000_005, "s1", "o2", "i1", 101),
    OrderPaid("R", "p3", 1_000_005, "s2", "o3", "i1", 5),
]
PATHS = {("c1", "c2"): PathSum(1, 900), ("organic:s1",): PathSum(1, 101)}


@pytest.fixture
def truth() -> Truth:
    return truth_of(EVENTS)


def record(**changes: Any) -> dict[str, Any]:
    tallies = [(pack_path("s1", path), PathTally(*path_sum)) for path, path_sum in PATHS.items()]
    value: dict[str, Any] = msgspec.to_builtins(shop_models("s1", 0, tallies))
    return value | changes


def compared(
    truth: Truth, records: dict[str, Any], in_redis: dict[str, Any] | None = None
) -> list[Difference]:
    found, findings = FoundModels(), Findings()
    found.last = {shop_id: orjson.dumps(value) for shop_id, value in records.items()}
    shown = records if in_redis is None else in_redis
    ModelsComparison(truth).compare(
        found, {shop_id: orjson.dumps(value) for shop_id, value in shown.items()}, findings
    )
    return findings.shown


def test_paths_are_those_of_orders_that_a_touch_reached(truth: Truth) -> None:
    assert truth.paths == {"s1": PATHS}


def test_what_is_right_has_no_difference(truth: Truth) -> None:
    assert compared(truth, {"s1": record()}) == []


@pytest.mark.parametrize(
    ("field", "expected", "found"),
    [
        ("orders", 2, 1),
        ("gmv_fen", 1_001, 1_002),
        ("paths", 2, 3),
        ("merged_campaigns", 0, 1),
        ("shop_id", "s1", "s2"),
        ("watermark_ms", "at most 940009", 940_010),
        ("more", None, 5),
    ],
)
def test_one_value_is_named(truth: Truth, field: str, expected: Any, found: Any) -> None:
    assert compared(truth, {"s1": record(**{field: found})}) == [
        Difference("models", "shop s1", field, expected, found)
    ]


def shift(model: str, unit: str, by: int) -> Callable[[dict[str, Any]], None]:
    """Take from the first campaign what the last gets more."""

    def change(value: dict[str, Any]) -> None:
        value["models"][model][0][unit] -= by
        value["models"][model][-1][unit] += by

    return change


@pytest.mark.parametrize("model", ["markov", "shapley", "linear"])
@pytest.mark.parametrize(("unit", "by"), [("orders_micros", 5), ("gmv_fen", 2)])
def test_a_share_is_named_that_is_further_off_than_rounding(
    truth: Truth, model: str, unit: str, by: int
) -> None:
    value = record()
    shift(model, unit, by)(value)
    fields = [difference.field for difference in compared(truth, {"s1": value})]
    assert fields == [f"{model}.c1.{unit}", f"{model}.organic:s1.{unit}"]


def test_shares_that_do_not_add_up_and_missing_campaigns_are_named(truth: Truth) -> None:
    value = record()
    value["models"]["shapley"][0]["gmv_fen"] -= 1
    del value["models"]["linear"][0]
    fields = [difference.field for difference in compared(truth, {"s1": value})]
    assert fields == ["shapley.gmv_fen", "linear.channels"]


def test_a_campaign_that_is_not_its_channel_is_named(truth: Truth) -> None:
    value = record()
    value["models"]["shapley"][0]["campaign_id"] = "c3"
    assert [each[2:] for each in compared(truth, {"s1": value})] == [
        ("shapley.c1.campaign_id", "c1", "c3"),
    ]


SURFACES: list[Any] = [
    NoteViewed("v1", "p1", 1_000_000, "n1", "s1", "c1", surface="search", note_type="video"),
    NoteViewed("v2", "p1", 1_000_001, "n1", "s1", "c2", surface="search", note_type="image"),
    NoteViewed("v3", "p1", 1_000_002, "n1", "s1", note_type="image"),
    AdClicked("k", "p1", 1_000_003, "n1", "s1", "c2"),
    CouponClaimed("q", "p1", 1_000_004, "k1", "s1", "xhs"),
    OrderPaid("P", "p1", 1_000_005, "s1", "o1", "i1", 900),
]
CHANNEL_PATHS: dict[ModelChannel, tuple[str, ...]] = {
    "campaign": ("c1", "c2", "organic:s1", "c2", "organic:s1"),
    "surface": ("search", "view", "ad_click", "coupon_claim"),
    "note_type": ("video", "image", "unknown", "coupon_claim"),
}


@pytest.mark.parametrize("channel", CHANNEL_PATHS)
def test_paths_are_told_in_the_channel_that_the_stream_is_set_to(channel: ModelChannel) -> None:
    truth = truth_of(SURFACES, limits=LIMITS._replace(model_channel=channel))
    assert truth.paths == {"s1": {CHANNEL_PATHS[channel]: PathSum(1, 900)}}


def test_the_record_of_another_channel_is_named() -> None:
    truth = truth_of(SURFACES, limits=LIMITS._replace(model_channel="surface"))
    key = pack_path("s1", CHANNEL_PATHS["surface"])
    right = shop_models("s1", 0, [(key, PathTally(1, 900))], "surface")
    assert compared(truth, {"s1": msgspec.to_builtins(right)}) == []
    assert {credit.campaign_id for credit in right.models.markov} == {None}
    wrong = shop_models("s1", 0, [(key, PathTally(1, 900))], "campaign")
    assert [each[2:] for each in compared(truth, {"s1": msgspec.to_builtins(wrong)})] == [
        ("channel", "surface", "campaign")
    ]


def test_a_record_that_is_missing_too_much_or_no_record_is_named(truth: Truth) -> None:
    assert [each[1:] for each in compared(truth, {})] == [("shop s1", "record", "one", None)]
    assert [each.where for each in compared(truth, {"s1": record(), "s2": record()})] == ["shop s2"]
    assert [each.field for each in compared(truth, {"s1": [1]})] == ["value"]


@pytest.mark.parametrize("shown", [{}, {"s1": {"orders": 1}}, {"s1": record(), "s2": record()}])
def test_redis_must_hold_the_record(truth: Truth, shown: dict[str, Any]) -> None:
    assert len(compared(truth, {"s1": record()}, shown)) == 1


def test_shops_of_people_apart_are_notices() -> None:
    truth = truth_of(EVENTS)
    truth.apart_shops = {"s1"}
    findings = Findings()
    ModelsComparison(truth).compare(FoundModels(), {}, findings)
    assert (findings.differences, findings.notices_by_kind["models"]) == (0, 1)


def test_the_example_of_bryl_without_its_null_paths() -> None:
    """Walks: to a 2/3, to b 1/3; from a 1/2 end; from b all. Effects 2/3, 2/3: without b half of those by a are left."""
    paths: dict[Path, PathSum] = {("a", "b"): PathSum(1, 10), ("a",): PathSum(1, 20), ("b",): PathSum(1, 30)}
    shares = markov(paths)
    assert shares["a"][0] == pytest.approx(1_500_000)
    assert shares["b"][0] == pytest.approx(1_500_000)
    assert shapley(paths) == {"a": (1_500_000, 25), "b": (1_500_000, 35)}
    assert linear({("a", "b", "a"): PathSum(1, 10)})["a"] == (Fraction(2_000_000, 3), Fraction(20, 3))


def test_of_many_campaigns_the_fewest_orders_are_merged() -> None:
    paths: dict[tuple[str, ...], PathSum] = {
        (f"c{number:03}",): PathSum(200 - number, 1) for number in range(103)
    }
    assert merged_channels(paths) == {"c100", "c101", "c102"}
