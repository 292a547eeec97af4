"""Gates in the viewer's language: by the settings' policy and the position's figures, else in the position's own words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.books import facts, ordered, report, setting
from xinghe.dashboard.gate_words import gate_words
from xinghe.dashboard.look import Look
from xinghe.domain.counted import day_start_ms
from xinghe.domain.dates import day_of
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.outputs import GuaranteePosition
from xinghe.domain.position_record import position_record
from xinghe.domain.terms import CustomGuarantee, QianchuanRoi, XhsCost

FIRST = "2026-11-10"
START_MS = day_start_ms(day_of(FIRST))
ROI = QianchuanRoi(START_MS, 2.5)
EN, ZH = Look("en", "auto", "green"), Look("zh-CN", "auto", "red")


def position(*settings: CampaignConfigured) -> GuaranteePosition:
    known = facts(settings, [report(FIRST, 0, 123_456)], [ordered(FIRST, 100_000, 3)])
    return position_record(known, day_of(FIRST), day_of(FIRST) + 1)


def said(guarantee: Any, look: Look = EN) -> dict[str, str]:
    settings = setting(FIRST, guarantee=guarantee)
    words = gate_words(position(settings), settings, look)
    assert not any(gate.is_message for gate in words)
    return {gate.name: gate.said for gate in words}


def test_each_gate_says_what_it_asks_for_and_what_there_is() -> None:
    assert said(ROI) == {
        "edits": "The target may be edited 2 times a day while days are observed, and was not more often.",
        "conversions": "3 reached of at least 10.",
        "trigger": "¥400.00 earned of ¥1,234.56 spent; it pays below 80 percent.",
        "observation": "Days are observed from 2026-11-10 to 2026-11-12.",
        "settlement": "It is settled at the end of 2026-11-14.",
    }
    assert said(ROI, ZH)["conversions"] == "已达成 3，至少需要 10。"
    assert (
        said(XhsCost(START_MS, 9_000))["trigger"]
        == "¥1,234.56 spent for ¥270.00 earned; it pays above 120 percent."
    )
    assert said(XhsCost(START_MS, 9_000))["conversions"] == "3 reached, no least number."


@pytest.mark.parametrize(
    ("per_day", "per_hour", "expected"),
    [
        (3, 1, "观察期内每天最多修改目标 3 次、每小时最多 1 次，未超过。"),
        (None, 4, "观察期内每小时最多修改目标 4 次，未超过。"),
        (None, None, "修改目标的次数不限。"),
    ],
)
def test_limits_of_edits_are_told_as_far_as_there_are_any(
    per_day: int | None, per_hour: int | None, expected: str
) -> None:
    custom = CustomGuarantee(
        START_MS,
        "roi",
        80,
        100,
        3,
        5,
        "cash",
        target_roi=2.0,
        edits_per_day_max=per_day,
        edits_per_hour_max=per_hour,
    )
    assert said(custom, ZH)["edits"] == expected


def test_an_edit_too_many_is_told_with_its_time() -> None:
    edits = [
        CampaignConfigured(
            "c1", "s1", "n", START_MS + hour * 3_600_000, guarantee=QianchuanRoi(START_MS, 2.5 + hour)
        )
        for hour in range(1, 4)
    ]
    found = position(setting(FIRST, guarantee=ROI), *edits)
    (gate, *_) = gate_words(found, edits[-1], ZH)
    assert (gate.state, gate.said) == ("broken", "目标修改次数过多，自 2026-11-10 03:00:00 起失效。")


@pytest.mark.parametrize(
    "settings",
    [
        None,
        setting(FIRST),
        setting(FIRST, guarantee=QianchuanRoi(START_MS + 86_400_000, 2.5)),
        setting(FIRST, guarantee=XhsCost(START_MS, 9_000)),
    ],
)
def test_without_the_settings_of_that_guarantee_it_is_the_positions_own_words(
    settings: CampaignConfigured | None,
) -> None:
    found = position(setting(FIRST, guarantee=ROI))
    words = gate_words(found, settings, ZH)
    assert [gate.said for gate in words] == [gate.reason for gate in found.gates]
    assert all(gate.is_message for gate in words)


def test_of_a_custom_guarantee_later_settings_do_not_tell_what_was_promised() -> None:
    def custom(conversions_min: int) -> CustomGuarantee:
        return CustomGuarantee(
            START_MS, "roi", 80, 100, 3, 5, "cash", target_roi=2.0, conversions_min=conversions_min
        )

    first = setting(FIRST, guarantee=custom(2))
    edited = CampaignConfigured("c1", "s1", "n", START_MS + 3_600_000, guarantee=custom(7))
    found = position(first, edited)
    assert gate_words(found, first, EN)[1].said == "3 reached of at least 2."
    told = gate_words(found, edited, EN)[1]
    assert (told.said, told.is_message) == ("3 of 2 orders.", True)
