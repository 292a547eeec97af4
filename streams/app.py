"""The application: the two stages on one Faust app. `xinghe worker` runs it, or `faust -A streams.app worker`."""

from __future__ import annotations

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import prometheus_client
import structlog

from streams.agents import campaigns, journeys
from streams.agents.campaigns import CampaignsProcessor
from streams.agents.journeys import JourneysProcessor
from streams.broker import broker_options
from streams.engine.engine import Engine, EngineOptions
from streams.engine.faust_app import EngineApp
from streams.engine.stage import Processor, Stage
from streams.engine.task import Task
from streams.engine.transport import BatchTransport
from streams.engine.worker import EngineWorker
from streams.logs import configure_logging
from streams.settings import Settings
from streams.sink import RedisSink
from streams.tables import campaigns_tables, journeys_tables
from streams.topics import CAMPAIGNS_CHANGELOG, JOURNEYS_CHANGELOG
from streams.worker_report import WorkerReporter
from xinghe.domain.events import CAMPAIGN_DELTA, JOURNEY_MOVED
from xinghe.domain.order_rules import Windows
from xinghe.serving.client import open_redis

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

POLL_RECORDS_MAX = 4_000
FETCH_BYTES_MAX = 1_000_000


class Application(NamedTuple):
    """The Faust app, the engine under it, and the Redis that it writes to."""

    app: Any
    engine: Engine
    redis: Redis


def create(settings: Settings) -> Application:
    """Build the app from its settings; nothing is connected yet."""
    engine = Engine(
        EngineOptions(
            group_id=settings.application_id,
            commit_interval_s=settings.commit_interval_ms / 1000,
            buffer_records_max=settings.buffer_records_max,
            client_options={
                "bootstrap_servers": settings.kafka_bootstrap_servers,
                **settings.kafka_client_options(),
            },
        )
    )
    app = _faust_app(settings, engine)
    alert_rules = settings.read_alert_rules()
    redis = open_redis(settings.redis_url)
    # One thread for all tasks: it shares the interpreter with the events, and must not take more than its half.
    models_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="models")

    def partitions() -> int:
        return int(app.consumer.partition_count(CAMPAIGN_DELTA))

    def journeys_processor(task: Task) -> Processor:
        windows = Windows(
            touch_ms=settings.touch_window_ms,
            payment_ms=settings.payment_window_ms,
            click_over_view=settings.click_over_view,
        )
        return JourneysProcessor(
            task,
            windows=windows,
            journey_events_max=settings.journey_events_max,
            partitions=partitions(),
            model_channel=settings.model_channel,
        )

    def campaigns_processor(task: Task) -> Processor:
        return CampaignsProcessor(
            task,
            partitions=partitions(),
            sink=RedisSink(redis, task.partition, partitions()),
            model_period_s=settings.model_period_s,
            money_quiet_s=settings.money_quiet_s,
            executor=models_thread,
            model_channel=settings.model_channel,
            alert_rules=alert_rules,
        )

    _add_stage(
        app,
        engine,
        Stage("journeys", journeys.TOPICS, journeys_tables(app), JOURNEYS_CHANGELOG, journeys_processor),
    )
    _add_stage(
        app,
        engine,
        Stage(
            "campaigns",
            campaigns.TOPICS,
            campaigns_tables(app),
            CAMPAIGNS_CHANGELOG,
            campaigns_processor,
            follows=True,
        ),
    )
    app.transport = BatchTransport(
        app.conf.broker,
        app,
        stage_of_topic={topic: stage.name for stage in engine.stages.values() for topic in stage.topics},
        relayed_topics=frozenset({JOURNEY_MOVED}),
        fetch_options={
            "fetch_max_wait_ms": settings.fetch_max_wait_ms,
            "fetch_min_bytes": settings.fetch_min_bytes,
        },
    )
    return Application(app, engine, redis)


def _faust_app(settings: Settings, engine: Engine) -> Any:
    return EngineApp(
        settings.application_id,
        engine=engine,
        broker_max_poll_records=POLL_RECORDS_MAX,
        consumer_max_fetch_size=FETCH_BYTES_MAX,
        stream_buffer_maxsize=16,
        **broker_options(settings),
    )


def _add_stage(app: Any, engine: Engine, stage: Stage) -> None:
    engine.add(stage)

    async def agent(stream: Any) -> None:
        await engine.run(stage, stream)

    agent.__doc__ = f"The {stage.name} stage."
    app.agent(app.topic(*stage.topics, acks=False), name=stage.name)(agent)


def run_worker(settings: Settings) -> int:
    """Run the app of this process until SIGTERM or SIGINT; answers the exit code."""
    configure_logging(settings)
    # The engine collects young garbage once a second and freezes what was recovered; left on, the collector takes
    # 40% of the run walking journeys that hold no cycles.
    gc.disable()
    if settings.metrics_port:
        prometheus_client.start_http_server(settings.metrics_port, settings.metrics_host)
    reporter = WorkerReporter(application.engine, application.redis, settings.instance)
    worker = EngineWorker(application.app, engine=application.engine, companion=reporter)
    log.info("worker starts", instance=settings.instance, kafka=settings.kafka_bootstrap_servers)
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


application = create(Settings.load(os.environ))
app = application.app
