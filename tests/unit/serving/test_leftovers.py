"""The partition of a campaign must be the one that its records go to."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import DefaultPartitioner

from xinghe.serving.leftovers import partition_of


@pytest.mark.parametrize("campaign_id", ["c1", "c2", "organic:店", "unattributed:shop-9", "x" * 64])
@pytest.mark.parametrize("partitions", [1, 2, 16])
def test_as_kafka_does(campaign_id: str, partitions: int) -> None:
    expected = DefaultPartitioner()(campaign_id.encode(), list(range(partitions)), [])
    assert partition_of(campaign_id, partitions) == expected
