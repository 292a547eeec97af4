"""A real Kafka broker and a Redis on loopback, in a data folder, for one machine.

Redis keeps nothing over a restart: it holds a view that the stream rebuilds by itself.
"""

from __future__ import annotations

import fcntl
import random
import re
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from xinghe.processes import start_child, stop_child

HOST: Final = "127.0.0.1"
LIB_DIR_DEFAULT: Final = Path(".xinghe/kafka-lib")
DATA_DIR_DEFAULT: Final = Path(".xinghe/data")
POM: Final = Path(__file__).parents[2] / "deploy" / "embedded" / "pom.xml"
JAVA_VERSION_MIN: Final = 17
START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 20.0
FREE_PORTS: Final = range(20_000, 32_768)
"""Where free ports are taken from. Systems give higher ones to outgoing connections, of which one could have the port before a
service listens on it, or while it restarts."""
_PORTS: Final = islice(cycle(FREE_PORTS), random.randrange(len(FREE_PORTS)), None)
"""From anywhere on, so that processes that look for ports at the same time find others."""
CLUSTER_ID: Final = "eGluZ2hlLWVtYmVkZGVkMA"
"""Any 16 bytes in base64; one broker has nobody to be mistaken for."""

JVM_FLAGS: Final = ("-Xms256m", "-Xmx1g", "-XX:+UseSerialGC")
"""The serial collector: the broker shares a small machine, and its heap is small."""

