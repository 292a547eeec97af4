"""``xinghe trace``: show why an order is credited as it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from xinghe.commands.connect import kafka_client_options, wait_for_kafka
from xinghe.commands.log_reading import reading
from xinghe.commands.options import json_option, kafka_option, load_settings

if TYPE_CHECKING:
    from xinghe.explain.reading import Told

WIDTH_WITHOUT_TERMINAL = 160


@click.command("trace")
@click.argument("order_id")
@kafka_option
@json_option
def command(order_id: str, kafka_bootstrap_servers: str, as_json: bool) -> None:
    """Show why an order is credited as it is.

    Reads every revision of the order's attribution and all events of its person, and shows the order, each touch
    with the shop and whether it is in the path, the arithmetic of each model, what each refund took back, whether the
    buyer is new, and why each revision came. The figures are recomputed from the events; where the last revision is
    not the same, that is said.

    Ends with exit code 1 if the order is not known, 69 if Kafka cannot be reached. It reads the person's partition of
    each topic from the beginning, which takes a while where there is much.

    \b
    Examples:
      xinghe trace o-1234567
      xinghe trace o-1234567 --json | jq '.[0].models'
    """
    told = asyncio.run(_told(kafka_bootstrap_servers, order_id))
    for topic in told.topics_cut:
        click.echo(f"notice: the first records of {topic} are gone; events may be missing here.", err=True)
    if not told.explanations:
        raise click.ClickException(_unknown(order_id, told.revisions))
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(told.explanations)))
        return
    from rich.console import Console

    from xinghe.commands.trace_text import as_text

    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_WITHOUT_TERMINAL)
    for explanation in told.explanations:
        console.print(as_text(explanation))


async def _told(bootstrap: str, order_id: str) -> Told:
    from xinghe.audit.journey import Limits
    from xinghe.explain.reading import explain_order

    settings = load_settings()
    limits = Limits(
        settings.touch_window_ms,
        settings.payment_window_ms,
        settings.journey_events_max,
        settings.click_over_view,
    )
    options = {"bootstrap_servers": bootstrap, **kafka_client_options()}
    await wait_for_kafka(bootstrap)
    with reading(bootstrap):
        return await explain_order(order_id, limits, options)


def _unknown(order_id: str, revisions: int) -> str:
    if revisions:
        return (
            f"order {order_id} was attributed ({revisions} revisions), but its payment is gone from the topics, so it "
            "cannot be explained."
        )
    return (
        f"order {order_id} is not known: no attribution has it. See that the id is right and that the worker has "
        "processed its payment."
    )
