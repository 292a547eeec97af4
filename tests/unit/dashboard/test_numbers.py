"""Figures as people read them never say more, or another size, than there is."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinghe.dashboard import numbers
from xinghe.dashboard.language import LANGUAGES
from xinghe.dashboard.numbers import Language

SIZES = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "万": 10**4, "亿": 10**8}


def read(shown: str) -> tuple[Decimal, Decimal]:
    """The figure that is shown, and what its last digit is worth."""
    plain = shown.replace(",", "").replace("¥", "").replace(numbers.MINUS, "-")
    unit = plain[-1] if plain[-1] in SIZES else ""
    digits = plain.removesuffix(unit)
    places = len(digits.partition(".")[2])
    return Decimal(digits) * SIZES[unit], Decimal(SIZES[unit]).scaleb(-places)


@given(st.integers(0, 10**14), st.sampled_from(LANGUAGES))
def test_a_count_is_right_to_half_its_last_digit(value: int, language: Language) -> None:
    shown, worth = read(numbers.count(value, language))
    assert abs(shown - value) <= worth / 2
    assert value >= 10_000 or shown == value
    assert abs(shown - value) * 200 <= value


@given(st.integers(-(10**14), 10**14), st.sampled_from(LANGUAGES))
def test_money_is_right_to_half_its_last_digit(fen: int, language: Language) -> None:
    shown, worth = read(numbers.money(fen, language))
    assert abs(shown * 100 - fen) <= worth * 100 / 2
    assert abs(fen) >= 1_000_000 or shown * 100 == fen


@pytest.mark.parametrize(
    ("value", "english", "chinese"),
    [
        (9_999, "9,999", "9,999"),
        (10_000, "10.0K", "1.00万"),
        (999_999, "1.00M", "100万"),
        (99_999_999, "100M", "1.00亿"),
        (1_000_000_000, "1.00B", "10.0亿"),
        (123_456_000_000_000, "123,456B", "1,234,560亿"),
    ],
)
def test_at_the_edges_of_the_units(value: int, english: str, chinese: str) -> None:
    assert (numbers.count(value, "en"), numbers.count(value, "zh-CN")) == (english, chinese)


def test_what_is_unknown_is_a_dash_and_nought_is_not() -> None:
    unknown = [
        numbers.count(None, "en"),
        numbers.money(None, "en"),
        numbers.orders(None, "en"),
        numbers.ratio(None),
        numbers.percent(None),
        numbers.clock(None),
        numbers.age(None, "en"),
        numbers.exact(None, "fen"),
    ]
    assert set(unknown) == {numbers.UNKNOWN}
    known = [
        numbers.count(0, "en"),
        numbers.money(0, "en"),
        numbers.orders(0, "en"),
        numbers.ratio(Fraction(0)),
    ]
    assert known == ["0", "¥0.00", "0", "0.00"]


@given(st.integers(-1_000, 1_000), st.integers(-1_000, 1_000))
def test_a_change_goes_the_way_of_the_figure(now: int, before: int) -> None:
    change = numbers.change(now, before)
    assert (change is None) == (before == 0)
    if change is not None:
        assert (change > 0) == (now > before)
        assert before + change * abs(before) == now
