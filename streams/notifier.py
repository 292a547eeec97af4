"""The notifier: an app of its own that tells receivers of alerts (ARCHITECTURE.md, R25). `xinghe notify` runs it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import aiohttp
import faust
import msgspec
import prometheus_client
import structlog
from faust.transport.drivers import aiokafka as driver
from stamina.instrumentation import set_on_retry_hooks

from streams import metric_defs
from streams.broker import broker_options
from streams.ending import end, fatal
from streams.logs import configure_logging
from streams.settings import Settings
from xinghe.domain.events import ALERT_RAISED, DEAD_LETTER
from xinghe.domain.outputs import AlertRaised, Reason
from xinghe.notify.delivery import deliver, open_session
from xinghe.notify.receivers import Receiver

log = structlog.get_logger()

NEWS_S_MAX: Final = 86_400.0
"""An older alert is no news: so a notifier that is started late does not tell of months."""
COMMIT_S: Final = 1.0
LAST_COMMIT_S_MAX: Final = 5.0


class CommittedThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # faust's classes are untyped
    """Faust's consumer thread, reading committed records only."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust sets it with transactions of its own only.
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - it is given at construction, which is Faust's
        return consumer


class CommittedConsumer(driver.Consumer):  # type: ignore[misc]  # faust's classes are untyped
    """Faust's consumer with that thread."""

    def _new_consumer_thread(self) -> CommittedThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)


class CommittedTransport(driver.Transport):  # type: ignore[misc]  # faust's classes are untyped
    """Faust's transport with that consumer."""

    Consumer = CommittedConsumer


class Notifier:
    """Tells the receivers of one alert after the other, of one partition; partitions go on side by side."""

    def __init__(self, settings: Settings, receivers: Sequence[Receiver]) -> None:
        self._private_addresses = settings.notify_private_addresses
        self._receivers = receivers
        self._session: aiohttp.ClientSession | None = None
        self._given_up: set[str] = set()
        """Receivers that have used up all tries for an alert; until they take one, each further alert has one try."""
        for receiver in receivers:
            # Counters that are there from the start: an increase from nothing is none to Prometheus.
            metric_defs.NOTIFICATION_FAILURES.labels(receiver.name)
            for outcome in ("delivered", "undeliverable"):
                metric_defs.NOTIFICATIONS.labels(receiver.name, outcome)
        self.app = faust.App(
            f"{settings.application_id}-notify",
            broker_commit_interval=COMMIT_S,
            consumer_auto_offset_reset="earliest",
            stream_wait_empty=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            store="memory://",
            # Faust's web server listens on all addresses.
            web_enabled=False,
            logging_config=None,
            **broker_options(settings),
        )
        self.app.transport = CommittedTransport(self.app.conf.broker, self.app)
        topic = self.app.topic(ALERT_RAISED, key_type=bytes, value_type=bytes)
        self.app.agent(topic, name="notify", isolated_partitions=True)(self._tell_all)

    async def _tell_all(self, stream: Any) -> None:
        """Tell of the alerts of a partition; an offset may be committed once its alert is dealt with."""
        try:
            async for event in stream.noack().events():
                await self._tell(event)
                await stream.ack(event)
        except Exception:  # noqa: BLE001 - whatever it was, Faust would go on with the next alert
            fatal("an alert cannot be dealt with")

    async def _tell(self, event: Any) -> None:
        message = event.message
        try:
            alert = msgspec.json.decode(message.value or b"", type=AlertRaised)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            await self._refuse(message, "invalid", str(error))
            return
        if time.time() - message.timestamp > NEWS_S_MAX:
            metric_defs.NOTIFICATIONS_EXPIRED.inc()
            log.warning("alert is over a day old and not told", alert_id=alert.alert_id, state=alert.state)
            return
        await asyncio.gather(
            *(
                self._tell_one(receiver, alert, message)
                for receiver in self._receivers
                if receiver.takes(alert)
            )
        )

    async def _tell_one(self, receiver: Receiver, alert: AlertRaised, message: Any) -> None:
        if self._session is None:
            self._session = open_session(private_addresses=self._private_addresses)
        tries = 1 if receiver.name in self._given_up else receiver.tries
        failures = metric_defs.NOTIFICATION_FAILURES.labels(receiver.name)
        refusal = await deliver(self._session, receiver, alert, tries=tries, failed=failures.inc)
        if refusal is None:
            self._given_up.discard(receiver.name)
            metric_defs.NOTIFICATIONS.labels(receiver.name, "delivered").inc()
            metric_defs.NOTIFICATION_SECONDS.labels(receiver.name).observe(
                max(time.time() - message.timestamp, 0)
            )
            return
        if refusal.again:
            self._given_up.add(receiver.name)
        await self._refuse(message, "undeliverable", f"receiver {receiver.name}: {refusal.detail}")
        metric_defs.NOTIFICATIONS.labels(receiver.name, "undeliverable").inc()

    async def _refuse(self, message: Any, reason: Reason, detail: str) -> None:
        """Put the record into the dead letters, for good when this returns."""
        producer = await self.app.maybe_start_producer()
        await producer.send_and_wait(
            DEAD_LETTER,
            key=message.key,
            value=message.value,
            partition=None,
            timestamp=None,
            headers={
                "reason": reason.encode(),
                "detail": detail.encode(),
                "source_topic": message.topic.encode(),
                "source_partition": str(message.partition).encode(),
                "source_offset": str(message.offset).encode(),
            },
        )
        metric_defs.DEAD_LETTERS.labels(reason).inc()


class NotifierWorker(faust.Worker):  # type: ignore[misc]  # faust's classes are untyped
    """A Faust worker that commits what was delivered and ends at once on SIGTERM or SIGINT.

    What is on its way then is told again by the next one, under the same id. Waiting for it could take minutes.
    """

    def __init__(self, app: Any) -> None:
        # Left to it, Faust would take down the process's logging and write to standard output.
        super().__init__(app, redirect_stdouts=False, override_logging=False)
        # Faust's spinner sets the root logger to DEBUG to have something to spin for.
        self.spinner = None

    async def _stop_on_signal(self, signal: Any) -> None:
        try:
            async with asyncio.timeout(LAST_COMMIT_S_MAX):
                await self.app.consumer.commit()
        except Exception as error:  # noqa: BLE001 - whatever it was, the process ends, and delivers again later
            log.warning("the last commit failed", error=f"{type(error).__name__}: {error}")
        log.info("notifier ends", signal=signal.name, exit_code=0)
        end(0)


def run_notifier(settings: Settings, receivers: Sequence[Receiver]) -> int:
    """Run the notifier in this process until SIGTERM or SIGINT; answers the exit code."""
    configure_logging(settings)
    # Each try that fails is logged and counted by us, under the receiver's name.
    set_on_retry_hooks([])
    if settings.metrics_port:
        prometheus_client.start_http_server(settings.metrics_port, settings.metrics_host)
    log.info(
        "notifier starts",
        instance=settings.instance,
        kafka=settings.kafka_bootstrap_servers,
        receivers=[receiver.name for receiver in receivers],
    )
    try:
        NotifierWorker(Notifier(settings, receivers).app).execute_from_commandline()
    except SystemExit as end:
        return int(end.code or 0)
    return 0
