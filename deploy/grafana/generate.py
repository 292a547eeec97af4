"""The dashboards of Grafana, written by ``python deploy/grafana/generate.py``; never edit the JSON, a test compares it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import Dashboard as DashboardModel
from grafana_foundation_sdk.models.dashboard import DataSourceRef

FOLDER: Final = Path(__file__).parent / "dashboards"
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH: Final = 24
HEIGHT: Final = 8
STAT_HEIGHT: Final = 4


class Query(NamedTuple):
    """An expression of PromQL, and what its lines are called; ``{{label}}`` is a label's value."""

    expr: str
    legend: str


class Chart(NamedTuple):
    """Lines over time; ``help_text`` says what to read from them, ``unit`` is one of Grafana's."""

    title: str
    help_text: str
    unit: str
    queries: Sequence[Query]


class Figure(NamedTuple):
    """One number as it is now, with how it went."""

    title: str
    help_text: str
    unit: str
    expr: str


class Row(NamedTuple):
    """Panels under one heading; three charts share a line."""

    title: str
    panels: Sequence[Chart | Figure]


class Page(NamedTuple):
    """A dashboard; ``uid`` is its address and the name of its file."""

    uid: str
    title: str
    help_text: str
    rows: Sequence[Row]


def quantile(part: float, histogram: str, by: str = "", within: str = "$__rate_interval") -> str:
    """A quantile of a histogram over all workers, by some labels.

    >>> quantile(0.5, "xinghe_commit_seconds", "stage")
    'histogram_quantile(0.5, sum by (stage, le) (rate(xinghe_commit_seconds_bucket[$__rate_interval])))'
    """
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({part}, sum by ({labels}) (rate({histogram}_bucket[{within}])))"


def rate(counter: str, by: str = "", selector: str = "") -> str:
    """How often a second a counter counts, over all workers, by some labels.

    >>> rate("xinghe_events_total", "topic")
    'sum by (topic) (rate(xinghe_events_total[$__rate_interval]))'
    """
    return f"sum {f'by ({by}) ' if by else ''}(rate({counter}{selector}[$__rate_interval]))".replace(
        "sum (", "sum("
    )


def quantiles(histogram: str, parts: Sequence[float], by: str = "") -> list[Query]:
    """A line for each quantile."""
    legend = f"{{{{{by}}}}} " if by else ""
    return [Query(quantile(part, histogram, by), f"{legend}p{100 * part:g}") for part in parts]


