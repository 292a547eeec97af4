"""``xinghe demo``: services, worker, index, dashboard, traffic, live table and the audit at the end, on this machine."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from subprocess import Popen
from typing import Final

import click

from streams.settings import ENV_PREFIX
from streams.topic_admin import TopicAdminError, create_topics
from streams.topics import topic_specs
from xinghe.commands.dashboard import TOKEN_VARIABLE
from xinghe.commands.demo_order import telling_order
from xinghe.commands.options import ConfigurationError, lib_dir_option
from xinghe.commands.signals import stop_on_signals
from xinghe.embedded import EmbeddedError, EmbeddedServices
from xinghe.processes import start_child, stop_child
from xinghe.serving import FunnelReader, open_redis

DATA_DIR_DEFAULT: Final = Path(".xinghe/demo")
DASHBOARD_PORT: Final = 8_420
"""Unless something else listens there."""
STOP_TIMEOUT_S: Final = 10.0
AUDIT_WAIT_S: Final = "120"
"""How long the audit waits until the worker has processed everything."""
LINE_PERIOD_S: Final = 3.0
LINE_METRICS: Final = ("views", "ad_clicks", "cart_adds", "orders_micros", "gmv_fen", "spend_fen")


class Demo:
    """The processes of one demonstration, and their logs in the services' data folder."""

    def __init__(self, services: EmbeddedServices) -> None:
        self._services = services
        # The demonstration is whole in itself: settings for another Kafka or Redis do not reach it.
        self._env = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
        # Models follow within seconds, so that the audit at the end need not wait for them.
        self._env[ENV_PREFIX + "MODEL_PERIOD_S"] = "5"
        self._dashboard_token = {TOKEN_VARIABLE: secrets.token_urlsafe(32)}
        self._children: dict[str, Popen[bytes]] = {}
        """Those that must run."""
        self._kafka = ("--kafka-bootstrap-servers", services.kafka_bootstrap_servers)
        self._redis = ("--redis-url", services.redis_url)

    @contextmanager
    def dashboard(self) -> Iterator[None]:
        """The dashboard, from before the services on: it says that Redis is away until they are there."""
        for port in (DASHBOARD_PORT, 0):
            with self._child(
                "dashboard", *self._redis, "--port", str(port), env=self._dashboard_token
            ) as child:
                address = self._address_of(child)
                if address is None and port:
                    continue  # somebody else has the port
                if address is None:
                    raise click.ClickException(f"the dashboard did not start; see {self._log('dashboard')}")
                click.echo(f"the dashboard is at {address}#{self._dashboard_token[TOKEN_VARIABLE]}", err=True)
                self._children["dashboard"] = child
                yield
                return

    def _address_of(self, dashboard: Popen[bytes]) -> str | None:
        """Where the dashboard says that it listens; ``None`` if it has ended."""
        while True:
            has_ended = dashboard.poll() is not None
            found = re.search(r"The dashboard is at (\S+)\n", self._log("dashboard").read_text())
            if found is not None:
                return found[1]
            if has_ended:
                return None
            time.sleep(0.02)

    def run(self, stop: threading.Event, duration_s: float | None, rate: float, seed: int) -> int:
        """Make traffic until ``stop`` or for ``duration_s`` seconds, then audit; the audit's exit code."""
        asyncio.run(create_topics(self._services.kafka_bootstrap_servers, topic_specs()))
        with (
            self._child("worker", *self._kafka, *self._redis, "--instance", "demo") as worker,
            self._child("index", *self._kafka, *self._redis, "--instance", "demo") as index,
            self._child("simulate", *self._kafka, "--rate", f"{rate:g}", "--seed", str(seed)) as simulator,
        ):
            self._children |= {"worker": worker, "index": index, "simulate": simulator}
            self._show(stop, duration_s)
            click.echo("stopping the traffic", err=True)
            self._stopped("simulate")
            exit_code = self._audit()
            for name in ("index", "worker", "dashboard"):
                self._stopped(name)
        self._show_trace()
        return exit_code

    def _show(self, stop: threading.Event, duration_s: float | None) -> None:
        """The live table, or plain lines where there is no terminal, until it is time to stop."""
        now_s = time.monotonic()
        deadline_s = None if duration_s is None else now_s + duration_s
        is_terminal = sys.stdout.isatty()
        with self._child("watch", *self._redis, to_terminal=True) if is_terminal else nullcontext():
            line_due_s = now_s + LINE_PERIOD_S
            while not stop.wait(0.2) and (deadline_s is None or now_s < deadline_s):
                self._check()
                now_s = time.monotonic()
                if not is_terminal and now_s >= line_due_s:
                    line_due_s = now_s + LINE_PERIOD_S
                    click.echo(asyncio.run(funnel_line(self._services.redis_url)))

    def _check(self) -> None:
        """Raises ``ClickException`` if a process that must run has ended."""
        if (failure := self._services.failed()) is not None:
            raise click.ClickException(failure)
        for name, child in self._children.items():
            if child.poll() is not None:
                raise click.ClickException(
                    f"{name} ended with code {child.returncode}; see {self._log(name)}"
                )

    def _audit(self) -> int:
        audit = start_child(
            [sys.executable, "-m", "xinghe", "audit", *self._kafka, *self._redis, "--wait-s", AUDIT_WAIT_S],
            env=self._env,
        )
        try:
            return audit.wait()
        finally:
            stop_child(audit, STOP_TIMEOUT_S)

    def _show_trace(self) -> None:
        order = asyncio.run(telling_order(self._services.kafka_bootstrap_servers))
        if order is not None:
            click.echo(
                f"why an order with {len(order.credits.linear or ())} touches is credited as it is: "
                f"xinghe trace {order.order_id}\n"
                f"(Kafka has stopped by then; start it again with: xinghe up --data-dir {self._services.data_dir})"
            )

    @contextmanager
    def _child(
        self, name: str, *arguments: str, to_terminal: bool = False, env: Mapping[str, str] | None = None
    ) -> Iterator[Popen[bytes]]:
        with self._log(name).open("wb") as log:
            child = start_child(
                [sys.executable, "-m", "xinghe", name, *arguments],
                stdout=None if to_terminal else log,
                stderr=None if to_terminal else log,
                env={**self._env, **(env or {})},
            )
        try:
            yield child
        finally:
            stop_child(child, STOP_TIMEOUT_S)

    def _stopped(self, name: str) -> None:
        child = self._children.pop(name)
        # Stopped right after its start, it is ended by the signal, for which it has no handler yet.
        if (exit_code := stop_child(child, STOP_TIMEOUT_S)) not in {0, -signal.SIGTERM}:
            raise click.ClickException(f"{name} ended with code {exit_code}; see {self._log(name)}")

    def _log(self, name: str) -> Path:
        return self._services.data_dir / f"{name}.log"


