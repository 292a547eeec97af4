"""The settings of the stream: one frozen object, read once, every wrong value refused by name.

A setting comes from the environment (``XINGHE_`` and its name in capitals), else from the TOML file that
``XINGHE_CONFIG`` names (its name as it stands here), else from its default.
"""

from __future__ import annotations

import difflib
import os
import re
import ssl
import tomllib
import types
from collections.abc import Mapping
from decimal import Decimal
from importlib import resources
from pathlib import Path
from socket import gethostname
from typing import Annotated, Any, Final, Literal, Self, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from xinghe.domain.alerts import AlertRule, AlertRuleError, alert_rules_of
from xinghe.domain.events import ModelChannel
from xinghe.notify.receivers import Receiver, ReceiverError, receivers_of

ENV_PREFIX: Final = "XINGHE_"

OTHER_NAMES: Final[Mapping[str, str]] = {
    "XINGHE_CONFIG": "TOML file with settings",
    "XINGHE_PARTITIONS": "partitions of every topic, for `xinghe topics`",
    "XINGHE_REPLICATION_FACTOR": "copies of every topic, for `xinghe topics`",
    "XINGHE_DASHBOARD_HOST": "address of `xinghe dashboard`",
    "XINGHE_DASHBOARD_PORT": "port of `xinghe dashboard`",
    "XINGHE_DASHBOARD_ACCESS": "file of tokens of `xinghe dashboard`",
    "XINGHE_DASHBOARD_TOKEN": "the one token of `xinghe dashboard` without such a file",
    "XINGHE_DASHBOARD_SECRET": "what `xinghe dashboard` signs sessions with",
    "XINGHE_DASHBOARD_PEOPLE_MIN": "least number of people in breakdowns of `xinghe dashboard`",
    "XINGHE_DEMO_SECONDS": "how long `xinghe demo` makes traffic",
    "XINGHE_CHAOS_KILLS": "kills of `make chaos`",
    "XINGHE_CHAOS_SEED": "seed of what `make chaos` draws",
    "XINGHE_SHARED_DATA": "folder with recorded data sets, for the tests",
    "XINGHE_CRASH_AT": "crash point of the chaos tests, read by the engine",
    "XINGHE_KAFKA_LIB": "folder with Kafka's jars, for `xinghe up`, `xinghe demo` and the tests",
}
"""Environment names that are ours without being settings; any other ``XINGHE_`` name is refused."""

DAY_MS: Final = 86_400_000

ServerList = Annotated[
    str,
    Meta(
        pattern=r"^(\[[0-9a-fA-F:]+\]|[^\s,:\[\]/]+):\d{1,5}(,(\[[0-9a-fA-F:]+\]|[^\s,:\[\]/]+):\d{1,5})*$",
        description="Kafka brokers to ask first.",
        extra={"right": "host:port, several separated by commas"},
    ),
]
RedisUrl = Annotated[
    str,
    Meta(
        pattern=r"^(rediss?://\S+|unix:///\S+)$",
        description="Redis that the funnels are written to.",
        extra={"right": "redis://host:port/number, rediss:// for TLS, or unix:///path"},
    ),
]
Name = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        extra={"right": "1 to 100 letters, digits, dots, dashes and underscores"},
    ),
]
Path_ = Annotated[str, Meta(min_length=1, extra={"right": "the path of a file that can be read"})]
Flag = Annotated[bool, Meta(extra={"right": "true or false"})]
Word = Annotated[str, Meta(min_length=1, extra={"right": "a text that is not empty"})]


