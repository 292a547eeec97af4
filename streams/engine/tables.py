"""Faust's table manager, replaced: tasks recover their own partitions, and the consumer reads source topics only.

Stock Faust subscribes to changelogs and replays them through its message path at 2-3 thousand records a second; it
also hangs on the control records of transactions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from faust.tables.manager import TableManager

if TYPE_CHECKING:
    from faust.types import TP

    from streams.engine.engine import Engine


class EngineTableManager(TableManager):  # type: ignore[misc]  # faust's classes are untyped
    """Opens and closes the engine's tasks where Faust would recover its tables."""

    engine: Engine

    async def on_start(self) -> None:
        """Nothing to subscribe to: the conductor may go on."""
        self._tables_finalized.set()
        self._tables_registered.set()
        self._recovery_started.set()

    async def on_stop(self) -> None:
        """Stop the input, then commit and close the tasks."""
        await cast("Any", self.app)._fetcher.stop()
        await self.engine.stop()

    def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """The engine commits in its own handler of the app's signal."""

    async def on_rebalance(
        self,
        assigned: set[TP],
        revoked: set[TP],  # noqa: ARG002 - faust's signature
        newly_assigned: set[TP],  # noqa: ARG002 - faust's signature
        generation_id: int = 0,
    ) -> None:
        """Open the assigned tasks, then let the consumer go on from the committed offsets."""
        app = cast("Any", self.app)
        consumer = app.consumer
        await self.engine.assign(assigned)
        if app.consumer_generation_id != generation_id:
            return  # the next rebalance is under way and will come here again
        await app.on_rebalance_complete.send()
        consumer.resume_partitions(set(assigned))
        await consumer.perform_seek()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()
        self.on_actives_ready()
        self.on_standbys_ready()
        app.on_rebalance_end()

    async def wait_until_recovery_completed(self) -> bool:
        """No: answering yes makes Faust stop the worker."""
        return False
