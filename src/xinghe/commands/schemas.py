"""``xinghe schemas``: the contracts that others rely on, generated from the types."""

from __future__ import annotations

from pathlib import Path

import click
import orjson


def documents() -> dict[str, bytes]:
    """File name to content: a JSON Schema for each topic, the AsyncAPI document, the page of the Redis keys."""
    from xinghe.contracts.asyncapi import asyncapi_document
    from xinghe.contracts.json_schemas import json_schemas
    from xinghe.contracts.redis_page import redis_page

    option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    in_json = {**json_schemas(), "asyncapi.json": asyncapi_document()}
    return {
        **{name: orjson.dumps(document, option=option) for name, document in in_json.items()},
        "REDIS.md": redis_page().encode(),
    }


def differing(folder: Path) -> list[str]:
    """Names of files in ``folder`` that are missing, outdated or superfluous."""
    wanted = documents()
    found = {path.name: path.read_bytes() for path in folder.glob("*") if path.is_file()}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("schemas"),
    show_default=True,
    help="Where the files are.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file is not what the types say.")
def command(folder: Path, check: bool) -> None:
    """Write the contracts that others rely on, generated from the types.

    These are the JSON Schema of each topic that Xinghe reads or writes, asyncapi.json (AsyncAPI 3.0: topics, keys, headers) and
    REDIS.md (the keys and metrics in Redis).

    \b
    Examples:
      xinghe schemas
      xinghe schemas --check
    """
    if check:
        names = differing(folder)
        for name in names:
            click.echo(f"{folder / name} is not what the types say; run `xinghe schemas`")
        raise SystemExit(1 if names else 0)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in documents().items():
        (folder / name).write_bytes(content)
    click.echo(f"{len(documents())} files in {folder}", err=True)
