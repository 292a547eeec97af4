"""``xinghe dashboard`` opens nothing to others without saying who may see what."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from xinghe.commands.dashboard import PEOPLE_MIN, command
from xinghe.commands.options import EXIT_CONFIG
from xinghe.dashboard import privacy
from xinghe.dashboard.access import read_access


def test_the_least_number_of_people_is_one_and_the_same() -> None:
    assert PEOPLE_MIN == privacy.PEOPLE_MIN


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "xinghe.example"])  # noqa: S104 - it must be refused
def test_an_open_address_needs_the_file_of_tokens(host: str) -> None:
    result = CliRunner().invoke(command, ["--host", host])
    assert result.exit_code == EXIT_CONFIG
    assert "--access" in result.stderr


def test_a_wrong_file_ends_the_command_with_what_would_be_right(tmp_path: Path) -> None:
    path = tmp_path / "access.toml"
    path.write_text("", encoding="utf-8")
    result = CliRunner().invoke(command, ["--access", str(path)])
    assert result.exit_code == EXIT_CONFIG
    assert "[[token]]" in result.stderr


def test_a_new_token_opens_what_its_lines_say(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["--new-token", 'l"ily'])
    path = tmp_path / "access.toml"
    path.write_text(result.stdout.replace("[]", '["s1"]'), encoding="utf-8")
    assert tomllib.loads(result.stdout)["token"][0]["shops"] == []
    viewer = read_access(path).by_token(result.stderr.strip().rpartition(" ")[2])
    assert viewer is not None
    assert (viewer.name, viewer.shops) == ('l"ily', frozenset({"s1"}))
