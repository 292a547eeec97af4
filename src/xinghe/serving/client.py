"""The connection to Redis, made in one place."""

from __future__ import annotations

from typing import Any, Final

from redis.asyncio import Redis

TIMEOUT_S: Final = 5.0
"""How long Redis may take to answer before it counts as away; a call of ours takes milliseconds."""


def open_redis(url: str) -> Redis:
    """A client of the Redis at ``url``; nothing is connected until the first command.

    The client does not try again by itself: whoever calls keeps the changes and decides when.
    Raises ``ValueError`` for an address that is none.
    """
    return Redis.from_url(
        url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, socket_keepalive=True, retry=None
    )


def text(answer: Any) -> str:
    """A string of Redis' answer, from clients that decode and from those that do not.

    >>> text(b"c1"), text("c1")
    ('c1', 'c1')
    """
    return answer.decode() if isinstance(answer, bytes) else str(answer)


def shown_url(redis: Any) -> str:
    """Where ``redis`` connects to, for messages: without user and password.

    >>> shown_url(open_redis("redis://me:secret@cache:6380/2"))
    'redis://cache:6380/2'
    """
    pool = redis.connection_pool
    kwargs = pool.connection_kwargs
    if "path" in kwargs:
        return f"unix://{kwargs['path']}"
    scheme = "rediss" if "SSL" in pool.connection_class.__name__ else "redis"
    return f"{scheme}://{kwargs.get('host', 'localhost')}:{kwargs.get('port', 6379)}/{kwargs.get('db') or 0}"
