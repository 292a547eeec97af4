"""Reading the ledger for the commands that show or check it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xinghe.commands.connect import kafka_client_options, wait_for_kafka
from xinghe.commands.log_reading import reading

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

    from xinghe.domain.outputs import GuaranteePosition, LedgerEntry


async def ledger_records(bootstrap: str, campaign_id: str) -> list[ConsumerRecord]:
    """The committed records of a campaign's ledger, in their order.

    Ends the command where Kafka cannot be read or has no ledger.
    """
    from xinghe.domain.events import LEDGER_ENTRY

    return await _records(bootstrap, LEDGER_ENTRY, campaign_id)


async def last_position(bootstrap: str, campaign_id: str) -> GuaranteePosition | None:
    """Where the campaign's newest guarantee stands now; ``None`` where it has none.

    Ends the command where Kafka cannot be read, or the record is none that this version knows.
    """
    import msgspec

    from xinghe.domain.events import GUARANTEE_POSITION
    from xinghe.domain.outputs import GuaranteePosition
    from xinghe.export.errors import UnreadableRecordError

    records = await _records(bootstrap, GUARANTEE_POSITION, campaign_id)
    if not records or records[-1].value is None:
        return None
    try:
        return msgspec.json.decode(records[-1].value, type=GuaranteePosition)
    except msgspec.DecodeError as error:
        raise click.ClickException(f"{UnreadableRecordError(records[-1], error)}.") from error


async def _records(bootstrap: str, topic: str, campaign_id: str) -> list[ConsumerRecord]:
    from xinghe.audit.log import Log

    key = campaign_id.encode()
    await wait_for_kafka(bootstrap)
    with reading(bootstrap):
        log = await Log.open([topic], bootstrap_servers=bootstrap, **kafka_client_options())
        try:
            partitions = log.of_key([topic], key)
            begins, ends = await log.begins(partitions), await log.ends(partitions)
            batches = [batch async for batch in log.read(begins, ends)]
        finally:
            await log.close()
    return [record for batch in batches for record in batch if record.key == key]


def decoded(records: list[ConsumerRecord]) -> list[LedgerEntry]:
    """The entries; ends the command at a record that is none."""
    import msgspec

    from xinghe.domain.outputs import LedgerEntry
    from xinghe.export.errors import UnreadableRecordError

    entries = []
    for record in records:
        try:
            entries.append(msgspec.json.decode(record.value or b"", type=LedgerEntry))
        except msgspec.DecodeError as error:
            raise click.ClickException(f"{UnreadableRecordError(record, error)}.") from error
    return entries
