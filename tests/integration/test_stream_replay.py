"""The recorded data set of Taobao, end to end."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.stream import Stream, totals
from tests.workers import supervised
from xinghe.simulator.replay import open_plain

pytestmark = pytest.mark.integration

SHARED_DATA = Path(os.environ.get("XINGHE_SHARED_DATA", ROOT.parent / "shared" / "data"))
FILE = SHARED_DATA / "taobao_user_behavior.csv.gz"
METRIC_OF_BEHAVIOR = {"pv": "views", "fav": "likes", "cart": "cart_adds"}


@pytest.mark.skipif(
    not FILE.exists(),
    reason=f"the recorded data set is not there: {FILE.name} in ../shared/data or XINGHE_SHARED_DATA",
)
def test_the_recorded_behavior_of_taobao_counts_as_it_stands_in_the_file(tmp_path: Path) -> None:
    with open_plain(FILE) as lines:
        in_file = Counter(line.split(b",")[3].decode() for line in lines if not line.startswith(b"user_id"))
    with Stream(tmp_path) as stream, supervised(stream, "w1") as supervisor, stream.redis() as redis:
        replayed = stream.run(
            "replay", str(FILE), "--format", "taobao-user-behavior", "--speed", "max", "--json",
            watch=supervisor.watch,
        )  # fmt: skip
        assert replayed.exit_code == 0, replayed.err
        assert json.loads(replayed.out)["by_behavior"] == in_file
        report = stream.audit(watch=supervisor.watch)
        shown = totals(redis)

        assert {behavior: shown[metric] for behavior, metric in METRIC_OF_BEHAVIOR.items()} == {
            behavior: in_file[behavior] for behavior in METRIC_OF_BEHAVIOR
        }
        assert shown["orders_micros"] == in_file["buy"] * 1_000_000
        assert report["events"] == {
            "in": in_file.total(), "counted": in_file.total(), "duplicates": 0, "dead_letters": 0,
            "waiting_refunds": 0,
        }  # fmt: skip

        again = stream.run("replay", str(FILE), watch=supervisor.watch)
        assert again.exit_code == 0, again.err
        supervisor.watch(lambda: stream.lag() == 0, "all copies are processed")
        supervisor.run_for(2)  # in which Redis is told of what copies had changed
        # Every change of a campaign would have given its figures to date another version.
        assert totals(redis) == shown
        assert json.loads(stream.run("deadletters", "list", "--json").out)["total"] == 0
        assert not supervisor.restarts
