"""What tests of several folders share: a real Kafka and a real Redis for the whole run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, settings

from xinghe.embedded import LIB_DIR_DEFAULT, EmbeddedServices

ROOT = Path(__file__).parents[1]
LONG = ("test_index.py", "test_stream_replay.py", "test_dashboard.py", "test_kills.py", "test_money.py")
"""Files that take minutes: begun last, one of them would run alone in the end."""
LIB_DIR = Path(os.environ.get("XINGHE_KAFKA_LIB", ROOT / LIB_DIR_DEFAULT))

# A test's broker lives for seconds: to compile its code well would cost more than it brings, and takes the cores from the tests.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")

# How long an example takes says how busy the machine is, not whether it is right.
settings.register_profile("xinghe", deadline=None)
settings.load_profile("xinghe")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, all else in the order of the folders."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Run generated examples without coverage: to trace them takes twice as long again, and plain tests go the same ways.

    (The marker of pytest-cov for this does nothing under xdist, where a second measurement goes on.)
    """
    if not is_hypothesis_test(getattr(item, "obj", None)):
        return (yield)
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServices]:
    """Kafka and Redis on free ports; shared, so a test names its topics, group and keys for itself."""
    with EmbeddedServices(tmp_path_factory.mktemp("services"), lib_dir=LIB_DIR) as running:
        yield running
