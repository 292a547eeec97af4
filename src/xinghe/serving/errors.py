"""Errors of the serving store, by what can be done about them.

ServingError
    ServingUnavailableError    Redis did not do what it was asked: keep the changes and try again
    ServingDataError           Redis holds what the contract does not allow: rebuild it
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.exceptions import RedisError

from xinghe.serving.client import shown_url


class ServingError(Exception):
    """Base of the errors of the serving store."""


class ServingUnavailableError(ServingError):
    """Redis is away, loading, full or refuses a command.

    ``url`` says where it is, without user and password; ``reason`` is what the client or Redis said.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"Redis at {url} is not available: {reason}")
        self.url = url
        self.reason = reason


class ServingDataError(ServingError):
    """A key holds what nobody of ours has written; ``key`` is its name."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(
            f"Redis key {key} {problem}: something else writes to this Redis. Stop it, then empty Redis (FLUSHALL); "
            "the workers fill it again by themselves."
        )
        self.key = key


@contextmanager
def unavailable_as_one_error(redis: Any) -> Iterator[None]:
    """Turn every way in which Redis can fail into a ``ServingUnavailableError``."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise ServingUnavailableError(shown_url(redis), str(error) or type(error).__name__) from error
