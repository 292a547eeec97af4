"""Days of money in seconds: what is booked is right, and the same when the log is read again from its start."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import cast

import msgspec
import pytest
from redis import Redis

from tests.stream import AUDIT_WAIT_S, PAST_TOPICS, Stream
from tests.workers import Supervisor, supervised
from xinghe.commands.ledger_reading import ledger_records
from xinghe.domain.outputs import LedgerEntry

pytestmark = pytest.mark.integration

CAMPAIGNS = 8
DAYS = 16
"""Two guarantees of each campaign and a spend match are settled in them."""

Ledger = dict[str, list[bytes]]
"""Campaign to its entries, in their order."""
Positions = dict[str, dict[str, str]]


def test_days_are_settled_and_a_second_reading_writes_the_same_ledger(tmp_path: Path) -> None:
    with Stream(tmp_path, PAST_TOPICS) as stream, stream.redis() as redis:
        # Before any worker runs: at this speed a worker that is busy for a moment is hours late, and books days by what it knew.
        simulated = stream.run(
            "simulate", "--days-per-second", "4", "--duration", str(DAYS / 4), "--rate", "5000", "--campaigns", str(CAMPAIGNS),
            "--seed", "31",
        )  # fmt: skip
        assert simulated.exit_code == 0, simulated.err

        with supervised(stream, "w1") as supervisor:
            audited(stream, supervisor)
            first, told = ledger(stream), positions(redis)
            settled(stream, first, supervisor)
            redis.flushall()
            supervisor.watch(lambda: positions(redis) == told, "the positions are back in Redis")
            assert not supervisor.restarts

        stream.forget()
        with supervised(stream, "w2") as supervisor:
            audited(stream, supervisor)
            again = ledger(stream)
            assert positions(redis) == told

    assert again.keys() == first.keys()
    for campaign_id, entries in first.items():
        assert again[campaign_id] == entries, campaign_id


def audited(stream: Stream, supervisor: Supervisor) -> None:
    """Everything is processed and as recomputed, also what the audit only gives notice of."""
    done = stream.run("audit", "--json", "--wait-s", f"{AUDIT_WAIT_S:g}", watch=supervisor.watch)
    assert done.exit_code == 0, f"{done.out[:5_000]}\n{done.err[-3_000:]}"
    report = json.loads(done.out)
    assert report["differences"] == report["notices"]["differences"] == 0, report["notices"]
    for what in ("ledger_entries", "ledger_amounts", "guarantees"):
        assert report["compared"][what] > 0, what


def settled(stream: Stream, booked: Ledger, supervisor: Supervisor) -> None:
    """All kinds of amounts are booked, and the commands of finance agree with the records."""
    entries = [msgspec.json.decode(value, type=LedgerEntry) for values in booked.values() for value in values]
    assert {entry.rule for entry in entries} >= {"spend", "match", "guarantee"}
    verified = stream.run("ledger", "verify", watch=supervisor.watch)
    assert verified.exit_code == 0, verified.out
    assert f"{len(entries):,} entries of {len(booked):,} campaigns, 0 things wrong" in verified.err
    missed = next(entry.campaign_id for entry in entries if entry.rule == "guarantee")
    statement = stream.run("settle", missed, "--format", "json", watch=supervisor.watch)
    assert statement.exit_code == 0, statement.err
    owed = json.loads(statement.out)["owed"]
    assert owed["merchant_cash_fen"] > 0
    assert owed["platform_cash_fen"] + owed["platform_credit_fen"] > 0


def ledger(stream: Stream) -> Ledger:
    return {
        campaign_id: [
            record.value or b"" for record in asyncio.run(ledger_records(stream.kafka, campaign_id))
        ]
        for campaign_id in (f"c{number:04}" for number in range(CAMPAIGNS))
    }


def positions(redis: Redis) -> Positions:
    """Where each guarantee stands, as Redis has it."""
    keys = cast("list[str]", list(redis.scan_iter("xinghe:campaign:*:guarantee")))
    return {key: cast("dict[str, str]", redis.hgetall(key)) for key in keys}
