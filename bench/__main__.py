"""``python -m bench``: measure, print the table, keep the JSON."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import msgspec

from bench import machine, report
from bench.cluster import Cluster
from bench.plan import QUICK, Bench, Plan, WrongFiguresError
from bench.processes import REPOSITORY, pin_to_services_core
from bench.runs import BenchError
from bench.scenarios import full, latency, memory, recovery, stage_one
from xinghe.embedded import LIB_DIR_DEFAULT, EmbeddedError

SCENARIOS: Final = ("full", "scale", "recovery", "latency", "memory", "stage1")
"""In the order in which they run: what is loaded by one is used by the next."""
RESULTS: Final = REPOSITORY / "bench" / "results" / "latest.json"


def _scenarios(_ctx: click.Context, _option: click.Parameter, value: str) -> frozenset[str]:
    names = frozenset(value.split(","))
    if unknown := names - set(SCENARIOS):
        raise click.BadParameter(
            f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}"
        )
    return names


@click.command()
@click.option(
    "--quick", is_flag=True, help="Small and once: shows that the bench works, its figures say little."
)
@click.option("--events", type=click.IntRange(1_000), help="Events of the full job [default 3,000,000].")
@click.option(
    "--peer-events", type=click.IntRange(1_000), help="How many of them the peer gets [default 60,000]."
)
@click.option(
    "--rounds", type=click.IntRange(1), help="Interleaved runs of each; medians are shown [default 3]."
)
@click.option(
    "--only",
    "scenarios",
    default=",".join(SCENARIOS),
    show_default=True,
    callback=_scenarios,
    help="What to measure, separated by commas.",
)
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=RESULTS,
    show_default="bench/results/latest.json",
    help="Where to write everything.",
)
@click.option(
    "--kafka-lib",
    type=click.Path(path_type=Path),
    envvar="XINGHE_KAFKA_LIB",
    default=REPOSITORY / LIB_DIR_DEFAULT,
    show_default=str(LIB_DIR_DEFAULT),
    help="Folder with Kafka's jars; fetched where it is missing.",
)
def main(
    quick: bool,
    events: int | None,
    peer_events: int | None,
    rounds: int | None,
    scenarios: frozenset[str],
    json_path: Path,
    kafka_lib: Path,
) -> None:
    """Measure Xinghe on a real Kafka and Redis of its own, in a temporary folder.

    The engine runs on core 0, everything else on core 1; close other programs. All of it takes about half an hour.
    Ends with exit code 1 when figures are wrong or cannot be measured; a target that is missed is only shown.
    """
    asked = {"events": events, "peer_events": peer_events, "rounds": rounds}
    plan = msgspec.structs.replace(
        QUICK if quick else Plan(), **{name: value for name, value in asked.items() if value is not None}
    )
    if plan.peer_events > plan.events:
        raise click.BadParameter(
            f"--peer-events is {plan.peer_events:,}; it must be at most the {plan.events:,} events"
        )
    if (os.cpu_count() or 1) < 2:
        raise click.ClickException("the bench needs two cores: one for the engine, one for Kafka and Redis")
    # Warnings of topics that were just deleted or created are how the bench works, not news.
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    results = report.Results()
    failure: Exception | None = None
    try:
        asyncio.run(_measure(plan, scenarios, kafka_lib, results))
    except (BenchError, WrongFiguresError, EmbeddedError) as error:
        # What was measured until then is worth showing.
        failure = error
    except asyncio.CancelledError as end:
        raise click.Abort from end
    described = machine.describe(kafka_lib)
    document = report.as_document(results, described, started_at) | {"plan": plan}
    json_path.parent.mkdir(parents=True, exist_ok=True)
    json_path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    report.print_table(report.figures(results), described)
    if failure is not None:
        raise click.ClickException(str(failure)) from failure


async def _measure(plan: Plan, scenarios: frozenset[str], kafka_lib: Path, results: report.Results) -> None:
    """Measure what is asked for, each put into ``results`` as soon as it is there."""
    pin_to_services_core()
    measuring = asyncio.current_task()
    assert measuring is not None
    # As Ctrl-C: the services are stopped and the folder is removed.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, measuring.cancel)
    with tempfile.TemporaryDirectory(prefix="xinghe-bench-") as folder:
        log_dir = Path(folder) / "logs"
        log_dir.mkdir()
        async with Cluster(Path(folder) / "data", kafka_lib) as cluster:
            bench = Bench(cluster, plan, log_dir)
            if scenarios & {"full", "scale"}:
                _say("full job")
                results.full = await full.measure(
                    bench, with_peers="full" in scenarios, with_two_workers="scale" in scenarios
                )
            if scenarios & {"recovery", "memory"}:
                _say("recovery")
                results.recovery = await recovery.measure(bench)
            if "latency" in scenarios:
                _say("latency")
                results.latency = await latency.measure(bench)
            if "memory" in scenarios:
                assert results.recovery is not None
                _say("memory")
                results.memory = await memory.measure(bench, results.recovery)
            if "stage1" in scenarios:
                _say("stage 1 alone")
                results.stage_one = await stage_one.measure(bench)


def _say(what: str) -> None:
    print(f"measuring: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
