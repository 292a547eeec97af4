"""``xinghe schemas``: the JSON Schema of each source topic, generated from the types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec
import orjson

from xinghe.domain.events import CAMPAIGN_EVENTS, SOURCE_EVENTS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(topic: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a source topic's records; fields it does not name are allowed and ignored."""
    event = SOURCE_EVENTS[topic]
    (reference,), definitions = msgspec.json.schema_components([event])
    name = str(reference["$ref"]).rsplit("/", 1)[1]
    schema = dict(definitions[name])
    key = "campaign_id" if event in CAMPAIGN_EVENTS else "person_id"
    schema["description"] = f"{schema.get('description', '')} Kafka key: the UTF-8 of {key}.".strip()
    return {"$schema": DIALECT, "$id": f"{topic}.json", **schema}


def documents() -> dict[str, bytes]:
    """File name to content, for every source topic."""
    option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return {f"{topic}.json": orjson.dumps(schema_of(topic), option=option) for topic in SOURCE_EVENTS}


def differing(folder: Path) -> list[str]:
    """Names of files in ``folder`` that are missing, outdated or of no topic."""
    wanted = documents()
    found = {path.name: path.read_bytes() for path in folder.glob("*.json")}
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
    """Write the JSON Schema of each source topic, generated from the types.

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
    click.echo(f"{len(documents())} schemas in {folder}", err=True)
