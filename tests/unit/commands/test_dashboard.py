"""``xinghe dashboard`` opens nothing to others without saying who may see what."""

from __future__ import annotations

import socket
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from xinghe.commands.dashboard import PEOPLE_MIN, TOKEN_LENGTH_MIN, TOKEN_VARIABLE, command
from xinghe.commands.options import EXIT_CONFIG
from xinghe.dashboard import privacy
from xinghe.dashboard.access import read_access


def test_the_least_number_of_people_is_one_and_the_same() -> None:
    assert PEOPLE_MIN == privacy.PEOPLE_MIN


@pytest.fixture(autouse=True)
def _no_token_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


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


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])  # noqa: S104 - it must be refused
def test_a_token_that_could_be_guessed_is_refused_and_not_shown(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "s" * (TOKEN_LENGTH_MIN - 1)
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    result = CliRunner().invoke(command, ["--host", host])
    assert result.exit_code == EXIT_CONFIG
    assert TOKEN_VARIABLE in result.stderr
    assert token not in result.stderr


def test_an_empty_token_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "")
    result = CliRunner().invoke(command, ["--host", "0.0.0.0"])  # noqa: S104 - it must be refused
    assert result.exit_code == EXIT_CONFIG


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        result = CliRunner().invoke(command, ["--port", port])
    assert result.exit_code == EXIT_CONFIG
    assert f"port {port} of 127.0.0.1" in result.stderr
    assert "--port" in result.stderr