class SettingsError(Exception):
    """A setting is wrong; the process must not start.

    ``setting`` is its name, ``value`` what it is (``***`` for a secret), ``source`` where it came from,
    ``right`` what would be right.
    """

    def __init__(self, setting: str, value: str, source: str, right: str) -> None:
        super().__init__(f"setting {setting} is {value} ({source}); it must be {right}")
        self.setting = setting
        self.value = value
        self.source = source
        self.right = right


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a worker runs with; durations in milliseconds unless the name says otherwise, sizes in bytes."""

    kafka_bootstrap_servers: ServerList = "127.0.0.1:9092"
    redis_url: RedisUrl = "redis://127.0.0.1:6379/0"
    instance: Annotated[
        Name, Meta(description="This worker's static member id, kept over restarts; default the host name.")
    ] = msgspec.field(
        default_factory=lambda: re.sub(r"[^A-Za-z0-9._-]", "-", gethostname())[:100] or "worker"
    )
    application_id: Annotated[
        Name, Meta(description="Consumer group, and the first part of transactional ids.")
    ] = "xinghe"
    commit_interval_ms: Annotated[
        int, Meta(ge=10, le=60_000, description="Most time between two commits of a task.")
    ] = 200
    buffer_records_max: Annotated[
        int,
        Meta(
            ge=100,
            le=10_000_000,
            description="Source records that a task holds uncommitted before its intake waits.",
        ),
    ] = 20_000
    journey_events_max: Annotated[
        int, Meta(ge=10, le=1_000_000, description="Events kept per person; the oldest views go first.")
    ] = 2_000
    touch_window_ms: Annotated[
        int,
        Meta(
            ge=1,
            le=15 * DAY_MS,
            description="Longest time from a touch to a store visit, favourite or cart that it earns.",
        ),
    ] = 15 * DAY_MS
    payment_window_ms: Annotated[
        int, Meta(ge=1, le=30 * DAY_MS, description="Longest time from a touch to a payment that it earns.")
    ] = 30 * DAY_MS
    click_over_view: Annotated[
        bool,
        Meta(description="Whether last touch prefers the last ad click to later touches of other kinds."),
    ] = True
    model_period_s: Annotated[
        int,
        Meta(
            ge=1,
            le=86_400,
            description="Seconds between two computations of the data-driven models of the shops that changed.",
        ),
    ] = 60
    model_channel: Annotated[
        ModelChannel,
        Meta(
            description="What the paths of the data-driven models are told in; a stream that has begun keeps its own."
        ),
    ] = "campaign"
    money_quiet_s: Annotated[
        int,
        Meta(
            ge=60,
            le=31 * 86_400,
            description="Seconds without any event after which the clock passes the days that money is settled on.",
        ),
    ] = 86_400
    alert_rules: Annotated[
        Path_ | None, Meta(description="TOML file of the rules of alerts; default those built in.")
    ] = None
    notify_receivers: Annotated[
        Path_ | None, Meta(description="TOML file of the receivers that `xinghe notify` tells of alerts.")
    ] = None
    notify_private_addresses: Annotated[
        Flag,
        Meta(
            description="Whether receivers of alerts may be at addresses of one's own network, and spoken to without TLS."
        ),
    ] = False
    index_order_days: Annotated[
        int,
        Meta(
            ge=1,
            le=90,
            description="Days after its payment for which `xinghe index` keeps an order in Redis; the topics have no more than 90.",
        ),
    ] = 90
    metrics_host: Annotated[Word, Meta(description="Address that the Prometheus metrics listen on.")] = (
        "127.0.0.1"
    )
    metrics_port: Annotated[
        int, Meta(ge=0, le=65_535, description="Port of the Prometheus metrics; 0 opens none.")
    ] = 0
    session_timeout_ms: Annotated[
        int,
        Meta(ge=6_000, le=300_000, description="Silence after which a worker's partitions go to others."),
    ] = 10_000
    fetch_max_wait_ms: Annotated[
        int, Meta(ge=0, le=5_000, description="Most time that a broker collects records for a fetch.")
    ] = 50
    fetch_min_bytes: Annotated[
        int, Meta(ge=1, le=50_000_000, description="Bytes that a broker collects for a fetch.")
    ] = 100_000
    log_format: Annotated[
        Literal["console", "json"], Meta(description="Log lines for people or for machines.")
    ] = "console"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least level that is logged.")
    ] = "info"
    kafka_security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        Meta(description="How the brokers are spoken to."),
    ] = "PLAINTEXT"
    kafka_ssl_cafile: Annotated[
        Path_ | None, Meta(description="Certificates of the brokers' authority; default the system's.")
    ] = None
    kafka_sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None, Meta(description="How to log in to Kafka.")
    ] = None
    kafka_sasl_username: Annotated[Word | None, Meta(description="Name to log in to Kafka with.")] = None
    kafka_sasl_password: Annotated[Word | None, Meta(description="Password to log in to Kafka with.")] = None

    @classmethod
    def load(cls, env: Mapping[str, str], toml_path: str | os.PathLike[str] | None = None) -> Self:
        """The settings of ``env``, then of the TOML file (default: the one ``XINGHE_CONFIG`` names).

        Raises ``SettingsError`` for the first value that is wrong, and for names that are no setting.
        """
        path = toml_path if toml_path is not None else env.get("XINGHE_CONFIG")
        found = _from_toml(path) if path is not None else {}
        found |= _from_env(env)
        values = {name: _checked(name, value, source) for name, (value, source) in found.items()}
        settings = cls(**values)
        _check_together(settings, {name: source for name, (_, source) in found.items()})
        settings.read_alert_rules()
        return settings

    def read_alert_rules(self) -> list[AlertRule]:
        """The rules of the file ``alert_rules``, else those built in.

        Raises ``SettingsError`` that names the rule and its field where one is wrong.
        """
        default = resources.files("streams").joinpath("alert_rules.toml")
        source = default if self.alert_rules is None else Path(self.alert_rules)
        try:
            return alert_rules_of(tomllib.loads(source.read_text(encoding="utf-8"), parse_float=Decimal))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, AlertRuleError) as error:
            raise SettingsError(
                "alert_rules",
                repr(self.alert_rules),
                "cannot be used",
                f"a TOML file of rules that are right; there is {error}",
            ) from error

    def read_notify_receivers(self, env: Mapping[str, str]) -> list[Receiver]:
        """The receivers of the file ``notify_receivers``, with what it takes from ``env``.

        Raises ``SettingsError`` that names the receiver and its field where one is wrong, and where there is no file.
        """
        if self.notify_receivers is None:
            raise SettingsError(
                "notify_receivers", "not set", "nobody to tell", f"set: {right('notify_receivers')}"
            )
        try:
            return receivers_of(
                tomllib.loads(Path(self.notify_receivers).read_text(encoding="utf-8")),
                env,
                rule_names=frozenset(rule.name for rule in self.read_alert_rules()),
                plain_http=self.notify_private_addresses,
            )
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, ReceiverError) as error:
            raise SettingsError(
                "notify_receivers",
                repr(self.notify_receivers),
                "cannot be used",
                f"a TOML file of receivers that are right; there is {error}",
            ) from error

    def kafka_client_options(self) -> dict[str, Any]:
        """What every aiokafka client is given besides the servers: encryption and login.

        Raises ``SettingsError`` when ``kafka_ssl_cafile`` holds no certificates.
        """
        options: dict[str, Any] = {"security_protocol": self.kafka_security_protocol}
        if self.kafka_security_protocol.endswith("SSL"):
            try:
                options["ssl_context"] = ssl.create_default_context(cafile=self.kafka_ssl_cafile)
            except ssl.SSLError as error:
                raise SettingsError(
                    "kafka_ssl_cafile",
                    repr(self.kafka_ssl_cafile),
                    f"cannot be used: {error.reason or error}",
                    "a file with PEM certificates",
                ) from error
        if self.kafka_security_protocol.startswith("SASL_"):
            options |= {
                "sasl_mechanism": self.kafka_sasl_mechanism,
                "sasl_plain_username": self.kafka_sasl_username,
                "sasl_plain_password": self.kafka_sasl_password,
            }
        return options

    def __repr__(self) -> str:
        """All settings, secrets masked."""
        shown = ", ".join(f"{name}={_shown(name, getattr(self, name))}" for name in self.__struct_fields__)
        return f"Settings({shown})"


FIELD_TYPES: Final[Mapping[str, Any]] = get_type_hints(Settings, include_extras=True)
"""Setting to its annotated type, for the command line's flags."""


