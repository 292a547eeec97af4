"""The command group: what it lists, what it imports, how it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from streams.settings import FIELD_TYPES, OTHER_NAMES
from xinghe.cli import COMMANDS, main
from xinghe.commands.settings_flags import NO_FLAG
from xinghe.commands.worker import command as worker

HEAVY = ("aiokafka", "faust", "pyarrow", "redis", "rich", "structlog")


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FIELD_TYPES:
        monkeypatch.delenv(f"XINGHE_{name.upper()}", raising=False)
    monkeypatch.delenv("XINGHE_CONFIG", raising=False)


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(main, ["--help"])

    assert result.exit_code == 0
    assert all(f"  {name} " in result.output for name in COMMANDS)


def test_help_imports_no_command_and_no_heavy_library() -> None:
    script = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from xinghe.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "print([name for name in sys.modules if name.startswith('xinghe.commands.')"
        f" or name in {HEAVY!r}])\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_every_variable_that_a_command_reads_is_known_to_the_settings() -> None:
    context = click.Context(main)
    commands = [main.get_command(context, name) for name in COMMANDS]
    found = [command for command in commands if command is not None]
    for group in [command for command in found if isinstance(command, click.Group)]:
        found += group.commands.values()
    names = {
        option.envvar
        for command in found
        for option in command.params
        if isinstance(option.envvar, str) and option.envvar.startswith("XINGHE_")
    }
    assert "XINGHE_DASHBOARD_SECRET" in names
    assert names <= OTHER_NAMES.keys() | {f"XINGHE_{name.upper()}" for name in FIELD_TYPES}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_with_an_example(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])

    assert result.exit_code == 0, result.output
    assert f"xinghe {name}" in result.output


def test_an_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(main, ["dance"])

    assert result.exit_code == 2
    assert "No such command 'dance'" in result.output


def test_the_worker_has_a_flag_for_every_setting_but_the_secret() -> None:
    flags = {parameter.name for parameter in worker.params}

    assert flags == set(FIELD_TYPES) - NO_FLAG | {"wait_seconds"}


def test_a_wrong_flag_ends_the_worker_with_78_and_names_the_flag() -> None:
    result = CliRunner(env={"XINGHE_METRICS_PORT": None}).invoke(main, ["worker", "--metrics-port", "many"])

    assert result.exit_code == 78
    assert "flag --metrics-port" in result.output
    assert "a whole number from 0 to 65535" in result.output


def test_a_wrong_environment_ends_the_worker_with_78_and_names_the_variable() -> None:
    result = CliRunner(env={"XINGHE_LOG_LEVEL": "loud"}).invoke(main, ["worker"])

    assert result.exit_code == 78
    assert "XINGHE_LOG_LEVEL" in result.output


def test_other_commands_take_their_defaults_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "xinghe.toml"
    file.write_text('kafka_bootstrap_servers = "127.0.0.1:9"\n')

    result = CliRunner(env={"XINGHE_CONFIG": str(file)}).invoke(
        main, ["topics", "check", "--wait-seconds", "0"]
    )

    assert result.exit_code == 69
    assert "Kafka at 127.0.0.1:9 is not reachable" in result.output
    assert "Traceback" not in result.output


def test_topics_refuses_wrong_settings_with_78() -> None:
    result = CliRunner(env={"XINGHE_CONFIG": "/does/not/exist"}).invoke(main, ["topics", "check"])

    assert result.exit_code == 78
    assert "XINGHE_CONFIG" in result.output
