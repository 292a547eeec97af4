"""The figures, as a table for people and as JSON for programs; each beside what it has to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any, Final

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from bench.runs import CommitPeriod, RunResult, as_json
from bench.scenarios.full import FullResult
from bench.scenarios.latency import LatencyResult
from bench.scenarios.memory import MemoryResult
from bench.scenarios.recovery import RecoveryResult

KAFKA_STREAMS_EVENTS_PER_CPU_S: Final = 60_000
"""Stage one on Kafka Streams 4.1, exactly once, in-memory store: recorded on the same class of machine, not measured here."""
COMMIT_PERIOD_SET_S: Final = 0.2


class Figure(Struct, frozen=True):
    """One line of the report; ``is_met`` is ``None`` where nothing is asked of it."""

    scenario: str
    name: str
    value: float
    unit: str
    low: float
    high: float
    beside: str = ""
    wanted: str = ""
    is_met: bool | None = None


class Results(Struct):
    """What was measured; ``None`` is what was not asked for."""

    full: FullResult | None = None
    stage_one: list[RunResult] | None = None
    latency: LatencyResult | None = None
    recovery: list[RecoveryResult] | None = None
    memory: MemoryResult | None = None


def figures(results: Results) -> list[Figure]:
    """All figures of what was measured."""
    found: list[Figure] = []
    if results.full is not None:
        found += _full(results.full)
    if results.stage_one is not None:
        found += _stage_one(results.stage_one)
    if results.latency is not None:
        found += _latency(results.latency)
    if results.recovery is not None:
        found += _recovery(results.recovery)
    if results.memory is not None:
        found += _memory(results.memory)
    return found


def print_table(found: Sequence[Figure], machine: dict[str, object]) -> None:
    """The figures, and under them the machine they were measured on."""
    table = Table(title="Xinghe: speed and memory")
    for column, justify in (
        ("", "left"),
        ("figure", "left"),
        ("median", "right"),
        ("min - max", "right"),
        ("unit", "left"),
        ("wanted", "left"),
        ("beside it", "left"),
    ):
        table.add_column(column, justify="right" if justify == "right" else "left", overflow="fold")
    scenario = ""
    for figure in found:
        if figure.scenario != scenario:
            table.add_section()
        verdict = {None: "", True: "[green]met[/] ", False: "[red]missed[/] "}[figure.is_met]
        span = "" if figure.low == figure.high else f"{_number(figure.low)} - {_number(figure.high)}"
        shown = "" if figure.scenario == scenario else figure.scenario
        table.add_row(
            shown,
            figure.name,
            _number(figure.value),
            span,
            figure.unit,
            verdict + figure.wanted,
            figure.beside,
        )
        scenario = figure.scenario
    console = Console(width=max(150, Console().width))
    console.print(table)
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()), highlight=False)


def as_document(results: Results, machine: dict[str, object], started_at: str) -> dict[str, Any]:
    """Everything, for a file."""
    full, stage_one = results.full, results.stage_one
    runs = (
        {}
        if full is None
        else {
            name: [as_json(run) for run in getattr(full, name)]
            for name in ("ours", "two_workers", "stock", "stock_batched")
        }
    )
    return {
        "started_at": started_at,
        "machine": machine,
        "figures": figures(results),
        "runs": runs | ({} if stage_one is None else {"stage_one": [as_json(run) for run in stage_one]}),
        "latency": results.latency,
        "recovery": results.recovery,
        "memory": results.memory,
    }


def _full(result: FullResult) -> Iterator[Figure]:
    scenario = "full job"
    ours = result.ours
    period = _period(ours[0].commit_period)
    yield _speed(scenario, f"xinghe, {ours[0].events:,} events", ours)
    if result.stock:
        part = f"the first {result.peer_events:,} events, at-least-once, commit period {_period(result.stock[0].commit_period)}"
        yield _speed(scenario, "stock Faust, an event at a time", result.stock, part)
        yield _speed(scenario, "stock Faust, batches by take()", result.stock_batched, part)
        yield _ratio("xinghe / stock Faust, an event at a time", ours, result.stock, at_least=20.0)
        yield _ratio("xinghe / stock Faust, batches by take()", ours, result.stock_batched)
    yield _over(scenario, "events per second", ours, lambda run: run.events / run.wall_s, "/s")
    yield _over(scenario, "last tenth / second tenth", ours, lambda run: run.flatness, "", at_least=0.8)
    for stage in ours[0].commit_period:
        yield _commit_period(ours, stage)
    yield _over(scenario, "peak memory", ours, lambda run: run.rss_peak_mb, "MB")
    yield _over(
        scenario,
        "changelog",
        ours,
        lambda run: run.changelog_bytes / run.events,
        "bytes/event",
        beside=period,
    )
    if result.two_workers:
        yield _speed("two workers", "two workers, one core between them", result.two_workers)
        yield _ratio(
            "capacity of 2 workers / 1",
            result.two_workers,
            ours,
            times=2.0,
            at_least=1.8,
            scenario="two workers",
        )


def _commit_period(runs: list[RunResult], stage: str) -> Figure:
    values = [run.commit_period[stage].mean_s or 0.0 for run in runs]
    p99_s = max(run.commit_period[stage].p99_s or 0.0 for run in runs)
    beside = f"mean; {COMMIT_PERIOD_SET_S:g} s set; p99 {p99_s:.2f} s"
    name = f"commit period at full load, {stage}"
    return _figure("full job", name, values, "s", beside=beside, at_most=2 * COMMIT_PERIOD_SET_S)


def _stage_one(runs: list[RunResult]) -> Iterator[Figure]:
    scenario = "stage 1 alone"
    yield _over(
        scenario,
        f"xinghe, {runs[0].events:,} events",
        runs,
        lambda run: run.events_per_cpu_s,
        "events/CPU s",
        at_least=float(KAFKA_STREAMS_EVENTS_PER_CPU_S),
        beside=f"Kafka Streams in memory: {KAFKA_STREAMS_EVENTS_PER_CPU_S:,}, recorded on the same class of machine, "
        f"not measured here; {_with_start(runs)}; commit period {_period(runs[0].commit_period)}",
    )
    yield _over(scenario, "last tenth / second tenth", runs, lambda run: run.flatness, "")


def _latency(result: LatencyResult) -> Iterator[Figure]:
    beside = (
        f"{result.rate:,} events/s, half the capacity; by source batch; {result.cpu_share:.0%} of a core; "
        f"commit period {_period(result.commit_period)}"
    )
    yield _one("end to end", "p50, broker to Redis", result.p50_s, "s", at_most=0.4, beside=beside)
    yield _one("end to end", "p99, broker to Redis", result.p99_s, "s", at_most=1.0, beside=beside)


def _recovery(results: list[RecoveryResult]) -> Iterator[Figure]:
    beside = f"{results[0].records:,} records in {median(each.seconds for each in results):.1f} s, all tasks at once, one core"
    values = [each.records_per_s for each in results]
    yield _figure("recovery", "changelog records", values, "/s", at_least=100_000.0, beside=beside)


def _memory(result: MemoryResult) -> Iterator[Figure]:
    people = f"{result.people:,} people with {result.events / result.people:.1f} events each"
    yield _one("memory", "per person", result.bytes_per_person, "bytes", beside=people)
    yield _one("memory", "per event, person included", result.bytes_per_event, "bytes", beside=people)
    yield _one(
        "memory",
        "changelog per event",
        result.changelog_bytes_per_event,
        "bytes",
        at_most=150.0,
        beside="as the broker stores it, lz4",
    )
    rss, changelog, speed = (
        result.one_person_rss_mb,
        result.one_person_changelog_bytes_per_event,
        result.one_person_events_per_s,
    )
    one = f"one person with {result.one_person_events:,} events: last tenth"
    yield _one(
        "memory",
        "one person, memory",
        rss[-1] - rss[0],
        "MB more",
        beside=f"{one} against first: {rss[-1]:.0f}, {rss[0]:.0f} MB",
    )
    yield _one(
        "memory",
        "one person, changelog",
        changelog[-1],
        "bytes/event",
        beside=f"{one}; first: {changelog[0]:.0f}",
    )
    yield _one("memory", "one person, speed", speed[-1], "/s", beside=f"{one}; second: {speed[1]:,.0f}")


def _speed(scenario: str, name: str, runs: list[RunResult], beside: str = "") -> Figure:
    note = beside or f"commit period {_period(runs[0].commit_period)}"
    return _over(
        scenario,
        name,
        runs,
        lambda run: run.events_per_cpu_s,
        "events/CPU s",
        beside=f"{note}; {_with_start(runs)}",
    )


def _ratio(
    name: str,
    runs: list[RunResult],
    others: list[RunResult],
    *,
    times: float = 1.0,
    at_least: float | None = None,
    scenario: str = "full job",
) -> Figure:
    """Medians against each other; the span is that of the rounds."""
    rounds = [
        times * run.events_per_cpu_s / other.events_per_cpu_s for run, other in zip(runs, others, strict=True)
    ]
    value = times * _median_speed(runs) / _median_speed(others)
    return _verdict(scenario, name, value, "x", (min(rounds), max(rounds)), at_least=at_least)


def _over(
    scenario: str,
    name: str,
    runs: list[RunResult],
    what: Callable[[RunResult], float],
    unit: str,
    *,
    beside: str = "",
    at_least: float | None = None,
) -> Figure:
    return _figure(scenario, name, [what(run) for run in runs], unit, beside=beside, at_least=at_least)


def _one(
    scenario: str, name: str, value: float, unit: str, *, beside: str = "", at_most: float | None = None
) -> Figure:
    return _figure(scenario, name, [value], unit, beside=beside, at_most=at_most)


def _figure(
    scenario: str,
    name: str,
    values: list[float],
    unit: str,
    *,
    beside: str = "",
    at_least: float | None = None,
    at_most: float | None = None,
) -> Figure:
    span = (min(values), max(values))
    return _verdict(
        scenario, name, median(values), unit, span, beside=beside, at_least=at_least, at_most=at_most
    )


def _verdict(
    scenario: str,
    name: str,
    value: float,
    unit: str,
    span: tuple[float, float],
    *,
    beside: str = "",
    at_least: float | None = None,
    at_most: float | None = None,
) -> Figure:
    wanted, is_met = "", None
    if at_least is not None:
        wanted, is_met = f">= {_number(at_least)}", value >= at_least
    elif at_most is not None:
        wanted, is_met = f"<= {_number(at_most)}", value <= at_most
    return Figure(scenario, name, value, unit, *span, beside, wanted, is_met)


def _median_speed(runs: list[RunResult]) -> float:
    return median(run.events_per_cpu_s for run in runs)


def _with_start(runs: list[RunResult]) -> str:
    return f"start-up included: {_number(median(run.events_per_cpu_s_with_start for run in runs))}"


def _period(periods: dict[str, CommitPeriod]) -> str:
    return ", ".join(
        f"{stage} {'?' if each.mean_s is None else f'{each.mean_s:.2f} s'}" for stage, each in periods.items()
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
