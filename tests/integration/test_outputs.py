"""Those who read the outputs, on a real broker: ``xinghe export`` and the examples."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Timer
from typing import Any, Final

import msgspec
import pyarrow.parquet as pq
import pytest
from aiokafka import AIOKafkaProducer

from streams.partitions import partition_of
from streams.topic_admin import create_topics
from streams.topics import PARTITIONS_DEFAULT, topic_specs
from tests.conftest import ROOT
from tests.outputs import TIME_MS, OutputRecord, attribution, credit, record_of, upsert
from tests.unit.domain.test_statement import entries_of_november
from tests.waiting import PATIENCE_S
from xinghe.domain.events import CAMPAIGN_FUNNEL, LEDGER_ENTRY, ORDER_ATTRIBUTED
from xinghe.domain.metrics import MODELS
from xinghe.embedded import EmbeddedServices

pytestmark = pytest.mark.integration

SPLIT: Final = [credit("c1", 300, 600_000, refund_fen=30), credit("c2", 200, 400_000, refund_fen=20)]
COMMITTED: Final = [
    record_of(attribution("o1", [credit("c1", 500)])),
    record_of(attribution("o2", [credit("c2", 70)], person_id="p2")),
    record_of(attribution("o1", SPLIT, revision=2, last_touch=[credit("c2", 500, refund_fen=50)])),
    record_of(upsert("c1", "total", 0, 1, views=1)),
    record_of(upsert("c1", "total", 0, 2, views=4, gmv_fen=500)),
    record_of(upsert("c1", "1m", 60_000, 1, views=4)),
    record_of(upsert("c2", "1m", 60_000, 1, views=4)),
    OutputRecord(CAMPAIGN_FUNNEL, b"c2|1m|60000", None),
    *(OutputRecord(LEDGER_ENTRY, b"c1", msgspec.json.encode(entry)) for entry in entries_of_november()),
]
ABORTED: Final = [
    record_of(attribution("o1", [credit("c9", 500)], revision=3)),
    record_of(upsert("c9", "total", 0, 9, views=9)),
    OutputRecord(LEDGER_ENTRY, b"c1", b"{}"),
]


@pytest.fixture(scope="module")
def broker(services: EmbeddedServices, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of our own, with outputs in its topics; the last transaction did not commit."""
    with EmbeddedServices(tmp_path_factory.mktemp("outputs"), lib_dir=services.lib_dir) as running:
        bootstrap = running.kafka_bootstrap_servers
        asyncio.run(create_topics(bootstrap, topic_specs()))
        asyncio.run(send(bootstrap, COMMITTED))
        asyncio.run(send(bootstrap, ABORTED, commit=False))
        yield bootstrap


async def send(bootstrap: str, records: Sequence[OutputRecord], *, commit: bool = True) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="outputs")
    await producer.start()
    await producer.begin_transaction()
    for record in records:
        partition = partition_of(record.key, PARTITIONS_DEFAULT)
        await producer.send_and_wait(record.topic, record.value, record.key, partition)
    await (producer.commit_transaction() if commit else producer.abort_transaction())
    await producer.stop()


def run(broker: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "XINGHE_KAFKA_BOOTSTRAP_SERVERS": broker},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def export(broker: str, what: str, path: Path) -> dict[str, Any]:
    done = run(broker, "-m", "xinghe", "export", "--what", what, str(path), "--json")
    assert done.returncode == 0, done.stderr
    assert "records read" in done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    assert summary["bytes"] == path.stat().st_size
    assert list(path.parent.iterdir()) == [path]
    return summary


def test_export_writes_the_last_committed_revision_of_each_order(broker: str, tmp_path: Path) -> None:
    path = tmp_path / "attributions.parquet"
    summary = export(broker, "attributions", path)

    assert (summary["records"], summary["orders"], summary["rows"]) == (3, 2, 14)
    rows = pq.read_table(path).to_pylist()
    assert {(row["order_id"], row["revision"]) for row in rows} == {("o1", 2), ("o2", 1)}
    for model in MODELS:
        assert sum(row["gmv_fen"] for row in rows if row["model"] == model) == 570
    assert {row["time"] for row in rows} == {datetime.fromtimestamp(TIME_MS / 1000, tz=UTC)}


