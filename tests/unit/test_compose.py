"""``docker-compose.yml`` and the image: what can be checked without Docker."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml

from streams.settings import OTHER_NAMES, Settings
from xinghe.cli import main

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
DOCKERFILE = (ROOT / "deploy/docker/Dockerfile").read_text()

# The keys of the Compose specification that the file may use: a misspelt one is refused by `docker compose`.
TOP_KEYS = {"name", "services", "volumes", "networks", "x-xinghe"}
SERVICE_KEYS = {
    *("image", "build", "command", "entrypoint", "environment", "depends_on", "healthcheck", "restart"),
    *("profiles", "tty", "read_only", "tmpfs", "cap_drop", "security_opt", "stop_grace_period"),
    *("ports", "volumes", "networks"),
}
HEALTHCHECK_KEYS = {"test", "interval", "timeout", "retries", "start_period"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
DURATION = re.compile(r"^(\d+(ms|s|m|h))+$")


def test_only_keys_of_the_specification() -> None:
    assert set(COMPOSE) <= TOP_KEYS
    for service in SERVICES.values():
        assert set(service) <= SERVICE_KEYS


def test_the_services_of_the_demo_are_there() -> None:
    assert {name for name, service in SERVICES.items() if service.get("profiles") != ["monitoring"]} == {
        *("kafka", "redis", "topics", "worker", "index", "dashboard", "simulate", "watch", "audit")
    }
    assert {"notify", "prometheus", "alertmanager", "grafana"} < set(SERVICES)
    assert SERVICES["kafka"]["image"] == "apache/kafka:4.1.1"
    assert SERVICES["redis"]["image"] == "redis:7"
    assert all(service["image"] == "xinghe:local" for service in OURS.values())


def test_kafka_is_the_version_of_the_embedded_one() -> None:
    pom = (ROOT / "deploy/embedded/pom.xml").read_text()

    assert f"<kafka.version>{SERVICES['kafka']['image'].split(':')[1]}</kafka.version>" in pom


@pytest.mark.parametrize("name", ["kafka", "redis", "worker"])
def test_what_others_wait_for_has_a_healthcheck(name: str) -> None:
    healthcheck = SERVICES[name]["healthcheck"]

    assert set(healthcheck) <= HEALTHCHECK_KEYS
    assert healthcheck["test"][0] == "CMD"
    assert all(DURATION.match(healthcheck[key]) for key in ("interval", "timeout"))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_dependencies_exist_and_can_meet_their_condition(name: str) -> None:
    for other, needed in SERVICES[name].get("depends_on", {}).items():
        assert needed["condition"] in CONDITIONS
        if needed["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        if needed["condition"] == "service_completed_successfully":
            assert SERVICES[other]["restart"] == "no"


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_command_parses_as_a_command_of_ours(name: str) -> None:
    arguments = [str(argument) for argument in OURS[name]["command"]]
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        found = command.get_command(context, arguments.pop(0))
        assert found is not None
        command = found

    command.make_context(name, arguments)


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_environment_is_settings_of_ours(name: str) -> None:
    environment = OURS[name]["environment"]

    settings = Settings.load(environment)

    assert settings.kafka_bootstrap_servers == "kafka:9092"
    assert settings.redis_url == "redis://redis:6379/0"
    assert all(isinstance(value, str) for value in environment.values())
    assert set(OTHER_NAMES) & set(environment) == {"XINGHE_PARTITIONS"} | (
        {"XINGHE_DASHBOARD_TOKEN"} if name == "dashboard" else set()
    )


def test_ports_are_open_to_this_machine_alone() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert set(ports) == {"dashboard", "prometheus", "alertmanager", "grafana"}
    assert all(port.startswith("127.0.0.1:") for each in ports.values() for port in each)


def test_the_dashboard_shows_nothing_without_a_token() -> None:
    token = SERVICES["dashboard"]["environment"]["XINGHE_DASHBOARD_TOKEN"]

    assert token == "${XINGHE_DASHBOARD_TOKEN:-}"  # noqa: S105 - the name of one


@pytest.mark.parametrize("name", ["notify", "prometheus", "alertmanager", "grafana"])
def test_what_is_mounted_is_there_and_cannot_be_changed(name: str) -> None:
    for volume in SERVICES[name]["volumes"]:
        source, _, mode = volume.split(":")
        assert (ROOT / source).is_dir()
        assert mode == "ro"


def test_prometheus_asks_services_that_there_are() -> None:
    settings = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    ports = {
        name: str(service["command"][service["command"].index("--metrics-port") + 1])
        for name, service in OURS.items()
        if "--metrics-port" in service["command"]
    }
    targets = [
        target
        for job in settings["scrape_configs"]
        for config in job["static_configs"]
        for target in config["targets"]
    ]

    assert sorted(targets) == sorted(f"{name}:{port}" for name, port in ports.items())


def test_grafana_finds_its_dashboards_and_asks_a_service_that_there_is() -> None:
    grafana = SERVICES["grafana"]
    mounted = dict(reversed(volume.split(":")[:2]) for volume in grafana["volumes"])
    provisioning = ROOT / mounted["/etc/grafana/provisioning"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/xinghe.yml").read_text())["providers"]
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    address = urlsplit(grafana["environment"][source["url"].removeprefix("$")])

    assert list((ROOT / mounted[provider["options"]["path"]]).glob("*.json"))
    assert (ROOT / mounted[str(home.parent)] / home.name).is_file()
    assert address.hostname in SERVICES
    assert f"127.0.0.1:{address.port}:{address.port}" in SERVICES[address.hostname]["ports"]


def test_grafana_is_of_the_version_that_its_dashboards_are_made_for() -> None:
    pinned = re.search(
        r"^grafana-foundation-sdk==\d+!(\d+\.\d+)\.",
        (ROOT / "requirements-dev.txt").read_text(),
        re.MULTILINE,
    )

    assert pinned is not None
    assert SERVICES["grafana"]["image"].startswith(f"grafana/grafana:{pinned[1]}.")


def test_the_receivers_of_the_notifier_are_right_once_they_are_in_the_environment() -> None:
    named = {name: value for name, value in SERVICES["notify"]["environment"].items() if "ON_CALL" in name}
    settings = Settings(notify_receivers=str(ROOT / "deploy/notify/receivers.toml"))

    assert set(named) == {"ON_CALL_URL", "ON_CALL_SECRET"}
    assert settings.read_notify_receivers(
        {"ON_CALL_URL": "https://example.com/", "ON_CALL_SECRET": "whsec_" + "a" * 32}
    )


def test_the_build_names_a_file_that_is_there() -> None:
    for service in OURS.values():
        assert (ROOT / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_the_image_is_built_in_stages_with_hashes_and_runs_without_root() -> None:
    assert len(re.findall(r"^FROM ", DOCKERFILE, re.MULTILINE)) == 2
    assert "--require-hashes -r requirements.txt" in DOCKERFILE
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["10001"]
    assert 'ENTRYPOINT ["xinghe"]' in DOCKERFILE


def test_everything_the_image_copies_reaches_the_builder() -> None:
    sent = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
        for source in line.split()
    }

    assert copied == sent
    assert all((ROOT / source).exists() for source in copied)
