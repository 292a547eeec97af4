"""The command ``xinghe``: a group that imports a command's module only when that command is run."""

from __future__ import annotations

import importlib
import logging
from typing import Final

import click

COMMANDS: Final[dict[str, str]] = {
    "up": "Run a local Kafka and Redis in the foreground.",
    "topics": "Create the topics, or check that they are as they must be.",
    "worker": "Run the stream: events in Kafka to campaign funnels in Redis.",
    "index": "Copy orders, ledgers, settings and dead letters from Kafka into Redis.",
    "simulate": "Write live, seeded traffic to the source topics.",
    "replay": "Write the events of a recorded data set to the source topics.",
    "watch": "Show the live funnel of every campaign from Redis.",
    "dashboard": "Serve the web dashboard and its JSON API from Redis.",
    "alerts": "Show the alerts that are open, and the last ones.",
    "notify": "Tell the receivers of alerts, by webhook.",
    "audit": "Recompute the whole truth from the source topics and compare.",
    "trace": "Show why an order is credited as it is: touches, arithmetic, refunds, revisions.",
    "settle": "Show what is booked for a campaign: who owes whom, by rule and period.",
    "ledger": "Check that the books are in order.",
    "attribute": "Credit channels by every model, side by side, from a file of paths.",
    "deadletters": "List, show and replay the records that did not fit.",
    "export": "Write attributions or funnel windows to a Parquet file.",
    "schemas": "Write the contracts: JSON Schemas, AsyncAPI, Redis keys.",
    "demo": "All of it on this machine: services, worker, dashboard, traffic, table, audit.",
}
"""Command to its one line in ``xinghe --help``, so that the list needs no import."""


class LazyGroup(click.Group):
    """A group whose commands live in ``xinghe.commands.<name>``, each as ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which a newcomer meets them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command named; ``None`` for a name that is not in the list."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"xinghe.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from ``COMMANDS``, without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="xinghe")
def main() -> None:
    """From notes on Xiaohongshu to orders on Taobao: live campaign funnels, exactly once.

    To see everything at work on this machine:

    \b
      xinghe demo

    To run it in parts, each in its own terminal:

    \b
      xinghe up                 # a local Kafka and Redis
      xinghe topics create      # once
      xinghe worker             # the stream
      xinghe index              # orders, ledgers and dead letters for the dashboard
      xinghe simulate           # traffic
      xinghe watch              # the live table
      xinghe audit              # is every figure right?

    Where Kafka and Redis are is told by --kafka-bootstrap-servers and --redis-url, by
    XINGHE_KAFKA_BOOTSTRAP_SERVERS and XINGHE_REDIS_URL, or by the TOML file that XINGHE_CONFIG names.
    Data goes to standard output, progress and logs to standard error.
    """
    # Libraries may warn of what the commands report in their own words; only real errors pass.
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
