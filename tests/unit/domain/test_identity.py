"""Circles of links (R17)."""

from __future__ import annotations

from xinghe.domain.identity import circle, stays


def test_going_back_to_an_id_that_was_passed_closes_a_circle() -> None:
    assert circle(["a"], "b", "a") == ["a", "b"]
    assert circle(["x", "y", "a", "b"], "c", "a") == ["a", "b", "c"]
    assert circle(["a"], "a", "a") == ["a"]


def test_of_what_went_round_already_the_last_round_is_the_circle() -> None:
    assert circle(["x", "a", "b"], "a", "b") == ["b", "a"]


def test_a_chain_closes_none() -> None:
    assert circle([], "a", "b") == []
    assert circle(["x", "a"], "b", "c") == []


def test_the_smallest_by_its_bytes_stays() -> None:
    assert stays(["b", "a", "é"]) == "a"
    assert stays(["\U0001d6c6", "ﬀ"]) == "ﬀ"  # by the units of UTF-16 it were the other
