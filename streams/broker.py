"""How a Faust app reaches the brokers and is known to them, from the settings."""

from __future__ import annotations

from typing import Any

import faust

from streams.settings import Settings


def broker_options(settings: Settings) -> dict[str, Any]:
    """Options of `faust.App`: servers, login, and the static member that keeps its partitions over restarts."""
    return {
        "broker": [f"kafka://{server}" for server in settings.kafka_bootstrap_servers.split(",")],
        "broker_credentials": _credentials(settings),
        "broker_session_timeout": settings.session_timeout_ms / 1000,
        "broker_heartbeat_interval": min(2.0, settings.session_timeout_ms / 5000),
        "consumer_group_instance_id": settings.instance,
    }


def _credentials(settings: Settings) -> Any:
    if settings.kafka_security_protocol.startswith("SASL_"):
        options = settings.kafka_client_options()
        return faust.SASLCredentials(
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password,
            ssl_context=options.get("ssl_context"),
            mechanism=settings.kafka_sasl_mechanism,
        )
    ssl_context = settings.kafka_client_options().get("ssl_context")
    return None if ssl_context is None else faust.SSLCredentials(ssl_context)
