"""``xinghe attribute``: credit channels by every model, side by side, from a file of paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TextIO

import click

from xinghe.commands.options import json_option
from xinghe.domain.attribution import first_touch, linear, position_based, time_decay
from xinghe.domain.attribution.by_rule import by_rule
from xinghe.domain.attribution.markov import by_effect, removal_effects
from xinghe.domain.attribution.path_counts import PathCounts, total
from xinghe.domain.attribution.shapley import shapley

if TYPE_CHECKING:
    from xinghe.commands.attribution_table import Attribution

RULES: Final[Mapping[str, Callable[[Sequence[int]], list[int]]]] = {
    # Of the last of all touches; the kinds that would put an ad click first are not in a file of paths.
    "last_touch": lambda positions: [0] * (len(positions) - 1) + [1],
    "first_touch": first_touch.weights,
    "linear": linear.weights,
    "time_decay": partial(time_decay.weights, half_life_ms=1),
    "position_based": position_based.weights,
}
"""Model to its weights for the positions in a path, which stand for times: each step back is a half-life."""

WIDTH_MAX: Final = 10_000
"""Characters of a line of the table at most."""


class PathsUnusableError(click.ClickException):
    """The file cannot be read as paths; the message says where and why."""

    exit_code = 65  # EX_DATAERR


@click.command("attribute")
@click.option(
    "--paths",
    "file",
    metavar="FILE.csv",
    type=click.File(encoding="utf-8-sig"),
    required=True,
    help="The paths, in UTF-8; - reads standard input.",
)
@click.option(
    "--order",
    type=click.IntRange(1, 3),
    default=1,
    show_default=True,
    help="How many channels back a step of the Markov model depends on.",
)
@json_option
def command(file: TextIO, order: int, as_json: bool) -> None:
    """Credit channels by every model, side by side, from a file of paths.

    The file is CSV; its first line names the columns: path, the channels in order, as in "search > note > ad";
    conversions, how many journeys along this path converted; and if wanted value, that of these conversions together,
    and null, how many journeys along it did not convert. Lines of the same path add up.

    The models are last_touch (of the path; the file does not tell clicks from views), first_touch, linear, time_decay
    (half the weight for each step back, since the file has no times), position_based (40, 20 and 40 percent), markov
    (removal effects) and shapley (of the sets of channels). Each credits all conversions and all value.

    \b
    Examples:
      xinghe attribute --paths journeys.csv
      xinghe attribute --paths journeys.csv --order 2 --json > credit.json
    """
    from rich.console import Console

    from xinghe.commands import attribution_table
    from xinghe.commands.path_file import PathFileError, read_paths

    try:
        paths = read_paths(file)
    except PathFileError as error:
        raise PathsUnusableError(f"{file.name}, {error}") from error
    except UnicodeDecodeError as error:
        raise PathsUnusableError(f"{file.name} is not UTF-8 text: {error.reason}") from error
    attribution = attribute(paths, order)
    if as_json:
        import orjson

        click.echo(orjson.dumps(attribution_table.as_json(attribution), option=orjson.OPT_INDENT_2))
        return
    tables = attribution_table.as_tables(attribution)
    console = Console()
    # As wide as the tables need, also beyond the terminal's width: it breaks lines, and no number is cut.
    needed = console.measure(tables, options=console.options.update(width=WIDTH_MAX)).maximum
    console.width = max(console.width, needed)
    console.print(tables)


def attribute(paths: PathCounts, order: int) -> Attribution:
    """The credit of each channel by every model; ``order`` is that of the Markov model."""
    from xinghe.commands.attribution_table import Attribution

    totals = total(paths.values())
    effects = removal_effects(paths, order)
    models = {model: by_rule(paths, weights) for model, weights in RULES.items()}
    models["markov"] = by_effect(effects, totals)
    models["shapley"] = shapley(paths)
    return Attribution(len(paths), totals, order, effects, models)
