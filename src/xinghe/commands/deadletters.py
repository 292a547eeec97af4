"""``xinghe deadletters``: look at the records that did not fit, and send them again."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, TypeVar, get_args

import click
import orjson
from msgspec import Struct

from xinghe.commands.connect import UnavailableError, kafka_client_options, wait_for_kafka
from xinghe.commands.options import json_option, kafka_option
from xinghe.domain.events import DEAD_LETTER, SOURCE_EVENTS
from xinghe.domain.outputs import Reason
from xinghe.serving.dead_letters import TEXT_MAX, DeadLetter, dead_letter_of, safe_text
from xinghe.simulator.sender import BatchSender, SendError

REASONS: Final[tuple[str, ...]] = get_args(Reason)
POLL_MS: Final = 500

Command = TypeVar("Command", bound=Callable[..., Any])
Result = TypeVar("Result")


class Filter(Struct, frozen=True):
    """Which dead letters are meant; ``None`` for any."""

    reason: str | None
    topic: str | None

    def takes(self, letter: DeadLetter) -> bool:
        """Whether the letter is one of them."""
        return self.reason in {None, letter.reason} and self.topic in {None, letter.source_topic}


def filter_options(command: Command) -> Command:
    """``--reason`` and ``--topic``."""
    command = click.option("--topic", metavar="TOPIC", help="Only those that came from this source topic.")(
        command
    )
    return click.option("--reason", type=click.Choice(REASONS), help="Only those refused for this reason.")(
        command
    )


@click.group()
def command() -> None:
    """List, show and replay the records that did not fit.

    A record that breaks the contract is kept in xinghe.dead-letter.v1 as it came, with the reason and the place it came
    from, and stops nothing.

    \b
    Examples:
      xinghe deadletters list
      xinghe deadletters show --reason invalid --limit 3
      xinghe deadletters replay --topic taobao.order.paid.v1 --dry-run
    """


@command.command(name="list")
@kafka_option
@filter_options
@json_option
def list_(kafka_bootstrap_servers: str, reason: str | None, topic: str | None, as_json: bool) -> None:
    """Count the dead letters by reason and source topic."""
    counts = _run(kafka_bootstrap_servers, _count(kafka_bootstrap_servers, Filter(reason, topic)))
    rows = [
        {"reason": reason, "source_topic": source, "count": count}
        for (reason, source), count in sorted(counts.items())
    ]
    if as_json:
        _print_json({"total": counts.total(), "counts": rows})
        return
    for row in rows:
        click.echo(f"{row['reason']:<20} {row['source_topic']:<28} {row['count']:>10}")
    click.echo(f"{counts.total()} dead letters.", err=True)


@command.command()
@kafka_option
@filter_options
@click.option("--limit", type=click.IntRange(1), default=10, show_default=True, help="How many, the latest.")
@click.option(
    "--full", is_flag=True, help=f"Whole keys and values; without it their first {TEXT_MAX} characters."
)
@json_option
def show(
    kafka_bootstrap_servers: str, reason: str | None, topic: str | None, limit: int, full: bool, as_json: bool
) -> None:
    """Show the latest dead letters, oldest of them first.

    Keys and values are shown as text; control characters and what is not UTF-8 are written as \\x.., so that they do
    nothing to the terminal.
    """
    letters = _run(kafka_bootstrap_servers, _latest(kafka_bootstrap_servers, Filter(reason, topic), limit))
    shown = [_shown(letter, None if full else TEXT_MAX) for letter in letters]
    if as_json:
        _print_json(shown)
        return
    for fields in shown:
        click.echo(
            "\n".join(f"{name:<17} {'null' if value is None else value}" for name, value in fields.items())
        )
        click.echo()
    click.echo(f"{len(shown)} dead letters shown.", err=True)


@command.command()
@kafka_option
@filter_options
@click.option("--dry-run", is_flag=True, help="Say what would be sent, send nothing.")
@json_option
def replay(
    kafka_bootstrap_servers: str, reason: str | None, topic: str | None, dry_run: bool, as_json: bool
) -> None:
    """Send dead letters to their source topics again, key and value as they came.

    Of use once the cause is gone: a new version accepts what the old one refused, or a clock has been passed by. What is
    still wrong becomes a dead letter again. A record that was accepted meanwhile is a duplicate and counts once. Each
    record carries the header replayed_from: topic/partition/offset of its dead letter. The dead letters stay.
    """
    sent, unknown = _run(
        kafka_bootstrap_servers, _replay(kafka_bootstrap_servers, Filter(reason, topic), dry_run=dry_run)
    )
    if as_json:
        _print_json(
            {
                "sent": 0 if dry_run else sent.total(),
                "would_send": sent.total() if dry_run else 0,
                "by_topic": dict(sorted(sent.items())),
                "not_a_source_topic": unknown,
            }
        )
        return
    for name, count in sorted(sent.items()):
        click.echo(f"{name:<28} {count:>10}")
    said = "Would send" if dry_run else "Sent"
    click.echo(f"{said} {sent.total()} dead letters to their source topics again.", err=True)
    if unknown:
        click.echo(f"{unknown} left out: their source_topic header names no source topic.", err=True)


def _run(bootstrap_servers: str, work: Coroutine[Any, Any, Result]) -> Result:
    """Do the work once Kafka answers; failures of Kafka end the command with exit code 69."""
    from aiokafka.errors import KafkaError

    async def waited() -> Result:
        try:
            await wait_for_kafka(bootstrap_servers)
        except BaseException:
            work.close()
            raise
        return await work

    try:
        return asyncio.run(waited())
    except (SendError, KafkaError) as error:
        raise UnavailableError(f"{error}. See that Kafka is well and try again.") from error


async def read_dead_letters(bootstrap_servers: str) -> AsyncIterator[DeadLetter]:
    """Every committed dead letter there is at the time of the call, partition by partition in order.

    Raises ``UnavailableError`` when the topic does not exist.
    """
    from aiokafka import AIOKafkaConsumer
    from aiokafka.errors import UnknownTopicOrPartitionError

    consumer = AIOKafkaConsumer(
        DEAD_LETTER,
        bootstrap_servers=bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **kafka_client_options(),
    )
    try:
        await consumer.start()
        partitions = sorted(consumer.assignment())
        # Of a read_committed consumer these are the last stable offsets.
        ends = await consumer.end_offsets(partitions)
        # The position also passes the markers of transactions, which are no records.
        while open_ := [tp for tp in partitions if await consumer.position(tp) < ends[tp]]:
            for tp, records in (await consumer.getmany(*open_, timeout_ms=POLL_MS)).items():
                for record in records:
                    if record.offset < ends[tp]:
                        yield dead_letter_of(record)
    except UnknownTopicOrPartitionError as error:
        raise UnavailableError(
            f"topic {DEAD_LETTER} is missing; create it with: xinghe topics create"
        ) from error
    finally:
        await consumer.stop()


async def _count(bootstrap_servers: str, wanted: Filter) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    async for letter in read_dead_letters(bootstrap_servers):
        if wanted.takes(letter):
            counts[letter.reason, letter.source_topic] += 1
    return counts


async def _latest(bootstrap_servers: str, wanted: Filter, limit: int) -> list[DeadLetter]:
    """The latest by broker time, over all partitions, ascending."""
    latest: dict[int, deque[DeadLetter]] = {}
    async for letter in read_dead_letters(bootstrap_servers):
        if wanted.takes(letter):
            latest.setdefault(letter.partition, deque(maxlen=limit)).append(letter)
    letters = [letter for partition in latest.values() for letter in partition]
    return sorted(letters, key=lambda letter: (letter.time_ms, letter.partition, letter.offset))[-limit:]


async def _replay(bootstrap_servers: str, wanted: Filter, *, dry_run: bool) -> tuple[Counter[str], int]:
    """Counts by topic of what was (or would be) sent, and how many name no source topic."""
    sent: Counter[str] = Counter()
    unknown = 0
    async with BatchSender(bootstrap_servers, list(SOURCE_EVENTS), kafka_client_options()) as sender:
        async for letter in read_dead_letters(bootstrap_servers):
            if not wanted.takes(letter):
                continue
            if letter.source_topic not in SOURCE_EVENTS:
                unknown += 1
                continue
            sent[letter.source_topic] += 1
            if dry_run:
                continue
            place = f"{DEAD_LETTER}/{letter.partition}/{letter.offset}"
            sender.add(letter.source_topic, letter.key, letter.value, [("replayed_from", place.encode())])
            if sender.full:
                await sender.flush()
    return sent, unknown


def _shown(letter: DeadLetter, length_max: int | None) -> dict[str, Any]:
    """A dead letter as names and harmless text."""
    return {
        "dead_letter": f"{letter.partition}/{letter.offset}",
        "time_ms": letter.time_ms,
        "reason": letter.reason,
        "detail": safe_text(letter.detail, length_max),
        "source_topic": safe_text(letter.source_topic, length_max),
        "source_partition": safe_text(letter.source_partition, length_max),
        "source_offset": safe_text(letter.source_offset, length_max),
        "key": None if letter.key is None else safe_text(letter.key, length_max),
        "value": None if letter.value is None else safe_text(letter.value, length_max),
        "value_bytes": None if letter.value is None else len(letter.value),
    }


def _print_json(data: object) -> None:
    click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2))
