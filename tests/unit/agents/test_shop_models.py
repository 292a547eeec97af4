"""When the models of shops are computed and sent, and what a crash in between leaves (R16)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import faust
import msgspec
import orjson
import pytest

from streams.agents.shop_models import ShopModelsTables
from streams.engine.table import BatchTable
from streams.settings import SettingsError
from streams.tables import campaigns_tables
from tests.pipeline import FakeTask, Pipeline
from xinghe.domain.delta import PathDelta
from xinghe.domain.events import ATTRIBUTION_MODEL, NoteViewed, OrderPaid

PERIOD_S = 10
Sent = list[tuple[str, int | None]]
"""Shop and orders of each record; ``None`` for a null value."""


class ByHand(Executor):
    """Computes when it is told to."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def compute() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except Exception as error:  # noqa: BLE001 - as a thread's executor does
                    future.set_exception(error)

        self._waiting.append(compute)
        return future

    def compute(self) -> int:
        """Compute all that waits; answers how many jobs that were."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each()
        return len(waiting)


class Processor:
    """The part of the campaigns stage that has to do with models."""

    def __init__(self, task: Any, executor: ByHand) -> None:
        self.models = ShopModelsTables(
            task, partitions=1, period_s=PERIOD_S, executor=executor, channel="campaign"
        )
        self.shown: dict[str, bytes | None] = {}

    def opened(self, _last_offset: int) -> None:
        self.models.opened()

    def prepare(self) -> None:
        self.shown |= self.models.prepare()

    def committed(self, _last_offset: int | None) -> None:
        pass


class Shops:
    """One partition of shops, and a thread that computes by hand."""

    def __init__(self) -> None:
        self.executor = ByHand()
        app = faust.App("models", Table=BatchTable, store="memory://")
        self.task = FakeTask(0, campaigns_tables(app), lambda task: Processor(task, self.executor), log=[])

    def order(self, shop_id: str = "s1", *path: str, orders: int = 1, fen: int = 100) -> None:
        self.task.processor.models.add(shop_id, PathDelta([(path or ("c1",), orders, fen)]))

    def order_while_computing(self) -> None:
        """A shop with one order is computed, and meanwhile another comes."""
        self.order()
        self.task.commit()
        self.tick(0)
        self.order()
        self.task.commit()
        self.executor.compute()

    def tick(self, at_s: float) -> None:
        self.task.processor.models.tick(int(at_s * 1000), 7)

    def sent(self) -> Sent:
        return [
            ((sent.key or b"").decode(), None if sent.value is None else orjson.loads(sent.value)["orders"])
            for sent in self.task.committed
            if sent.topic == ATTRIBUTION_MODEL
        ]

    def compute(self, at_s: float) -> None:
        """Commit, begin, compute, send, commit."""
        self.task.commit()
        self.tick(at_s)
        self.executor.compute()
        self.tick(at_s)
        self.task.commit()


def test_a_shop_is_computed_at_once_then_once_a_period() -> None:
    shops = Shops()
    shops.order()
    shops.compute(100)
    shops.order()
    shops.compute(109.9)
    assert shops.sent() == [("s1", 1)]
    shops.compute(110)
    assert shops.sent() == [("s1", 1), ("s1", 2)]
    shops.compute(120)
    assert shops.sent() == [("s1", 1), ("s1", 2)], "nothing changed"


def test_a_clock_that_is_set_back_does_not_stop_it() -> None:
    shops = Shops()
    shops.order()
    shops.compute(1_000)
    shops.order()
    shops.compute(5)
    assert shops.sent() == [("s1", 1), ("s1", 2)]


def test_the_loop_goes_on_while_the_thread_computes() -> None:
    shops = Shops()
    shops.order()
    shops.task.commit()
    for at_s in (0, 1, 2):
        shops.tick(at_s)
        shops.task.commit()
    assert not shops.sent()
    assert shops.executor.compute() == 1, "one job, however often it was asked"


def test_what_changes_meanwhile_is_computed_in_the_next_round() -> None:
    shops = Shops()
    shops.order_while_computing()
    shops.tick(1)
    shops.task.commit()
    assert shops.sent() == [("s1", 1)], "the snapshot's"
    shops.task.crash()
    shops.compute(10)
    assert shops.sent() == [("s1", 1), ("s1", 2)], "it stayed to be computed, also over a crash"


def test_a_shop_that_changed_and_is_in_the_next_job_stays_to_be_computed_over_a_crash() -> None:
    shops = Shops()
    shops.order_while_computing()
    shops.tick(10)  # sends the first, and the second round begins
    shops.tick(20)
    shops.task.commit()
    shops.task.crash()
    shops.compute(30)
    assert shops.sent() == [("s1", 1), ("s1", 2)]


@pytest.mark.parametrize("is_computed", [False, True])
def test_what_was_not_committed_is_computed_again(is_computed: bool) -> None:
    shops = Shops()
    shops.order()
    shops.task.commit()
    shops.tick(0)
    if is_computed:
        shops.executor.compute()
        shops.tick(1)
    shops.task.crash()
    assert not shops.sent()
    shops.compute(2)
    assert shops.sent() == [("s1", 1)]


def test_what_was_sent_is_not_computed_again_after_a_crash_and_still_shown() -> None:
    shops = Shops()
    shops.order()
    shops.compute(0)
    shown = dict(shops.task.processor.shown)
    assert orjson.loads(shown["s1"])["orders"] == 1
    shops.task.crash()
    shops.compute(100)
    assert shops.sent() == [("s1", 1)]
    assert shops.task.processor.models.rows() == shown


def test_a_shop_without_orders_left_is_told_to_be_gone_if_it_was_told_of() -> None:
    shops = Shops()
    shops.order("s1")
    shops.order("s2")
    shops.order("s2", orders=-1, fen=-100)
    shops.compute(0)
    shops.order("s1", orders=-1, fen=-100)
    shops.compute(10)
    assert shops.sent() == [("s1", 1), ("s1", None)]
    assert shops.task.processor.shown == {"s1": None, "s2": None}
    assert not shops.task.processor.models.rows()
    shops.task.crash()
    shops.compute(20)
    assert shops.sent() == [("s1", 1), ("s1", None)]


def test_a_path_that_came_back_to_0_is_not_kept() -> None:
    shops = Shops()
    shops.order("s1", "c1")
    shops.order("s1", "c1", "c2")
    shops.order("s1", "c1", orders=-1, fen=-100)
    shops.compute(0)
    shops.task.crash()
    shops.order("s1", "c2")
    shops.compute(10)
    last = shops.task.committed[-1].value or b""
    assert orjson.loads(last)["paths"] == 2


def test_many_shops_go_in_jobs_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.agents.shop_models.JOB_PATHS_MAX", 2)
    shops = Shops()
    for number in range(5):
        shops.order(f"s{number}")
    shops.task.commit()
    shops.tick(0)
    jobs = 0
    while shops.executor.compute():
        jobs += 1
        shops.tick(0.5)
    shops.task.commit()
    assert jobs == 3
    assert sorted(shops.sent()) == [(f"s{number}", 1) for number in range(5)]


def test_an_error_in_the_thread_ends_the_process() -> None:
    shops = Shops()
    # A count below 0 cannot be: the journeys stage takes off what it has added.
    shops.order(orders=-1, fen=-1)
    shops.task.commit()
    shops.tick(0)
    shops.executor.compute()
    with pytest.raises(ValueError, match="below 0"):
        shops.tick(1)


def test_the_value_is_the_record_of_the_contract() -> None:
    shops = Shops()
    shops.order("s1", "c1", "c2", fen=101)
    shops.compute(0)
    value = orjson.loads(shops.task.committed[-1].value or b"")
    credits_ = [
        {"campaign_id": "c1", "orders_micros": 500_000, "gmv_fen": 51, "channel_id": "c1"},
        {"campaign_id": "c2", "orders_micros": 500_000, "gmv_fen": 50, "channel_id": "c2"},
    ]
    assert value == {
        "shop_id": "s1",
        "watermark_ms": 7,
        "orders": 1,
        "gmv_fen": 101,
        "paths": 1,
        "merged_campaigns": 0,
        "models": dict.fromkeys(("markov", "shapley", "linear"), credits_),
        "channel": "campaign",
    }
    assert msgspec.json.encode(value) == shops.task.committed[-1].value


@pytest.mark.parametrize("stage", ["journeys", "campaigns"])
def test_counts_of_paths_are_not_gone_on_with_in_another_channel(stage: str) -> None:
    pipeline = Pipeline(1)
    pipeline.feed(
        [
            NoteViewed("v", "p1", 1_000_000, "n1", "s1", "c1", surface="ad"),
            OrderPaid("P", "p1", 1_000_005, "s1", "o1", "i1", 900),
        ]
    )
    pipeline.settle()
    (task,) = getattr(pipeline, stage)
    pipeline.model_channel = "surface"
    with pytest.raises(SettingsError, match=r"model_channel is 'surface' .* by campaign so far"):
        task.crash()
    pipeline.model_channel = "campaign"
    task.crash()
