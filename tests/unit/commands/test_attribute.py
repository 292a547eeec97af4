"""``xinghe attribute``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from xinghe.cli import main
from xinghe.commands.attribute import RULES
from xinghe.domain.metrics import MODELS

BRYL = "path,conversions,value,null\nC1 > C2 > C3,1,100,0\nC1,0,0,1\nC2 > C3,0,0,1\n"
ALL_MODELS = (*MODELS, "markov", "shapley")


def run(*arguments: str, text: str = BRYL) -> Result:
    return CliRunner().invoke(main, ["attribute", "--paths", "-", *arguments], input=text)


def json_of(*arguments: str, text: str = BRYL) -> dict[str, Any]:
    result = run("--json", *arguments, text=text)
    assert result.exit_code == 0, result.output
    figures: dict[str, Any] = json.loads(result.stdout)
    return figures


def conversions_of(figures: dict[str, Any], model: str) -> dict[str, float]:
    channels = figures["models"][model]["channels"]
    return {channel: round(credit["conversions"], 6) for channel, credit in channels.items()}


def row(text: str, first: str) -> list[str]:
    """The cells of the first line that begins so."""
    return re.split(r"  +", next(line for line in text.splitlines() if line.startswith(first)).strip())


def test_all_rule_models_are_there_in_the_order_of_the_metrics() -> None:
    assert tuple(RULES) == MODELS
    assert tuple(json_of()["models"]) == ALL_MODELS


def test_the_credit_by_each_model() -> None:
    figures = json_of()
    assert conversions_of(figures, "last_touch") == {"C1": 0, "C2": 0, "C3": 1}
    assert conversions_of(figures, "first_touch") == {"C1": 1, "C2": 0, "C3": 0}
    assert conversions_of(figures, "linear") == {"C1": 0.333333, "C2": 0.333333, "C3": 0.333333}
    assert conversions_of(figures, "time_decay") == {"C1": 0.142857, "C2": 0.285714, "C3": 0.571429}
    assert conversions_of(figures, "position_based") == {"C1": 0.4, "C2": 0.2, "C3": 0.4}
    assert conversions_of(figures, "markov") == {"C1": 0.2, "C2": 0.4, "C3": 0.4}
    assert conversions_of(figures, "shapley") == {"C1": 0.333333, "C2": 0.333333, "C3": 0.333333}


def test_the_credit_of_every_model_adds_up() -> None:
    figures = json_of()
    assert figures["totals"] == {"conversions": 1, "value": 100.0, "null": 2}
    assert figures["paths"] == 3
    for model in ALL_MODELS:
        sums = figures["models"][model]["sums"]
        assert sums == {"conversions": pytest.approx(1), "value": pytest.approx(100)}


def test_the_order_is_that_of_the_markov_model() -> None:
    text = "path,conversions,null\na > b > d,4,0\nc > b,0,4\n"
    assert conversions_of(json_of("--order", "1", text=text), "markov")["c"] > 0
    of_two = json_of("--order", "2", text=text)
    assert of_two["order"] == 2
    assert conversions_of(of_two, "markov")["c"] == 0


def test_the_table_shows_whole_numbers_side_by_side_with_their_sum() -> None:
    many = 123_456_789
    result = run(text=f"path,conversions,value\n[red]left > right,{many},{many}.5\nright,1,0\n")

    assert result.exit_code == 0
    assert "2 different paths: 123,456,790 conversions, value 123,456,789.50, 0 journeys" in result.stdout
    assert row(result.stdout, "channel") == [
        "channel",
        *(model.replace("_", " ") for model in ALL_MODELS),
        "removal effect",
    ]
    assert row(result.stdout, "[red]left")[1:3] == ["0.00", "123,456,789.00"]
    assert row(result.stdout, "right")[1:3] == ["123,456,790.00", "1.00"]
    assert row(result.stdout, "right")[-1] == "100.00%"
    assert row(result.stdout, "all")[1:] == ["123,456,790.00"] * len(ALL_MODELS)
    assert row(result.stdout[result.stdout.index("\nvalue") :], "all")[1:] == ["123,456,789.50"] * len(
        ALL_MODELS
    )


def test_without_value_there_is_one_table() -> None:
    result = run(text="path,conversions\na,1\n")
    assert "\nconversions" in result.stdout
    assert "\nvalue" not in result.stdout


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "paths.csv"
    file.write_text("path,conversions\na,1\n", encoding="utf-8-sig")
    assert CliRunner().invoke(main, ["attribute", "--paths", str(file)]).exit_code == 0


def test_a_wrong_row_ends_with_65_and_names_file_line_and_column(tmp_path: Path) -> None:
    file = tmp_path / "paths.csv"
    file.write_text("path,conversions\na,1\nb,two\n")

    result = CliRunner().invoke(main, ["attribute", "--paths", str(file)])

    assert result.exit_code == 65
    assert (
        result.stderr
        == f"Error: {file}, line 3, column conversions: 'two' is not a whole number from 0 to 2^53\n"
    )
    assert not result.stdout


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "paths.csv"
    file.write_bytes("path,conversions\n淘宝,1\n".encode("gbk"))

    result = CliRunner().invoke(main, ["attribute", "--paths", str(file)])

    assert result.exit_code == 65
    assert "is not UTF-8 text" in result.stderr


def test_an_order_that_is_not_offered_is_refused() -> None:
    result = run("--order", "4")
    assert result.exit_code == 2
    assert "1<=x<=3" in result.stderr
