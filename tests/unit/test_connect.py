"""Waiting for Kafka and Redis that are not there."""

from __future__ import annotations

import re

import pytest

from xinghe.commands.connect import UnavailableError, wait_for_kafka, wait_for_redis
from xinghe.commands.options import ConfigurationError
from xinghe.embedded import free_port


async def test_kafka_away_is_tried_again_with_growing_pauses_and_given_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    servers = f"127.0.0.1:{free_port()}"

    with pytest.raises(UnavailableError) as caught:
        await wait_for_kafka(servers, 1.0)

    assert caught.value.exit_code == 69
    assert f"Kafka at {servers} is not reachable" in caught.value.message
    assert "xinghe up" in caught.value.message
    output = capsys.readouterr()
    pauses = [float(pause) for pause in re.findall(r"trying again in ([\d.]+) s", output.err)]
    assert pauses[:2] == [0.25, 0.5]
    assert not output.out


async def test_redis_away_is_given_up_without_showing_its_password(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(UnavailableError) as caught:
        await wait_for_redis(f"redis://app:hunter2@127.0.0.1:{free_port()}/0", 0.3)

    assert caught.value.exit_code == 69
    assert "not reachable" in caught.value.message
    assert "hunter2" not in caught.value.message + capsys.readouterr().err


async def test_a_redis_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="cannot be used"):
        await wait_for_redis("http://127.0.0.1:6379", 30)
