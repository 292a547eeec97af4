"""What messages say of where Redis is."""

from __future__ import annotations

import pytest

from xinghe.serving.client import open_redis, shown_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:secret@cache/3", "redis://cache:6379/3"),
        ("rediss://me:secret@cache:6380", "rediss://cache:6380/0"),
        ("unix://me:secret@/run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_no_credentials_are_shown(url: str, shown: str) -> None:
    assert shown_url(open_redis(url)) == shown


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="scheme"):
        open_redis("http://127.0.0.1")
