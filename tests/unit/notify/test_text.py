from __future__ import annotations

import msgspec

from tests.unit.notify.alerts import ALERT
from xinghe.domain.outputs import AlertRaised
from xinghe.notify.text import lines, title


def test_english() -> None:
    assert title(ALERT, "en") == "[warning] raised: roi-below-1, campaign c1"
    assert lines(ALERT, "en") == [
        ALERT.message,
        "Shop: s1",
        "Since 2025-11-25 00:00:00, told at 2025-11-25 01:00:00 (Asia/Shanghai)",
    ]


def test_chinese() -> None:
    assert title(ALERT, "zh") == "【警告】触发：roi-below-1（计划 c1）"
    assert lines(ALERT, "zh") == [
        "ROI：当前 0.6666，阈值 1",
        "查看哪些时段和笔记有消耗无成交，降低出价或暂停投放。",
        "店铺：s1",
        "开始 2025-11-25 00:00:00，当前 2025-11-25 01:00:00（北京时间）",
    ]


def test_chinese_of_all_data_with_units_and_without_a_value() -> None:
    late = msgspec.structs.replace(
        ALERT,
        campaign_id=None,
        shop_id=None,
        rule="data-late",
        kind="data_late",
        severity="critical",
        value_text="12.5 minutes",
        threshold_text="10 minutes",
    )
    gone = msgspec.structs.replace(late, state="resolved", value=None, value_text=None)

    assert title(late, "zh") == "【严重】触发：data-late（全部数据）"
    assert lines(late, "zh")[0] == "数据延迟：当前 12.5 分钟，阈值 10 分钟"
    assert title(gone, "en") == "[critical] resolved: data-late, all data"
    assert lines(gone, "zh")[:2] == [
        "数据延迟：当前 无，阈值 10 分钟",
        "开始 2025-11-25 00:00:00，当前 2025-11-25 01:00:00（北京时间）",
    ]


def test_every_kind_severity_and_turn_has_its_chinese() -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(AlertRaised)}
    for name in ("kind", "severity", "state"):
        for value in msgspec.inspect.type_info(fields[name]).type.values:  # type: ignore[attr-defined]  # Annotated literal
            one = msgspec.structs.replace(ALERT, **{name: value})
            assert title(one, "zh")
            assert lines(one, "zh")
