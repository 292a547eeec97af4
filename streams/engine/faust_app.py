"""A Faust app on the engine: Faust's own state on disk, commits and web server are not used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faust

from streams.engine.table import BatchTable
from streams.engine.tables import EngineTableManager
from streams.engine.transport import BatchTopic

if TYPE_CHECKING:
    from streams.engine.engine import Engine


class EngineApp(faust.App):  # type: ignore[misc]  # faust's classes are untyped
    """A Faust app whose tables and batches are the engine's; takes the options of `faust.App`."""

    def __init__(self, app_id: str, *, engine: Engine, **options: Any) -> None:
        super().__init__(
            app_id,
            # Offsets are committed by the engine's transactions; Faust's own commits have nothing to do.
            broker_commit_interval=3600.0,
            consumer_auto_offset_reset="earliest",
            stream_wait_empty=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            store="memory://",
            # Faust's web server listens on all addresses.
            web_enabled=False,
            logging_config=None,
            Topic=BatchTopic,
            Table=BatchTable,
            TableManager=EngineTableManager,
            **options,
        )
        self.tables.engine = engine
        engine.bind(self)

    def _create_directories(self) -> None:
        """Nothing is kept on disk."""
