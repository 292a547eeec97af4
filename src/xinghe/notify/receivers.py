"""Receivers of alerts, as a TOML file names them: where to, in which form, and of which alerts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct, ValidationError, convert

from xinghe.domain.outputs import AlertRaised, Severity

Format = Literal["standard", "dingtalk", "wecom", "feishu"]
Locale = Literal["en", "zh"]

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # what the specification has secrets begin with
SECRET_BYTES: Final = range(24, 65)
"""How long a secret of Standard Webhooks is, by its specification."""

# Settings have the prefix of their own, in which a name that is no setting is refused.
EnvName = Annotated[str, Meta(pattern=r"^(?!XINGHE_)[A-Za-z_][A-Za-z0-9_]*$")]


class ReceiverError(ValueError):
    """A receiver is wrong; the message names it and its field, and never has a secret or a URL."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is told of alerts.

    ``key`` is what requests are signed with, ``None`` for nothing. ``rules`` and ``severities`` are those that it is told of,
    ``None`` for all. ``timeout_s`` is for one try. The URL of a robot is as good as a password: neither it nor the key is shown.
    """

    name: str
    format: Format
    url: str = field(repr=False)
    key: bytes | None = field(repr=False)
    rules: frozenset[str] | None
    severities: frozenset[Severity] | None
    locale: Locale
    tries: int
    timeout_s: float

    def takes(self, alert: AlertRaised) -> bool:
        """Whether it is to be told of the alert."""
        return (self.rules is None or alert.rule in self.rules) and (
            self.severities is None or alert.severity in self.severities
        )


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A receiver as the file has it; ``url_env`` and ``secret_env`` name variables of the environment to take them from."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    format: Format = "standard"
    url: str | None = None
    url_env: EnvName | None = None
    secret: str | None = None
    secret_env: EnvName | None = None
    rules: Annotated[list[str], Meta(min_length=1)] | None = None
    severities: Annotated[list[Severity], Meta(min_length=1)] | None = None
    locale: Locale = "en"
    tries: Annotated[int, Meta(ge=1, le=20)] = 8
    timeout_s: Annotated[float, Meta(ge=0.1, le=60)] = 10


def receivers_of(
    document: Mapping[str, Any], env: Mapping[str, str], *, rule_names: frozenset[str], plain_http: bool
) -> list[Receiver]:
    """The receivers of a file: a list under ``receiver``, each a table.

    ``env`` is the environment, ``rule_names`` are the rules of alerts that there are, ``plain_http`` is whether a URL may be one of http.
    Raises ``ReceiverError`` for the first that is wrong.
    """
    tables = document.get("receiver", [])
    if set(document) - {"receiver"} or not isinstance(tables, list) or not tables:
        raise ReceiverError("expected a list of tables [[receiver]], at least one, and nothing else")
    receivers: dict[str, Receiver] = {}
    for number, table in enumerate(tables, 1):
        name = table.get("name") if isinstance(table, Mapping) else None
        try:
            receiver = _receiver(convert(table, _Table), env, rule_names, plain_http=plain_http)
        except (ValidationError, ReceiverError) as error:
            raise ReceiverError(f"receiver {number} ({name or 'without a name'}): {error}") from None
        if receiver.name in receivers:
            raise ReceiverError(f"receiver {number} ({name}): another receiver has that `name`")
        receivers[receiver.name] = receiver
    return list(receivers.values())


def _receiver(
    table: _Table, env: Mapping[str, str], rule_names: frozenset[str], *, plain_http: bool
) -> Receiver:
    url = _value("url", table.url, table.url_env, env)
    if url is None:
        raise ReceiverError("`url` or `url_env` is missing")
    _check_url(url, plain_http=plain_http)
    for rule in table.rules or ():
        if rule not in rule_names:
            raise ReceiverError(f"`rules` has {rule!r}, but there are {', '.join(sorted(rule_names))}")
    return Receiver(
        name=table.name,
        format=table.format,
        url=url,
        key=_key(table.format, _value("secret", table.secret, table.secret_env, env)),
        rules=None if table.rules is None else frozenset(table.rules),
        severities=None if table.severities is None else frozenset(table.severities),
        locale=table.locale,
        tries=table.tries,
        timeout_s=table.timeout_s,
    )


def _value(name: str, value: str | None, env_name: str | None, env: Mapping[str, str]) -> str | None:
    """What the file says, or the environment variable that it names."""
    if env_name is None:
        return value
    if value is not None:
        raise ReceiverError(f"`{name}` and `{name}_env` are both there; expected one of them")
    if not env.get(env_name):
        raise ReceiverError(f"`{name}_env` names {env_name}, which is not set in the environment")
    return env[env_name]


def _check_url(url: str, *, plain_http: bool) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    # It is sent as it stands: what would have to be quoted, could end the line of a request.
    if host is None or not (url.isascii() and url.isprintable()) or " " in url:
        raise ReceiverError("`url` must be https://host/path, quoted where it needs to be")
    if parts.username is not None or parts.fragment:
        raise ReceiverError("`url` must have neither a user nor a fragment")
    if parts.scheme != "https" and not (plain_http and parts.scheme == "http"):
        raise ReceiverError("`url` must begin with https://; http:// only with notify_private_addresses")


def _key(form: Format, secret: str | None) -> bytes | None:
    if form == "wecom":
        if secret is not None:
            raise ReceiverError("`secret` has no use: a WeCom robot is known by the key in its URL")
        return None
    if form != "standard":
        return secret.encode() if secret else None
    right = f"`secret` must be {SECRET_PREFIX} and the base64 of 24 to 64 random bytes"
    if secret is None or not secret.startswith(SECRET_PREFIX):
        raise ReceiverError(right)
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ReceiverError(right) from None
    if len(key) not in SECRET_BYTES:
        raise ReceiverError(right)
    return key