def test_export_writes_the_last_upsert_of_each_window(broker: str, tmp_path: Path) -> None:
    path = tmp_path / "funnel.parquet"
    summary = export(broker, "funnel", path)

    assert (summary["records"], summary["windows"], summary["rows"]) == (5, 2, 2)
    rows = pq.read_table(path).to_pylist()
    assert [(row["size"], row["views"], row["gmv_fen"], row["likes"]) for row in rows] == [
        ("1m", 4, None, None),
        ("total", 4, 500, None),
    ]


def test_settle_and_verify_read_the_committed_ledger(broker: str) -> None:
    settled = run(broker, "-m", "xinghe", "settle", "c1", "--format", "json")
    assert settled.returncode == 0, settled.stderr
    assert json.loads(settled.stdout)["owed"]["merchant_cash_fen"] == 1_300
    other = run(broker, "-m", "xinghe", "settle", "c2")
    assert (other.returncode, other.stdout) == (1, "")
    assert "nothing is booked for campaign c2" in other.stderr
    verified = run(broker, "-m", "xinghe", "ledger", "verify", "--entries-only")
    assert (verified.returncode, verified.stdout) == (0, ""), verified.stderr
    assert "ledger: 14 entries of 1 campaigns, 0 things wrong" in verified.stderr


def test_export_replaces_the_file_of_an_earlier_one(broker: str, tmp_path: Path) -> None:
    path = tmp_path / "funnel.parquet"
    path.write_text("an earlier one")
    export(broker, "funnel", path)
    assert pq.read_table(path).num_rows == 2


def test_the_example_of_credit_by_campaign(broker: str, tmp_path: Path) -> None:
    path = tmp_path / "attributions.parquet"
    export(broker, "attributions", path)
    done = run(broker, str(ROOT / "examples" / "credit_by_campaign.py"), str(path))

    assert done.returncode == 0, done.stderr
    head, *lines = (line.split("\t") for line in done.stdout.splitlines())
    assert head == ["model", "campaign_id", "orders", "gmv_yuan", "net_gmv_yuan", "new_buyers"]
    found = {(model, campaign_id): list(map(float, rest)) for model, campaign_id, *rest in lines}
    assert found["last_touch", "c2"] == [2.0, 5.7, 5.2, 2]
    assert ("last_touch", "c1") not in found
    assert found["linear", "c1"] == [0.6, 3.0, 2.7, 1]
    assert found["linear", "c2"] == [1.4, 2.7, 2.5, 2]


# The tests from here on write more into the topics, so they come last.


def test_the_example_of_a_subscriber_keeps_the_last_revision(broker: str) -> None:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "examples" / "subscribe.py"), broker],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    stdout = process.stdout
    assert stdout is not None
    watchdog = Timer(PATIENCE_S, process.kill)
    watchdog.start()
    try:
        shown = [json.loads(stdout.readline()) for _ in range(3)]
        # An old revision that comes again is not shown; what is new is.
        again = attribution("o1", [credit("c1", 500)])
        later = attribution("o1", SPLIT, revision=3, last_touch=[credit("c1", 500, refund_fen=50)])
        asyncio.run(send(broker, [record_of(again), record_of(later)]))
        shown.append(json.loads(stdout.readline()))
    finally:
        watchdog.cancel()
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE_S)

    assert not errors
    assert [each for each in shown if each["order_id"] == "o2"] == [
        {"order_id": "o2", "revision": 1, "net_fen": 70, "campaigns": {"c2": 70}}
    ]
    assert [each for each in shown if each["order_id"] == "o1"] == [
        {"order_id": "o1", "revision": 1, "net_fen": 500, "campaigns": {"c1": 500}},
        {"order_id": "o1", "revision": 2, "net_fen": 450, "campaigns": {"c2": 450}},
        {"order_id": "o1", "revision": 3, "net_fen": 450, "campaigns": {"c1": 450}},
    ]


def test_a_record_that_is_no_attribution_ends_the_export_without_a_file(broker: str, tmp_path: Path) -> None:
    asyncio.run(send(broker, [OutputRecord(ORDER_ATTRIBUTED, b"o3", b"{}")]))
    done = run(broker, "-m", "xinghe", "export", "--what", "attributions", str(tmp_path / "a.parquet"))

    assert done.returncode == 1
    assert "xinghe.order.attributed.v1-" in done.stderr
    assert "Nothing was written" in done.stderr
    assert list(tmp_path.iterdir()) == []
