"""The models of one shop from its path counts (R16): examples, and the audit's plain computation as the oracle."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinghe.audit.shop_models import PathSum, expected_models
from xinghe.domain.outputs import ShopModels
from xinghe.domain.shop_models import (
    CHANNELS_MAX,
    PathTally,
    merged,
    pack_path,
    path_counts,
    shop_models,
    unpack_path,
)

Paths = Mapping[tuple[str, ...], tuple[int, int]]


def models_of(paths: Paths) -> ShopModels:
    return shop_models("s1", 7, [(pack_path("s1", path), PathTally(*tally)) for path, tally in paths.items()])


def credits_of(models: ShopModels, name: str) -> dict[str | None, tuple[int, int]]:
    return {
        credit.campaign_id: (credit.orders_micros, credit.gmv_fen) for credit in getattr(models.models, name)
    }


def test_three_paths_by_hand() -> None:
    """Of 4 orders 2 came by c1, 1 by c1 > c2, 1 by c2 > c1 > c2.

    Walks: start to c1 3/4, to c2 1/4; of 4 stays at c1 2 end and 2 go to c2; of 3 at c2 2 end and 1 goes to c1. Without c1
    only those end that begin at c2 and end there, 1/4 * 2/3 = 1/6; without c2 3/4 * 1/2 = 3/8.
    """
    models = models_of({("c1",): (2, 20), ("c1", "c2"): (1, 30), ("c2", "c1", "c2"): (1, 50)})
    assert (models.orders, models.gmv_fen, models.paths, models.merged_campaigns) == (4, 100, 3, 0)
    assert credits_of(models, "shapley") == {"c1": (3_000_000, 60), "c2": (1_000_000, 40)}
    assert credits_of(models, "linear") == {"c1": (2_833_333, 52), "c2": (1_166_667, 48)}
    # Effects 5/6 and 5/8: 4/7 and 3/7 of 4 orders.
    micros = {channel: credit[0] for channel, credit in credits_of(models, "markov").items()}
    assert micros == {"c1": 2_285_714, "c2": 1_714_286}


def test_one_campaign_has_all() -> None:
    models = models_of({("c1",): (3, 10)})
    for name in ("markov", "shapley", "linear"):
        assert credits_of(models, name) == {"c1": (3_000_000, 10)}


def test_the_key_of_a_path_comes_back() -> None:
    assert unpack_path(pack_path("店", ["c1", "organic:店"])) == ("店", ("c1", "organic:店"))


def test_tallies_that_come_back_to_0_are_gone() -> None:
    tally = PathTally(1, 5).plus(1, 7)
    assert tally == PathTally(2, 12)
    assert tally.plus(-2, -12) is None


def test_merged_campaigns_are_one_channel_that_does_not_follow_itself() -> None:
    paths = {("a", "b", "c", "a"): PathTally(2, 9), ("a", "c"): PathTally(1, 1), ("a", "b"): PathTally(1, 2)}
    counts = path_counts(paths, frozenset({"b", "c"}))
    assert {path: (count.conversions, count.value) for path, count in counts.items()} == {
        ("a", "", "a"): (2, 9),
        ("a", ""): (2, 3),
    }


def test_beyond_the_bound_those_with_the_fewest_orders_are_told_as_one() -> None:
    paths: Paths = {(f"c{number:03}", "all"): (1 + (number == 110), 100) for number in range(111)}
    models = models_of(paths)
    assert (models.merged_campaigns, models.paths) == (12, 111)
    for name in ("markov", "shapley", "linear"):
        shown = credits_of(models, name)
        assert len(shown) == CHANNELS_MAX + 1
        assert {None, "all", "c000", "c097", "c110"} <= shown.keys()
        assert "c098" not in shown
        assert sum(micros for micros, _ in shown.values()) == 112_000_000
    # The twelve campaigns have half of one order each.
    assert credits_of(models, "shapley")[None] == (6_000_000, 600)


def test_ids_are_ranked_by_their_bytes() -> None:
    paths: dict[tuple[str, ...], PathTally] = {
        ("é",): PathTally(1, 1),
        ("𝛆",): PathTally(1, 1),
        ("z",): PathTally(1, 1),
    }
    assert merged(paths, most=1) == {"é", "𝛆"}


paths_drawn = st.dictionaries(
    st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), min_size=1, max_size=7)
    .map(lambda path: tuple(c for at, c in enumerate(path) if at == 0 or path[at - 1] != c))
    .filter(bool),
    st.tuples(st.integers(1, 50), st.integers(50, 10**9)),
    min_size=1,
    max_size=12,
)


@given(paths=paths_drawn, data=st.data())
@settings(max_examples=300, deadline=None)
def test_it_is_what_the_plain_computation_says_whatever_the_order(paths: Paths, data: st.DataObject) -> None:
    models = models_of(paths)
    shuffled = dict(data.draw(st.permutations(list(paths.items()))))
    assert msgspec.json.encode(models_of(shuffled)) == msgspec.json.encode(models)
    expected = expected_models({path: PathSum(*tally) for path, tally in paths.items()})
    assert (models.orders, models.gmv_fen, models.paths) == expected[:3]
    for name, shares in expected.shares.items():
        shown = credits_of(models, name)
        assert list(shown) == sorted(shares, key=lambda campaign_id: (campaign_id or "").encode())
        assert sum(micros for micros, _ in shown.values()) == models.orders * 1_000_000
        assert sum(fen for _, fen in shown.values()) == models.gmv_fen
        for channel, (micros, fen) in shown.items():
            assert micros == pytest.approx(float(shares[channel][0]), rel=1e-9, abs=1.001)
            assert fen == pytest.approx(float(shares[channel][1]), rel=1e-9, abs=1.001)
