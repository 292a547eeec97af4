"""Law of R9 to R11: whatever comes first, settings or orders, the plain figures are those of the settings in the end.

Time goes on by the watermark, so that windows of a minute are dropped; settings are told within 48 hours of their
time, orders may come much later than theirs. Tasks crash between commits.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.deltas import Row, counted, credited, person, send
from tests.pipeline import Pipeline
from xinghe.domain.events import CampaignConfigured
from xinghe.domain.metrics import MODELS
from xinghe.domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, SIZE_MS, start_ms

BEGIN_MS = 1_740_758_400_000
TOLD_WITHIN_MS = 48 * HOUR_MS
SIZES = ("1m", "1h", "1d", "total")

AGES = st.sampled_from([0, 1, 2, 58, 59, 61, 600, 1_439, 1_440, 2_800, 2_880]) | st.integers(0, 2_880)
"""Minutes behind the watermark; few, so that times meet."""
STEPS = st.one_of(
    st.tuples(
        st.just("order"),
        AGES | st.integers(0, 10 * 1_440),
        st.lists(st.integers(0, 3), min_size=len(MODELS), max_size=len(MODELS)),
        st.sampled_from(["n1", "n2", None]),
    ),
    st.tuples(st.just("take back"), st.integers(0, 5)),
    st.tuples(st.just("view"), AGES),
    st.tuples(
        st.just("set"),
        AGES | st.integers(-3_000, 0),
        st.sampled_from([*MODELS, "markov"]),
        st.sampled_from([0, 1, 59_999]),
    ),
    st.tuples(st.just("delete")),
    st.tuples(st.just("commit")),
    st.tuples(st.just("crash")),
    st.tuples(st.just("go on"), st.sampled_from([1, 60, 720, 1_440, 2_881])),
)


@dataclass
class Truth:
    """What was told, and from it the plain figures, minute by minute."""

    orders: list[tuple[int, list[int], str | None]] = field(default_factory=list)
    settings: dict[int, str] = field(default_factory=dict)

    def model_at(self, minute_ms: int) -> int:
        holding = [time for time in self.settings if -(-time // MINUTE_MS) * MINUTE_MS <= minute_ms]
        return self.index(self.settings[max(holding)]) if holding else 0

    @property
    def newest(self) -> int:
        return self.index(self.settings[max(self.settings)]) if self.settings else 0

    @staticmethod
    def index(model: str) -> int:
        return MODELS.index(model) if model in MODELS else 0

    def windows(self) -> tuple[Counter[Any], Counter[Any]]:
        """GMV and buyers by size, start and model, ``"plain"`` for the campaign's."""
        gmv, buyers = Counter[Any](), Counter[Any]()
        for time_ms, by_model, _ in self.orders:
            minute_ms = time_ms // MINUTE_MS * MINUTE_MS
            for size in SIZES:
                key = size, start_ms(size, time_ms)
                gmv[*key, "plain"] += by_model[self.model_at(minute_ms)]
                for model, fen in enumerate(by_model):
                    gmv[*key, model] += fen
                    buyers[*key, model] += fen > 0
        return gmv, buyers

    def notes(self) -> Counter[Any]:
        """GMV by day (``None`` for to date) and note."""
        gmv = Counter[Any]()
        for time_ms, by_model, note_id in self.orders:
            for day in (None, start_ms("1d", time_ms)):
                gmv[day, note_id] += by_model[self.newest]
        return gmv


