"""What is measured: our worker, the peer, and the job of stage one alone, as processes to start."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Final

from bench import people, stage_one_events
from bench.jobs import stage_one_topics
from bench.runs import Engine
from xinghe.domain.events import CAMPAIGN_DELTA, PATH_DELTA

PEER_PREFIX: Final = "peer."
"""Before the topics of the part of the events that the peer runs."""
PEER_INNER: Final = f"{PEER_PREFIX}delta"
PEER_OUTPUTS: Final = (PEER_INNER, f"{PEER_PREFIX}order.attributed")
PEER_COMMIT_PERIOD_S: Final = 1.0

STAGE_ONE_SOURCES: Final = (stage_one_events.TOUCH_TOPIC, stage_one_events.ORDER_TOPIC)
STAGE_ONE_OUTPUTS: Final = (
    stage_one_topics.DELTA_TOPIC,
    stage_one_topics.ATTRIBUTION_TOPIC,
    stage_one_topics.CHANGELOG,
)

SOURCES: Final = (*people.TOPICS, people.SPEND_TOPIC, people.SETTINGS_TOPIC)
PEER_SOURCES: Final = tuple(PEER_PREFIX + topic for topic in SOURCES)

_numbers = count(1)


def ours() -> Engine:
    """The worker, as an application that has never run."""
    return _engine("xinghe", ("-m", "xinghe", "worker"), SOURCES, inner=(CAMPAIGN_DELTA, PATH_DELTA))


def stock_faust() -> Engine:
    """The peer as Faust's agents are written, an event at a time, as an application that has never run."""
    return _peer("stock Faust", take_events=1)


def stock_faust_batched() -> Engine:
    """The peer with both stages batched by ``Stream.take``, the fastest that stock Faust was seen to be."""
    return _peer("stock Faust, take()", take_events=4_000)


def _peer(name: str, take_events: int) -> Engine:
    return _engine(
        name,
        ("-m", "bench.peers.stock_faust", "worker", "--without-web", "-l", "error"),
        PEER_SOURCES,
        inner=(PEER_INNER,),
        commit_period_s=PEER_COMMIT_PERIOD_S,
        env={"PEER_TAKE_EVENTS": str(take_events)},
    )


def stage_one() -> Engine:
    """The stage-one job on our engine."""
    return _engine("xinghe, stage one", ("-m", "bench.jobs.stage_one"), STAGE_ONE_SOURCES)


def _engine(
    name: str,
    arguments: tuple[str, ...],
    sources: tuple[str, ...],
    *,
    inner: tuple[str, ...] = (),
    commit_period_s: float | None = None,
    env: Mapping[str, str] | None = None,
) -> Engine:
    # A width that never grows: groups are told apart by how their names start.
    group = f"bench-{next(_numbers):04d}"
    return Engine(
        name,
        arguments,
        {**(env or {}), "XINGHE_APPLICATION_ID": group},
        group,
        sources,
        inner,
        commit_period_s,
    )
