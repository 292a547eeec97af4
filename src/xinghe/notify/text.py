"""An alert in words for a chat, in English or Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Final

from xinghe.domain.outputs import AlertKind, AlertRaised, AlertTurn, Severity
from xinghe.notify.receivers import Locale

SHANGHAI: Final = timezone(timedelta(hours=8))

_SEVERITIES_ZH: Final[Mapping[Severity, str]] = {"info": "提示", "warning": "警告", "critical": "严重"}
_TURNS_ZH: Final[Mapping[AlertTurn, str]] = {
    "raised": "触发",
    "escalated": "升级，仍未解决",
    "resolved": "已恢复",
}
_FIGURES_ZH: Final[Mapping[AlertKind, str]] = {
    "roi_below": "ROI",
    "forecast_below_target": "保障 GMV 预测占目标比例",
    "spend_without_conversions": "当日无转化消耗",
    "budget_nearly_used": "预算使用比例",
    "data_late": "数据延迟",
    "data_stopped": "距最后一条数据",
    "dead_letter_share": "死信占比",
}
_LOOK_ZH: Final[Mapping[AlertKind, str]] = {
    "roi_below": "查看哪些时段和笔记有消耗无成交，降低出价或暂停投放。",
    "forecast_below_target": "查看保障的当前状态：门槛、剩余天数和消耗。",
    "spend_without_conversions": "确认笔记链接能进店，店铺数据仍在上报。",
    "budget_nearly_used": "提高计划预算，或确认计划按时结束。",
    "data_late": "确认各分区采集仍在上报，并查看 worker 积压（xinghe_lag_records）。",
    "data_stopped": "确认采集仍在写入源主题，worker 在运行。",
    "dead_letter_share": "查看哪些数据不合规、由谁发出：xinghe deadletters list。",
}
_UNITS_ZH: Final = {" percent": "%", " yuan": " 元", " minutes": " 分钟", " minute": " 分钟"}

_PLAIN: Final = str.maketrans("<>[]*`#", "＜＞［］＊｀＃")


def plain(text: str) -> str:
    """The text without what Markdown acts on: ids come from outside, and must not become links or mentions.

    >>> plain("[c1](http://x) <@all>")
    '［c1］(http://x) ＜@all＞'
    """
    return text.translate(_PLAIN)


def title(alert: AlertRaised, locale: Locale) -> str:
    """One line: how bad, what happened, which rule, which campaign."""
    if locale == "zh":
        of = "全部数据" if alert.campaign_id is None else f"计划 {alert.campaign_id}"
        return f"【{_SEVERITIES_ZH[alert.severity]}】{_TURNS_ZH[alert.state]}：{alert.rule}（{of}）"
    of = "all data" if alert.campaign_id is None else f"campaign {alert.campaign_id}"
    return f"[{alert.severity}] {alert.state}: {alert.rule}, {of}"


def lines(alert: AlertRaised, locale: Locale) -> list[str]:
    """What is wrong, what to look at, since when; times are of Asia/Shanghai."""
    since, at = (
        f"{datetime.fromtimestamp(time_ms / 1000, SHANGHAI):%Y-%m-%d %H:%M:%S}"
        for time_ms in (alert.since_ms, alert.time_ms)
    )
    if locale == "en":
        shop = [] if alert.shop_id is None else [f"Shop: {alert.shop_id}"]
        return [alert.message, *shop, f"Since {since}, told at {at} (Asia/Shanghai)"]
    value = "无" if alert.value_text is None else _figure_zh(alert.value_text)
    said = f"{_FIGURES_ZH[alert.kind]}：当前 {value}，阈值 {_figure_zh(alert.threshold_text)}"
    look = [] if alert.state == "resolved" else [_LOOK_ZH[alert.kind]]
    shop = [] if alert.shop_id is None else [f"店铺：{alert.shop_id}"]
    return [said, *look, *shop, f"开始 {since}，当前 {at}（北京时间）"]


def _figure_zh(text: str) -> str:
    for unit, unit_zh in _UNITS_ZH.items():
        text = text.replace(unit, unit_zh)
    return text