class Play:
    """Plays steps against the campaigns stage."""

    def __init__(self) -> None:
        self.pipeline = Pipeline(1)
        self.truth = Truth()
        self.watermark_ms = BEGIN_MS

    def order(self, age: int, by_model: list[int], note_id: str | None) -> None:
        self.truth.orders.append((self.watermark_ms - age * MINUTE_MS, by_model, note_id))
        self._send(self.truth.orders[-1], 1)

    def take_back(self, index: int) -> None:
        if index < len(self.truth.orders):
            self._send(self.truth.orders.pop(index), -1)

    def _send(self, order: tuple[int, list[int], str | None], sign: int) -> None:
        time_ms, by_model, note_id = order
        rows: list[Row] = credited(
            time_ms, {model: sign * fen for model, fen in enumerate(by_model) if fen}, note_id=note_id
        )
        people = [
            row for model, fen in enumerate(by_model) if fen for row in person("buyers", time_ms, sign, model)
        ]
        send(self.pipeline, rows, people, watermark_ms=self.watermark_ms)

    def view(self, age: int) -> None:
        send(
            self.pipeline,
            [counted("views", self.watermark_ms - age * MINUTE_MS)],
            watermark_ms=self.watermark_ms,
        )

    def set(self, age: int, model: str, off_ms: int) -> None:
        effective_ms = self.watermark_ms - age * MINUTE_MS + off_ms
        self.truth.settings[effective_ms] = model
        setting: Any = CampaignConfigured("c1", "s1", "Spring", effective_ms, model)  # type: ignore[arg-type]
        self.pipeline.feed([setting])

    def delete(self) -> None:
        """Is telling as well, of all times from the first setting on."""
        if all(time >= self.watermark_ms - TOLD_WITHIN_MS for time in self.truth.settings):
            self.truth.settings.clear()
            self.pipeline.feed_records(CampaignConfigured.topic, 0, [(b"c1", None)])

    def commit(self) -> None:
        self.pipeline.commit_campaigns()

    def crash(self) -> None:
        self.commit()
        self.pipeline.campaigns[0].crash()

    def go_on(self, minutes: int) -> None:
        self.commit()
        self.watermark_ms += minutes * MINUTE_MS
        send(self.pipeline, watermark_ms=self.watermark_ms)


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(STEPS, max_size=25))
def test_plain_figures_are_those_of_the_settings_in_the_end(steps: list[tuple[Any, ...]]) -> None:
    play = Play()
    for name, *arguments in steps:
        getattr(play, name.replace(" ", "_"))(*arguments)
    play.pipeline.settle()
    check_windows(play)
    check_notes(play)
    assert {key: upsert["metrics"] for key, upsert in play.pipeline.upserts().items() if upsert} == (
        play.pipeline.windows()
    )
    # What was shown piece by piece is what a rebuild shows.
    shown = play.pipeline.windows(), play.pipeline.notes(), play.pipeline.note_days()
    play.pipeline.sinks[0].lost = True
    play.pipeline.campaigns[0].processor.tick(0)
    assert (play.pipeline.windows(), play.pipeline.notes(), play.pipeline.note_days()) == shown


def check_windows(play: Play) -> None:
    gmv, buyers = play.truth.windows()
    windows = {key[1:]: metrics for key, metrics in play.pipeline.windows().items()}
    assert {(size, start) for size, start, _ in +gmv if is_kept(play, size, start)} <= windows.keys()
    for (size, start), metrics in windows.items():
        assert metrics["gmv_fen"] == metrics["net_gmv_fen"] == gmv[size, start, "plain"]
        if size not in {"1d", "total"}:
            assert not any(":" in name for name in metrics)
            continue
        last_ms = start + SIZE_MS[size] - MINUTE_MS if size == "1d" else 0
        model = play.truth.newest if size == "total" else play.truth.model_at(last_ms)
        assert metrics["buyers"] == buyers[size, start, model]
        by_model = {index: metrics.get(f"gmv_fen:{name}") for index, name in enumerate(MODELS)}
        expected = {index: gmv[size, start, index] for index in by_model}
        assert by_model == (expected if any(expected.values()) else dict.fromkeys(by_model))


def check_notes(play: Play) -> None:
    gmv = play.truth.notes()
    notes, days = play.pipeline.notes(), play.pipeline.note_days()
    shown: dict[Any, int] = {(None, note_id): metrics["gmv_fen"] for (_, note_id), metrics in notes.items()}
    shown |= {key[1:]: metrics["gmv_fen"] for key, metrics in days.items()}
    assert {key: fen for key, fen in shown.items() if fen} == {
        (day, note_id): fen for (day, note_id), fen in gmv.items() if fen and note_id is not None
    }


def is_kept(play: Play, size: str, start: int) -> bool:
    retention_ms = {"1m": 48 * HOUR_MS, "1h": 35 * DAY_MS, "1d": 400 * DAY_MS}
    return size == "total" or play.watermark_ms < start + SIZE_MS[size] + retention_ms[size]
