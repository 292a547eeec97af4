"""Reading every key of the campaigns from Redis, without the project's own reader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, cast

from redis import Redis
from redis.exceptions import ResponseError

from xinghe.audit.redis_names import CAMPAIGN_PREFIX, CAMPAIGNS, SORTED_SETS, name_of

KEYS_PER_CALL: Final = 1_000

Content = Mapping[str, Any]
"""A hash's fields as text, or a sorted set's members with their scores."""


def stored(redis: Redis) -> Iterator[tuple[str, Content | None]]:
    """Each key and what it holds, the list of campaigns first; ``None`` for a key that is of another type.

    ``redis`` must decode responses. A key may come twice, as Redis says of SCAN.
    """
    # The types of the library cover every option of ZRANGE at once.
    listed = cast(list[tuple[str, float]], redis.zrange(CAMPAIGNS, 0, -1, withscores=True))
    yield CAMPAIGNS, dict(listed)
    names = redis.scan_iter(match=CAMPAIGN_PREFIX + "*", count=KEYS_PER_CALL)
    while chunk := list(islice(names, KEYS_PER_CALL)):
        yield from zip(chunk, _contents(redis, chunk), strict=True)


def _contents(redis: Redis, names: Iterable[str]) -> Iterator[Content | None]:
    pipeline = redis.pipeline(transaction=False)
    for key in names:
        name = name_of(key)
        if name is None:
            pipeline.type(key)
        elif name.kind in SORTED_SETS:
            pipeline.zrange(key, 0, -1, withscores=True)
        else:
            pipeline.hgetall(key)
    for answer in pipeline.execute(raise_on_error=False):
        if isinstance(answer, ResponseError):
            yield None
        elif isinstance(answer, Exception):
            raise answer
        elif isinstance(answer, str):
            yield {}
        else:
            yield dict(answer)
