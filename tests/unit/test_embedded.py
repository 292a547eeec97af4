"""What embedded services say when the machine lacks something; the real ones are tested in integration."""

from __future__ import annotations

import fcntl
import itertools
import socket
from pathlib import Path

import pytest

from xinghe import embedded
from xinghe.embedded import (
    FREE_PORTS,
    HOST,
    EmbeddedError,
    EmbeddedServices,
    check_java,
    fetch_kafka,
    free_port,
)


def command(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the path: commands exist if a test puts them there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def lib_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "lib"
    folder.mkdir()
    (folder / "kafka_2.13-4.1.1.jar").touch()
    return folder


def java(bin_dir: Path, version: str = "17.0.1") -> None:
    command(bin_dir, "java", f"echo 'openjdk version \"{version}\"' >&2")


def test_java_missing_names_the_command(bin_dir: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"Java is not installed.*apt-get install default-jre-headless"):
        check_java()


def test_java_too_old_names_what_is_there_and_what_is_needed(bin_dir: Path) -> None:
    java(bin_dir, "11.0.2")

    with pytest.raises(EmbeddedError, match=r"11\.0\.2.*needs version 17"):
        check_java()


@pytest.mark.parametrize("version", ["17.0.15", "21", "25-ea"])
def test_java_new_enough_is_taken(bin_dir: Path, version: str) -> None:
    java(bin_dir, version)

    check_java()


def test_redis_missing_names_the_command(bin_dir: Path, lib_dir: Path, tmp_path: Path) -> None:
    java(bin_dir)

    with (
        pytest.raises(EmbeddedError, match="apt-get install redis-server"),
        EmbeddedServices(tmp_path / "data", lib_dir=lib_dir),
    ):
        pass


def test_maven_missing_names_the_command(bin_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="apt-get install maven"):
        fetch_kafka(tmp_path / "none")


def test_jars_that_are_there_are_not_fetched_again(bin_dir: Path, lib_dir: Path) -> None:
    fetch_kafka(lib_dir)


def test_a_failed_fetch_leaves_nothing_and_says_why(bin_dir: Path, tmp_path: Path) -> None:
    command(bin_dir, "mvn", "echo 'Could not transfer artifact'; exit 1")

    with pytest.raises(EmbeddedError, match="Could not transfer artifact"):
        fetch_kafka(tmp_path / "lib")

    assert not (tmp_path / "lib").exists()


def test_a_fetch_is_whole_or_not_there(
    bin_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command(
        bin_dir,
        "mvn",
        # Maven works in the pom's folder, not in ours.
        'cd /; for a in "$@"; do case $a in -DoutputDirectory=*) d=${a#*=};; esac; done\n'
        '/bin/mkdir -p "$d" && : > "$d/kafka_2.13-4.1.1.jar"',
    )

    fetch_kafka(Path("lib"))

    assert [path.name for path in (tmp_path / "lib").iterdir()] == ["kafka_2.13-4.1.1.jar"]
    assert not (tmp_path / "lib.partial").exists()


def test_a_folder_with_other_things_is_not_touched(bin_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").touch()

    with pytest.raises(EmbeddedError, match="holds other things"):
        fetch_kafka(tmp_path)

    assert (tmp_path / "precious.txt").exists()


def test_outside_a_source_checkout_the_jars_must_be_named(
    bin_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "POM", tmp_path / "none.xml")

    with pytest.raises(EmbeddedError, match="--lib-dir"):
        fetch_kafka(tmp_path / "lib")


def test_a_port_in_use_is_named_with_its_flag(bin_dir: Path, lib_dir: Path, tmp_path: Path) -> None:
    java(bin_dir)
    command(bin_dir, "redis-server", "exit 1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        with (
            pytest.raises(EmbeddedError, match=f"port {port} .*--kafka-port"),
            EmbeddedServices(tmp_path / "data", kafka_port=port, lib_dir=lib_dir),
        ):
            pass


def test_a_data_folder_in_use_is_refused(bin_dir: Path, lib_dir: Path, tmp_path: Path) -> None:
    java(bin_dir)
    command(bin_dir, "redis-server", "exit 1")
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        with (
            pytest.raises(EmbeddedError, match=r"in use by another xinghe.*--data-dir"),
            EmbeddedServices(tmp_path, lib_dir=lib_dir),
        ):
            pass


def test_what_is_reserved_is_known_and_others_keep_off_until_it_is_closed(
    bin_dir: Path, lib_dir: Path, tmp_path: Path
) -> None:
    java(bin_dir)
    command(bin_dir, "redis-server", "exit 1")
    first, second = (EmbeddedServices(tmp_path, lib_dir=lib_dir) for _ in range(2))

    first.reserve()
    ports = first.kafka_port, first.redis_port
    first.reserve()

    assert all(ports)
    assert (first.kafka_port, first.redis_port) == ports
    with pytest.raises(EmbeddedError, match="in use by another xinghe"):
        second.reserve()
    second.close()
    first.close()
    second.reserve()
    second.close()


def test_a_broker_that_ends_at_once_shows_the_end_of_its_log(
    bin_dir: Path, lib_dir: Path, tmp_path: Path
) -> None:
    command(
        bin_dir,
        "java",
        'case "$*" in *version*) echo \'openjdk version "17"\' >&2;; *Storage*) ;; *) echo no space left; exit 3;; esac',
    )
    command(bin_dir, "redis-server", "exit 1")

    with (
        pytest.raises(
            EmbeddedError, match=r"Kafka ended with code 3; the end of .*kafka\.log:\nno space left"
        ),
        EmbeddedServices(tmp_path / "data", lib_dir=lib_dir),
    ):
        pass


def test_free_ports_are_others_each_time_and_not_those_of_outgoing_connections() -> None:
    ports = [free_port() for _ in range(100)]

    assert len(set(ports)) == 100
    assert set(ports) <= set(FREE_PORTS)


def test_a_port_that_is_listened_on_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(embedded, "FREE_PORTS", range(port, port + 1))
        monkeypatch.setattr(embedded, "_PORTS", itertools.repeat(port))

        with pytest.raises(EmbeddedError, match=rf"no port of 127\.0\.0\.1 from {port} to {port} is free"):
            free_port()