KAFKA_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={log_dir}
num.partitions=4
message.max.bytes=14680064
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.segment.delete.delay.ms=1000
"""
LOG4J_PROPERTIES: Final = """\
status=error
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c: %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
"""


class EmbeddedError(Exception):
    """A service cannot be run on this machine; the message says why and what to do."""


class EmbeddedServices:
    """A Kafka broker and a Redis that live as long as the ``with`` block.

    ``kafka_port`` and ``redis_port`` are the ports to listen on, 0 takes free ones. ``reset`` empties the
    data folder first. Enter it, and start services again, on the main thread: the kernel kills the
    services when the thread that started them ends.
    """

    def __init__(
        self,
        data_dir: Path = DATA_DIR_DEFAULT,
        *,
        kafka_port: int = 0,
        redis_port: int = 0,
        lib_dir: Path = LIB_DIR_DEFAULT,
        reset: bool = False,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.lib_dir = lib_dir.absolute()
        self.kafka_port = kafka_port
        self.redis_port = redis_port
        self._reset = reset
        self._controller_port = 0
        self._kafka: subprocess.Popen[bytes] | None = None
        self._redis: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def kafka_bootstrap_servers(self) -> str:
        """Where Kafka's clients connect, as ``host:port``."""
        return f"{HOST}:{self.kafka_port}"

    @property
    def redis_url(self) -> str:
        """Where Redis' clients connect."""
        return f"redis://{HOST}:{self.redis_port}/0"

    def __enter__(self) -> Self:
        try:
            self.reserve()
            self._write_configuration()
            self.start_redis(wait=False)
            self.start_kafka()
            self._wait_for_redis()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        self.close()

    async def __aenter__(self) -> Self:
        """As ``with``; the loop stands still for the seconds of the start."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As ``with``; the loop stands still for the seconds of the stop."""
        self.__exit__(kind, error, trace)

    def close(self) -> None:
        """Stop both services and let go of the data folder."""
        try:
            self.stop_kafka()
        finally:
            self.stop_redis()
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    def start_kafka(self) -> None:
        """Start the broker on its port and data; returns once it answers."""
        with (self.data_dir / "kafka.log").open("ab") as log:
            self._kafka = start_child(
                [
                    "java",
                    *JVM_FLAGS,
                    f"-Dlog4j2.configurationFile={self.data_dir / 'log4j2.properties'}",
                    "-cp",
                    f"{self.lib_dir}/*",
                    "kafka.Kafka",
                    str(self.data_dir / "server.properties"),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait("Kafka", self._kafka, lambda: _kafka_answers(self.kafka_port))

    def stop_kafka(self) -> None:
        """Stop the broker; its data stay."""
        if self._kafka is not None:
            stop_child(self._kafka, STOP_TIMEOUT_S)
            self._kafka = None

    def start_redis(self, *, wait: bool = True) -> None:
        """Start an empty Redis on its port; returns once it answers, or at once without ``wait``."""
        with (self.data_dir / "redis.log").open("ab") as log:
            self._redis = start_child(
                [
                    "redis-server",
                    *("--bind", HOST, "--port", str(self.redis_port)),
                    *("--dir", str(self.data_dir), "--save", "", "--appendonly", "no"),
                    *("--loglevel", "warning"),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if wait:
            self._wait_for_redis()

    def stop_redis(self) -> None:
        """Stop Redis; what it held is gone."""
        if self._redis is not None:
            stop_child(self._redis, STOP_TIMEOUT_S)
            self._redis = None

    def failed(self) -> str | None:
        """Which service ended by itself, and where its log is; ``None`` while both run."""
        for name, process in (("Kafka", self._kafka), ("Redis", self._redis)):
            if process is not None and process.poll() is not None:
                return self._ended(name, process)
        return None

    def reserve(self) -> None:
        """Take ports and the data folder, so that it is known where the services will be; entering does it too.

        Raises ``EmbeddedError``. Until the services are entered or closed the folder is locked.
        """
        if self._lock is not None:
            return
        check_java()
        if shutil.which("redis-server") is None:
            raise EmbeddedError("redis-server is not installed; run: apt-get install redis-server")
        fetch_kafka(self.lib_dir)
        self.kafka_port = _port(self.kafka_port, "--kafka-port")
        self.redis_port = _port(self.redis_port, "--redis-port")
        self._controller_port = _port(0, "")
        self._lock_data_dir()
        if self._reset:
            _empty(self.data_dir, but="lock")

    def _lock_data_dir(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._lock = (self.data_dir / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EmbeddedError(
                f"the data folder {self.data_dir} is in use by another xinghe; "
                "stop that one, or choose another folder with --data-dir"
            ) from error

    def _write_configuration(self) -> None:
        log_dir = self.data_dir / "kafka"
        properties = self.data_dir / "server.properties"
        properties.write_text(
            KAFKA_PROPERTIES.format(
                host=HOST, port=self.kafka_port, controller_port=self._controller_port, log_dir=log_dir
            )
        )
        (self.data_dir / "log4j2.properties").write_text(LOG4J_PROPERTIES)
        if not (log_dir / "meta.properties").exists():
            self._format(properties)

    def _format(self, properties: Path) -> None:
        """Give the new log folder its cluster id, without which a broker refuses to start."""
        arguments = ["format", "--ignore-formatted", "-t", CLUSTER_ID, "-c", str(properties)]
        done = subprocess.run(
            [
                *("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
                *("-cp", f"{self.lib_dir}/*", "kafka.tools.StorageTool", *arguments),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise EmbeddedError(
                f"Kafka cannot prepare {self.data_dir}: {(done.stderr or done.stdout).strip()}; "
                "is the folder writable? Start with --reset to empty it"
            )

    def _wait_for_redis(self) -> None:
        assert self._redis is not None
        self._wait("Redis", self._redis, lambda: _redis_answers(self.redis_port))

    def _wait(self, name: str, process: subprocess.Popen[bytes], answers: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not answers():
            if process.poll() is not None:
                raise EmbeddedError(self._ended(name, process))
            if time.monotonic() > deadline_s:
                raise EmbeddedError(
                    f"{name} did not answer within {START_TIMEOUT_S:g} s; see {self._log(name)}"
                )
            time.sleep(0.05)

    def _log(self, name: str) -> Path:
        return self.data_dir / f"{name.lower()}.log"

    def _ended(self, name: str, process: subprocess.Popen[bytes]) -> str:
        last_lines = self._log(name).read_text(errors="replace").strip().splitlines()[-3:]
        return "\n".join(
            [f"{name} ended with code {process.returncode}; the end of {self._log(name)}:", *last_lines]
        )


def check_java() -> None:
    """Raises ``EmbeddedError`` unless a Java of at least version 17 is on the path."""
    remedy = "run: apt-get install default-jre-headless"
    if shutil.which("java") is None:
        raise EmbeddedError(
            f"Java is not installed, and Kafka needs version {JAVA_VERSION_MIN} or later; {remedy}"
        )
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA_VERSION_MIN:
        first_line = said.strip().split("\n", 1)[0]
        raise EmbeddedError(
            f"Java is too old ({first_line}), Kafka needs version {JAVA_VERSION_MIN} or later; {remedy}"
        )


def fetch_kafka(lib_dir: Path) -> None:
    """Fetch Kafka's jars into ``lib_dir`` with Maven unless they are there.

    Raises ``EmbeddedError`` when they cannot be had.
    """
    if any(lib_dir.glob("kafka_2.13-*.jar")):
        return
    if lib_dir.is_dir() and any(lib_dir.iterdir()):
        raise EmbeddedError(
            f"{lib_dir} holds other things than Kafka's jars; name another folder with --lib-dir"
        )
    if not POM.exists():
        raise EmbeddedError(f"{lib_dir} holds no Kafka jars; name a folder that does with --lib-dir")
    if shutil.which("mvn") is None:
        raise EmbeddedError(
            "Maven is not installed, and Kafka is fetched with it; run: apt-get install maven"
        )
    # A fetch that was cut short must not look like a whole one. Maven takes relative paths from the pom.
    partial = lib_dir.absolute().with_name(lib_dir.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = [
        *("mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"),
        *("-DincludeScope=runtime", f"-DoutputDirectory={partial}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EmbeddedError(
            f"Maven cannot fetch Kafka: {done.stdout.strip()[-600:]}\nIs there a network? Try: {' '.join(command)}"
        )
    partial.rename(lib_dir)


def free_port() -> int:
    """A port of the loopback that nobody listens on now, another each time; raises ``EmbeddedError`` where there is none."""
    port = next((port for port in islice(_PORTS, len(FREE_PORTS)) if _why_taken(port) is None), None)
    if port is None:
        raise EmbeddedError(f"no port of {HOST} from {FREE_PORTS[0]} to {FREE_PORTS[-1]} is free")
    return port


def _port(port: int, flag: str) -> int:
    """``port`` if it can be listened on, a free one for 0."""
    if port == 0:
        return free_port()
    if (why := _why_taken(port)) is not None:
        raise EmbeddedError(
            f"port {port} of {HOST} cannot be listened on ({why}); "
            f"stop what uses it, or choose another with {flag} (0 takes a free one)"
        )
    return port


def _why_taken(port: int) -> str | None:
    """Why the port cannot be listened on; ``None`` if it can."""
    with socket.socket() as probe:
        # As the servers do: a connection that is closing down does not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.strerror
    return None


def _empty(folder: Path, *, but: str) -> None:
    for entry in folder.iterdir():
        if entry.name == but:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _exchange(port: int, request: bytes, length: int) -> bytes:
    """The first ``length`` bytes that the port answers to ``request``; fewer if it closes, none if it is closed."""
    answer = b""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(request)
            while len(answer) < length and (part := connection.recv(length - len(answer))):
                answer += part
    except OSError:
        # Not listening yet, or not answering yet: the caller asks again until its deadline.
        return b""
    return answer


def _kafka_answers(port: int) -> bool:
    """Whether the broker lists itself in its metadata, which it does once clients can use it."""
    # Metadata request (key 3) version 1, correlation id 1, no client id, no topics.
    body = struct.pack(">hhihi", 3, 1, 1, -1, 0)
    answer = _exchange(port, struct.pack(">i", len(body)) + body, 12)
    # Length, correlation id, number of brokers.
    return len(answer) == 12 and struct.unpack(">iii", answer)[2] > 0


def _redis_answers(port: int) -> bool:
    return _exchange(port, b"PING\r\n", 7) == b"+PONG\r\n"
