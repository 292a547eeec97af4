"""Alerts in plain words, in both languages."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

import pytest

from xinghe.dashboard.alert_words import Words, words
from xinghe.dashboard.language import LANGUAGES, TEXTS
from xinghe.dashboard.look import Look
from xinghe.domain.alerts import (
    AlertRule,
    BudgetNearlyUsed,
    DataLate,
    DataStopped,
    DeadLetterShare,
    ForecastBelowTarget,
    RoiBelow,
    SpendWithoutConversions,
    Turn,
    kind_of,
    record_of,
)
from xinghe.domain.outputs import AlertTurn

ENGLISH, CHINESE = Look("en", "auto", "green"), Look("zh-CN", "auto", "red")
RULES: list[AlertRule] = [
    RoiBelow(name="roi", ratio=Decimal("1.5")),
    ForecastBelowTarget(name="forecast", percent=10),
    SpendWithoutConversions(name="spend", spend_fen=50_000),
    BudgetNearlyUsed(name="budget", percent=90),
    DataLate(name="late", minutes=15),
    DataStopped(name="stopped", minutes=10),
    DeadLetterShare(name="dead", percent=5, minutes=15),
]


def said(rule: AlertRule, look: Look, state: AlertTurn, value: Fraction | None) -> Words:
    return words(record_of(rule, "c1", "s1", Turn(state, 7, 8, value)), look)


def test_figures_are_told_in_the_units_of_the_rule() -> None:
    assert said(RULES[0], ENGLISH, "raised", Fraction(2, 3)).said == (
        "ROI is 0.6666. It should be at least 1.50."
    )
    assert said(RULES[0], CHINESE, "escalated", Fraction(2, 3)).said.startswith("当前 ROI 为 0.6666")
    assert said(RULES[2], ENGLISH, "raised", Fraction(51_234)).said == (
        "¥512.34 were spent today, and nothing came of it. The limit is ¥500.00."
    )
    assert said(RULES[4], CHINESE, "raised", Fraction(62)).said.startswith("数据只完整到 1 小时 2 分 之前")
    assert said(RULES[1], ENGLISH, "resolved", Fraction(1001, 10)).said == (
        "The guarantee's GMV is forecast to reach 100.1% of its target again. It should be at least 90%."
    )


@pytest.mark.parametrize("look", [ENGLISH, CHINESE])
@pytest.mark.parametrize("rule", RULES, ids=kind_of)
def test_every_kind_has_words_for_all_that_becomes_of_it(rule: AlertRule, look: Look) -> None:
    found = {
        said(rule, look, "raised", Fraction(3)),
        said(rule, look, "resolved", Fraction(3)),
        said(rule, look, "resolved", None),
    }
    assert len({each.said for each in found}) == 3
    assert [bool(each.advice) for each in sorted(found, key=lambda each: not each.advice)] == [
        True,
        False,
        False,
    ]
    assert not any(each.is_message or re.search(r"[{}–]", each.said) for each in found)


def test_a_kind_without_words_is_told_by_its_own_message(monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = {key: text for key, text in TEXTS["zh-CN"].items() if not key.startswith("alert_says.")}
    monkeypatch.setitem(TEXTS, "zh-CN", fewer)
    record = record_of(RULES[3], "c1", "s1", Turn("raised", 7, 8, Fraction(91)))
    assert words(record, CHINESE) == Words(record.message, "", is_message=True)
    assert not words(record, ENGLISH).is_message


def test_no_sentence_is_the_same_in_both_languages() -> None:
    chinese, english = (TEXTS[language] for language in LANGUAGES)
    keys = [key for key in english if key.startswith(("alert_says.", "alert_advice.", "alert_kind."))]
    assert len(keys) == 7 * 3 + 7 + 8
    assert not [key for key in keys if chinese[key] == english[key]]