async def funnel_line(redis_url: str) -> str:
    """The funnels to date of all campaigns, added up, and the open alerts, in one line; an unknown figure adds nothing."""
    redis = open_redis(redis_url)
    try:
        reader = FunnelReader(redis)
        changes = await reader.campaigns()
        totals = await reader.totals([change.campaign_id for change in changes])
        alerts = await reader.alerts_open()
    finally:
        await redis.aclose()
    views, ad_clicks, cart_adds, orders_micros, gmv_fen, spend_fen = (
        sum(total.get(name) or 0 for total in totals if total is not None) for name in LINE_METRICS
    )
    return (
        f"{len(changes)} campaigns: {views} views, {ad_clicks} ad clicks, {cart_adds} cart adds, "
        f"{orders_micros / 1_000_000:.0f} orders, GMV {gmv_fen / 100:.2f} yuan, "
        f"spend {spend_fen / 100:.2f} yuan, {len(alerts)} open alerts"
    )


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(1),
    envvar="XINGHE_DEMO_SECONDS",
    show_envvar=True,
    help="How long to make traffic; without it until Ctrl-C.",
)
@click.option("--rate", type=click.FloatRange(1), default=500.0, show_default=True, help="Events per second.")
@click.option("--seed", type=int, default=7, show_default=True, help="Seed of the traffic.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=DATA_DIR_DEFAULT,
    show_default=True,
    help="Folder of the data and the logs; emptied at the start.",
)
@lib_dir_option
def command(seconds: float | None, rate: float, seed: int, data_dir: Path, lib_dir: Path) -> None:
    """All of it on this machine: services, worker, dashboard, traffic, live table, audit.

    Starts a real Kafka and Redis on free ports of the loopback, a worker, the index, the dashboard (its address, with the token to sign
    in, is the first line) and the simulator, and shows the live funnels. Ctrl-C stops the traffic; then the audit recomputes every figure from the source topics,
    and its verdict and exit code are the demo's: 0 when nothing differs. At the end stands the command that
    traces an order. A second Ctrl-C ends at once. No process is left.

    \b
    Examples:
      xinghe demo
      XINGHE_DEMO_SECONDS=20 xinghe demo
    """
    services = EmbeddedServices(data_dir, lib_dir=lib_dir, reset=True)
    try:
        # So that the dashboard can be told where Redis will be.
        services.reserve()
        demo = Demo(services)
        with stop_on_signals() as stop, demo.dashboard():
            click.echo("starting Kafka and Redis", err=True)
            with services:
                click.echo(
                    f"kafka={services.kafka_bootstrap_servers} redis={services.redis_url} logs in {data_dir}",
                    err=True,
                )
                exit_code = demo.run(stop, seconds, rate, seed)
    except EmbeddedError as error:
        raise ConfigurationError(str(error)) from error
    except TopicAdminError as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        "demo: every figure is right"
        if exit_code == 0
        else f"demo: the audit ended with code {exit_code}; what differs stands above"
    )
    sys.exit(exit_code)