STREAM: Final = Page(
    "xinghe-stream",
    "Xinghe: stream",
    "Whether the stream keeps up, how fresh figures are, and what does not fit. What to do: deploy/RUNBOOK.md.",
    [
        Row(
            "Now",
            [
                Figure("Workers", "Workers that answer.", "none", 'sum(up{job="xinghe-worker"})'),
                Figure("Events", "Source records a second.", "cps", rate("xinghe_events_total")),
                Figure("Lag", "Records that no task has taken yet.", "short", "sum(xinghe_lag_records)"),
                Figure(
                    "End to end, p99",
                    "From the broker's time of a batch to its effect in Redis.",
                    "s",
                    quantile(0.99, "xinghe_end_to_end_seconds"),
                ),
                Figure(
                    "Watermark age",
                    "How far the partition that is furthest behind is behind the clock.",
                    "s",
                    "time() - min(xinghe_watermark_timestamp_seconds)",
                ),
                Figure(
                    "Refused",
                    "Part of the records that went to the dead letters.",
                    "percentunit",
                    'sum(rate(xinghe_dead_letters_total{reason!="undeliverable"}[15m])) / sum(rate(xinghe_events_total[15m]))',
                ),
            ],
        ),
        Row(
            "Throughput",
            [
                Chart(
                    "Events by topic",
                    "Source records a second, duplicates and dead letters included.",
                    "cps",
                    [Query(rate("xinghe_events_total", "topic"), "{{topic}}")],
                ),
                Chart(
                    "Lag by topic",
                    "Records between the log's end and the tasks. Growing for minutes: more workers (XingheLagGrowing).",
                    "short",
                    [Query("sum by (topic) (xinghe_lag_records)", "{{topic}}")],
                ),
                Chart(
                    "Records per batch",
                    "Small batches are a quiet stream; 500 is a backlog.",
                    "short",
                    [Query(f"{rate('xinghe_events_total')} / {rate('xinghe_batches_total')}", "records")],
                ),
            ],
        ),
        Row(
            "Commits",
            [
                Chart(
                    "Commit time by stage",
                    "From the start of a transaction to its end. Slow ones are the brokers' (XingheCommitsSlow).",
                    "s",
                    quantiles("xinghe_commit_seconds", (0.5, 0.95, 0.99), "stage"),
                ),
                Chart(
                    "Commit period by stage",
                    "From one commit's start to the next of the same task.",
                    "s",
                    quantiles("xinghe_commit_period_seconds", (0.5, 0.95), "stage"),
                ),
                Chart(
                    "Records per commit by stage",
                    "Changelog and output records of a transaction.",
                    "short",
                    [
                        Query(
                            f"{rate('xinghe_commit_records_sum', 'stage')} / {rate('xinghe_commit_records_count', 'stage')}",
                            "{{stage}} mean",
                        ),
                        *quantiles("xinghe_commit_records", (0.99,), "stage"),
                    ],
                ),
            ],
        ),
        Row(
            "Freshness",
            [
                Chart(
                    "End to end",
                    "From the broker's time of a source batch to its effect in Redis.",
                    "s",
                    quantiles("xinghe_end_to_end_seconds", (0.5, 0.99)),
                ),
                Chart(
                    "Watermark age by partition",
                    "How far complete figures are behind the clock. Old without lag: collectors stopped (XingheWatermarkOld).",
                    "s",
                    [
                        Query(
                            "time() - max by (partition) (xinghe_watermark_timestamp_seconds)",
                            "partition {{partition}}",
                        )
                    ],
                ),
                Chart(
                    "Late events and duplicates",
                    "Late: their minute was final. Duplicates: known already, a collector that repeats itself.",
                    "cps",
                    [
                        Query(rate("xinghe_late_events_total"), "late"),
                        Query(rate("xinghe_duplicates_total"), "duplicates"),
                    ],
                ),
            ],
        ),
        Row(
            "What does not fit",
            [
                Chart(
                    "Dead letters by reason",
                    "Records a second. See xinghe deadletters list (XingheDeadLetters).",
                    "cps",
                    [Query(rate("xinghe_dead_letters_total", "reason"), "{{reason}}")],
                ),
                Chart(
                    "Evicted events",
                    "Dropped from journeys that were full: one id that is many people, or a bot.",
                    "cps",
                    [Query(rate("xinghe_evicted_events_total"), "evicted")],
                ),
                Chart(
                    "Recovery",
                    "How long the last recovery of each stage took at most, and what was read (XingheRecoveryLong).",
                    "s",
                    [
                        Query("max by (stage) (xinghe_recovery_seconds)", "{{stage}} seconds"),
                        Query(
                            "sum by (stage) (increase(xinghe_recovery_records_total[$__rate_interval])) / 1e6",
                            "{{stage}} million records",
                        ),
                    ],
                ),
            ],
        ),
        Row(
            "Redis and models",
            [
                Chart(
                    "Writes to Redis by outcome",
                    "Anything but applied for long: XingheRedisFailing.",
                    "cps",
                    [Query(rate("xinghe_redis_writes_total", "outcome"), "{{outcome}}")],
                ),
                Chart(
                    "Keys that wait for Redis",
                    "More than changes in a second or two: Redis is slow (XingheRedisPending).",
                    "short",
                    [Query("sum by (instance) (xinghe_redis_pending_keys)", "{{instance}}")],
                ),
                Chart(
                    "Data-driven models",
                    "Time of the models' thread; each event waits longer meanwhile.",
                    "s",
                    quantiles("xinghe_models_seconds", (0.5, 0.99)),
                ),
            ],
        ),
        Row(
            "Index",
            [
                Chart(
                    "Records of the index",
                    "Orders, ledgers, settings and dead letters that go into Redis.",
                    "cps",
                    [
                        Query(rate("xinghe_index_records_total", "topic"), "{{topic}}"),
                        Query(rate("xinghe_index_unreadable_total", "topic"), "{{topic}}, unreadable"),
                    ],
                ),
                Chart(
                    "Lag of the index",
                    "Records of its topics that are not in Redis yet.",
                    "short",
                    [Query("sum by (topic) (xinghe_index_lag_records)", "{{topic}}")],
                ),
                Chart(
                    "Writes of the index by outcome",
                    "Refused ones are read again: another index runs, or Redis was emptied.",
                    "cps",
                    [Query(rate("xinghe_index_writes_total", "outcome"), "{{outcome}}")],
                ),
            ],
        ),
    ],
)
ALERTS: Final = Page(
    "xinghe-alerts",
    "Xinghe: alerts and notifications",
    "Alerts about campaigns and data by rule, and whether receivers are told of them.",
    [
        Row(
            "Now",
            [
                Figure("Open", "Alerts that are raised or escalated.", "none", "sum(xinghe_alerts_open)"),
                Figure(
                    "Open and critical",
                    "Those that cannot wait.",
                    "none",
                    'sum(xinghe_alerts_open{severity="critical"}) or vector(0)',
                ),
                Figure("Notifiers", "Notifiers that answer.", "none", 'sum(up{job="xinghe-notify"})'),
                Figure(
                    "Undeliverable, 24 h",
                    "Alerts that a receiver did not take after the last try (XingheAlertsUndelivered).",
                    "none",
                    'sum(increase(xinghe_notifications_total{outcome="undeliverable"}[24h])) or vector(0)',
                ),
            ],
        ),
        Row(
            "Alerts",
            [
                Chart(
                    "Open by rule",
                    "A rule with many is a cause that many campaigns share, or a threshold that is too tight.",
                    "none",
                    [Query("sum by (rule, severity) (xinghe_alerts_open)", "{{rule}} ({{severity}})")],
                ),
                Chart(
                    "Raised in an hour, by rule",
                    "Rises again and again: raise its hysteresis or cool-down.",
                    "none",
                    [Query("sum by (rule) (increase(xinghe_alerts_raised_total[1h]))", "{{rule}}")],
                ),
            ],
        ),
        Row(
            "Notifications",
            [
                Chart(
                    "Done with in an hour, by receiver",
                    "Delivered, or undeliverable after the last try.",
                    "none",
                    [
                        Query(
                            "sum by (receiver, outcome) (increase(xinghe_notifications_total[1h]))",
                            "{{receiver}} {{outcome}}",
                        )
                    ],
                ),
                Chart(
                    "Tries that failed in 10 min, by receiver",
                    "An address, certificate, signature or limit; the notifier's log says which (XingheReceiverFailing).",
                    "none",
                    [
                        Query(
                            "sum by (receiver) (increase(xinghe_notification_failures_total[10m]))",
                            "{{receiver}}",
                        )
                    ],
                ),
                Chart(
                    "From the alert to its delivery",
                    "A receiver that hangs holds back the alerts of its partition for all (XingheAlertsLate).",
                    "s",
                    [
                        Query(
                            quantile(part, "xinghe_notification_seconds", "receiver", "15m"),
                            f"{{{{receiver}}}} p{100 * part:g}",
                        )
                        for part in (0.5, 0.9)
                    ],
                ),
                Chart(
                    "Expired in an hour",
                    "Over a day old when their turn came: the notifier stood still (XingheAlertsExpired).",
                    "none",
                    [Query("sum(increase(xinghe_notifications_expired_total[1h]))", "expired")],
                ),
            ],
        ),
    ],
)
PAGES: Final = (STREAM, ALERTS)


