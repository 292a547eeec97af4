"""Reading the ledger for the commands that show or check it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from xinghe.commands.connect import UnavailableError, kafka_client_options, wait_for_kafka

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

    from xinghe.domain.outputs import LedgerEntry


async def ledger_records(bootstrap: str, campaign_id: str | None) -> list[ConsumerRecord]:
    """The committed records of the ledger, of one campaign or of all; those of a campaign in their order.

    Ends the command where Kafka cannot be read or has no ledger.
    """
    from aiokafka.errors import KafkaError

    from xinghe.audit.log import Log, MissingTopicsError
    from xinghe.domain.events import LEDGER_ENTRY

    key = None if campaign_id is None else campaign_id.encode()
    await wait_for_kafka(bootstrap)
    try:
        log = await Log.open([LEDGER_ENTRY], bootstrap_servers=bootstrap, **kafka_client_options())
        try:
            partitions = log.of([LEDGER_ENTRY]) if key is None else log.of_key([LEDGER_ENTRY], key)
            begins, ends = await log.begins(partitions), await log.ends(partitions)
            batches = [batch async for batch in log.read(begins, ends)]
        finally:
            await log.close()
    except MissingTopicsError as error:
        raise click.ClickException(f"{error}. Create them with: xinghe topics create") from error
    except KafkaError as error:
        raise UnavailableError(
            f"Kafka at {bootstrap} failed while it was read: {error!r}. Run it again."
        ) from error
    return [record for batch in batches for record in batch if key is None or record.key == key]


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