def description(name: str) -> str:
    """What the setting is for, in one sentence."""
    return next(str(meta.description) for meta in _metas(FIELD_TYPES[name]) if meta.description)


def right(name: str) -> str:
    """What a right value of the setting looks like, in words."""
    return _right(FIELD_TYPES[name])


def without_password(url: str) -> str:
    """``url`` with its password masked.

    >>> without_password("redis://user:secret@cache:6379/0")
    'redis://user:***@cache:6379/0'
    """
    return re.sub(r"(?<=://)([^:@/]*):\S*@", r"\1:***@", url)


def _from_env(env: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    found = {}
    for key, value in env.items():
        if not key.startswith(ENV_PREFIX) or key in OTHER_NAMES:
            continue
        name = key.removeprefix(ENV_PREFIX).lower()
        if name not in FIELD_TYPES or key != key.upper():
            raise _unknown(key, "environment", ENV_PREFIX + _nearest(name).upper())
        found[name] = (value, f"environment variable {key}")
    return found


def _from_toml(path: str | os.PathLike[str]) -> dict[str, tuple[Any, str]]:
    source = f"file {os.fspath(path)}"
    try:
        with Path(path).open("rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise SettingsError(
            "XINGHE_CONFIG",
            repr(os.fspath(path)),
            error.strerror or "cannot be read",
            "a TOML file that can be read",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError("XINGHE_CONFIG", repr(os.fspath(path)), str(error), "well-formed TOML") from error
    for name in values:
        if name not in FIELD_TYPES:
            raise _unknown(name, source, _nearest(name))
    return {name: (value, source) for name, value in values.items()}


def _checked(name: str, value: Any, source: str) -> Any:
    try:
        checked = msgspec.convert(value, FIELD_TYPES[name], strict=not isinstance(value, str))
        if isinstance(checked, str) and name in {"alert_rules", "kafka_ssl_cafile", "notify_receivers"}:
            Path(checked).open("rb").close()
    except (msgspec.ValidationError, OSError) as error:
        raise SettingsError(name, _shown(name, value), f"from {source}", right(name)) from error
    return checked


def _check_together(settings: Settings, sources: Mapping[str, str]) -> None:
    """Refuse a login without its parts, and parts that the protocol would ignore."""
    protocol = settings.kafka_security_protocol
    needed = {
        "kafka_sasl_mechanism": protocol.startswith("SASL_"),
        "kafka_sasl_username": protocol.startswith("SASL_"),
        "kafka_sasl_password": protocol.startswith("SASL_"),
    }
    for name, is_needed in needed.items():
        value = getattr(settings, name)
        if is_needed and value is None:
            raise SettingsError(
                name, "not set", f"kafka_security_protocol is {protocol}", f"set: {right(name)}"
            )
        if not is_needed and value is not None:
            raise SettingsError(
                "kafka_security_protocol",
                repr(protocol),
                f"{name} is set",
                "SASL_SSL or SASL_PLAINTEXT to log in",
            )
    if settings.kafka_ssl_cafile is not None and not protocol.endswith("SSL"):
        raise SettingsError(
            "kafka_security_protocol",
            repr(protocol),
            f"kafka_ssl_cafile comes from {sources['kafka_ssl_cafile']}",
            "SSL or SASL_SSL to check certificates",
        )


def _unknown(name: str, source: str, nearest: str) -> SettingsError:
    return SettingsError(name, "no setting", f"from {source}", f"removed, or a known name such as {nearest}")


def _nearest(name: str) -> str:
    return difflib.get_close_matches(name.lower(), list(FIELD_TYPES), n=1, cutoff=0.0)[0]


def _shown(name: str, value: Any) -> str:
    if value is not None and name.endswith("_password"):
        return "***"
    return repr(without_password(value) if name == "redis_url" and isinstance(value, str) else value)


def _right(annotated: Any) -> str:
    bounds: dict[str, Any] = {}
    for meta in _metas(annotated):
        if meta.extra and "right" in meta.extra:
            return str(meta.extra["right"])
        bounds |= {name: getattr(meta, name) for name in ("ge", "le") if getattr(meta, name) is not None}
    plain = _plain(annotated)
    if get_origin(plain) is Literal:
        return f"one of {', '.join(get_args(plain))}"
    if plain is bool:
        return "true or false"
    return f"a whole number from {bounds['ge']} to {bounds['le']}"


def _metas(annotated: Any) -> list[Meta]:
    """The constraints of a type, outermost first, through ``Annotated`` and ``... | None``."""
    if get_origin(annotated) is Annotated:
        inner, *metas = get_args(annotated)
        return [*metas, *_metas(inner)]
    if get_origin(annotated) in {Union, types.UnionType}:
        return [meta for part in get_args(annotated) for meta in _metas(part)]
    return []


def _plain(annotated: Any) -> Any:
    """The type below ``Annotated`` and ``... | None``."""
    if get_origin(annotated) is Annotated:
        return _plain(get_args(annotated)[0])
    if get_origin(annotated) in {Union, types.UnionType}:
        return next(_plain(part) for part in get_args(annotated) if part is not type(None))
    return annotated
