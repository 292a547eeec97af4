"""Alerts with who has seen them, by viewer, and putting that down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from xinghe.dashboard.access import Viewer
from xinghe.dashboard.parameters import ParameterError
from xinghe.dashboard.source import NotVisibleError, Source
from xinghe.domain.outputs import AlertRaised
from xinghe.serving.acknowledgements import NOTE_LENGTH_MAX, AlertsDesk
from xinghe.serving.records import Acknowledgement
from xinghe.serving.records_reader import RecordsReader

_KEY: Final = ("acknowledged",)


class Alert(NamedTuple):
    """A turn of an alert, the shop that it concerns today, and who has seen it last."""

    record: AlertRaised
    shop_id: str | None
    acknowledgement: Acknowledgement | None


class AlertsSource:
    """The alerts of a viewer's shops; those about the data are for viewers of all. Raises as `Source` does."""

    def __init__(self, source: Source, reader: RecordsReader, desk: AlertsDesk) -> None:
        self._source = source
        self._reader = reader
        self._desk = desk

    async def open(self, viewer: Viewer) -> list[Alert]:
        """The open alerts, the last raised first."""
        return await self._with_acknowledgements(await self._source.alerts_open(viewer))

    async def turns(self, viewer: Viewer) -> list[Alert]:
        """What became of alerts, the last first."""
        return await self._with_acknowledgements(await self._source.alerts(viewer))

    async def unacknowledged(self, viewer: Viewer) -> int:
        """How many open alerts nobody has acknowledged."""
        return sum(alert.acknowledgement is None for alert in await self.open(viewer))

    async def acknowledge(self, viewer: Viewer, alert_id: str, note: str, time_ms: int) -> Alert:
        """Put down that the viewer has seen an alert.

        Raises `NotVisibleError`, also for one that is long over, and `ParameterError` for a note that is too long.
        """
        record = await self._last_turn(viewer, alert_id)
        acknowledgement = Acknowledgement(alert_id, viewer.name, time_ms, _checked(note))
        await self._desk.acknowledge(acknowledgement)
        self._source.expire(_KEY)
        return Alert(record, self._source.shop_of(record), acknowledgement)

    async def _last_turn(self, viewer: Viewer, alert_id: str) -> AlertRaised:
        for records in (await self._source.alerts_open(viewer), await self._source.alerts(viewer)):
            for record in records:
                if record.alert_id == alert_id:
                    return record
        raise NotVisibleError(alert_id)

    async def _with_acknowledgements(self, records: Iterable[AlertRaised]) -> list[Alert]:
        acknowledged: Mapping[str, Acknowledgement] = await self._source.read(_KEY, self._reader.acknowledged)
        return [
            Alert(record, self._source.shop_of(record), acknowledged.get(record.alert_id))
            for record in records
        ]


def _checked(note: str) -> str:
    """The note without space around it; lines end as they do here, though a form sends two characters for each."""
    text = note.replace("\r\n", "\n").strip()
    if len(text) > NOTE_LENGTH_MAX:
        raise ParameterError(f"note must have at most {NOTE_LENGTH_MAX} characters; it has {len(text)}")
    return text


class Past(NamedTuple):
    """An alert that is over: its last turn, and when it was raised and escalated as far as that is still known."""

    last: Alert
    turns: Sequence[AlertRaised]


def past(turns: Iterable[Alert], open_ids: frozenset[str]) -> list[Past]:
    """The alerts of ``turns``, the last first, that are no longer open; their turns oldest first."""
    found: dict[str, list[Alert]] = {}
    for turn in turns:
        if turn.record.alert_id not in open_ids:
            found.setdefault(turn.record.alert_id, []).append(turn)
    return [Past(each[0], [turn.record for turn in reversed(each)]) for each in found.values()]
