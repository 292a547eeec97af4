"""What tests of several folders share: a real Kafka and a real Redis for the whole run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from xinghe.embedded import LIB_DIR_DEFAULT, EmbeddedServices

ROOT = Path(__file__).parents[1]
LIB_DIR = Path(os.environ.get("XINGHE_KAFKA_LIB", ROOT / LIB_DIR_DEFAULT))

# How long an example takes says how busy the machine is, not whether it is right.
settings.register_profile("xinghe", deadline=None)
settings.load_profile("xinghe")


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServices]:
    """Kafka and Redis on free ports; shared, so a test names its topics, group and keys for itself."""
    with EmbeddedServices(tmp_path_factory.mktemp("services"), lib_dir=LIB_DIR) as running:
        yield running