def built(page: Page) -> DashboardModel:
    """A page as Grafana has it."""
    board = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.help_text)
        .tags(["xinghe"])
        .time("now-1h", "now")
        .refresh("10s")
        .timezone("browser")
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for other in PAGES:
        if other is not page:
            link = dashboard.DashboardLink(other.title).url(f"/d/{other.uid}").keep_time(True)
            board.link(link)
    for row in page.rows:
        board.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            board.with_panel(
                _figure(panel, len(row.panels))
                if isinstance(panel, Figure)
                else _chart(panel, min(3, len(row.panels)))
            )
    return board.build()


def _figure(figure: Figure, per_line: int) -> stat.Panel:
    return (
        stat.Panel()
        .title(figure.title)
        .description(figure.help_text)
        .datasource(SOURCE)
        .unit(figure.unit)
        .no_value("–")
        .graph_mode(BigValueGraphMode.AREA)
        .height(STAT_HEIGHT)
        .span(WIDTH // per_line)
        .with_target(_query(Query(figure.expr, figure.title), "A"))
    )


def _chart(chart: Chart, per_line: int) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(chart.title)
        .description(chart.help_text)
        .datasource(SOURCE)
        .unit(chart.unit)
        .min(0)
        .fill_opacity(8)
        .show_points(VisibilityMode.NEVER)
        .height(HEIGHT)
        .span(WIDTH // per_line)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    for number, query in enumerate(chart.queries):
        panel.with_target(_query(query, chr(ord("A") + number)))
    return panel


def _query(query: Query, ref_id: str) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(ref_id).datasource(SOURCE)
    )


def text(page: Page) -> str:
    """The file of a page."""
    return json.dumps(built(page), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def file(page: Page) -> Path:
    """Where the page's file is."""
    return FOLDER / f"{page.uid}.json"


def main() -> None:
    """Write all pages."""
    for page in PAGES:
        file(page).write_text(text(page), encoding="utf-8")


if __name__ == "__main__":
    main()
