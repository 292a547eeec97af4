"""Settings: where they come from, and what is refused in which words."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from streams.settings import FIELD_TYPES, Settings, SettingsError, description, right, without_password
from xinghe.domain.alerts import RoiBelow


def refused(env: dict[str, str], toml_path: Path | None = None) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        Settings.load(env, toml_path)
    return caught.value


def test_defaults_need_no_environment() -> None:
    settings = Settings.load({"HOME": "/somewhere", "PATH": "/bin"})

    assert settings == Settings()
    assert settings.kafka_bootstrap_servers == "127.0.0.1:9092"
    assert settings.commit_interval_ms == 200
    assert settings.instance


def test_defaults_are_right_values_themselves() -> None:
    for name, value in msgspec.structs.asdict(Settings()).items():
        assert msgspec.convert(value, FIELD_TYPES[name]) == value


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "xinghe.toml"
    file.write_text('commit_interval_ms = 500\ninstance = "from-file"\n')

    settings = Settings.load({"XINGHE_CONFIG": str(file), "XINGHE_COMMIT_INTERVAL_MS": "300"})

    assert settings.commit_interval_ms == 300
    assert settings.instance == "from-file"


def test_a_file_can_be_given_directly(tmp_path: Path) -> None:
    file = tmp_path / "xinghe.toml"
    file.write_text("metrics_port = 9100\n")

    assert Settings.load({}, file).metrics_port == 9100


@pytest.mark.parametrize(
    ("name", "value", "must_be"),
    [
        ("XINGHE_METRICS_PORT", "x", "a whole number from 0 to 65535"),
        ("XINGHE_METRICS_PORT", "70000", "a whole number from 0 to 65535"),
        ("XINGHE_METRICS_PORT", "1.5", "a whole number from 0 to 65535"),
        ("XINGHE_METRICS_PORT", "", "a whole number from 0 to 65535"),
        ("XINGHE_COMMIT_INTERVAL_MS", "9", "a whole number from 10 to 60000"),
        ("XINGHE_TOUCH_WINDOW_MS", "1296000001", "a whole number from 1 to 1296000000"),
        ("XINGHE_CLICK_OVER_VIEW", "maybe", "true or false"),
        ("XINGHE_LOG_FORMAT", "xml", "one of console, json"),
        ("XINGHE_LOG_LEVEL", "INFO", "one of debug, info, warning, error"),
        ("XINGHE_KAFKA_BOOTSTRAP_SERVERS", "kafka", "host:port, several separated by commas"),
        ("XINGHE_KAFKA_BOOTSTRAP_SERVERS", "a:1,,b:2", "host:port, several separated by commas"),
        ("XINGHE_REDIS_URL", "localhost:6379", "redis://host:port/number"),
        ("XINGHE_INSTANCE", "a b", "1 to 100 letters, digits, dots, dashes and underscores"),
        ("XINGHE_KAFKA_SSL_CAFILE", "/does/not/exist", "the path of a file that can be read"),
        ("XINGHE_KAFKA_SASL_MECHANISM", "GSSAPI", "one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
    ],
)
def test_a_wrong_value_is_refused_with_name_value_source_and_remedy(
    name: str, value: str, must_be: str
) -> None:
    error = refused({name: value})

    assert error.setting == name.removeprefix("XINGHE_").lower()
    assert error.value == repr(value)
    assert f"environment variable {name}" in error.source
    assert must_be in error.right
    assert all(part in str(error) for part in (error.setting, error.value, error.source, error.right))


@pytest.mark.parametrize("servers", ["a:1", "a.b-c:9092,10.0.0.1:9093", "[::1]:9092"])
def test_server_lists_that_are_right(servers: str) -> None:
    assert Settings.load({"XINGHE_KAFKA_BOOTSTRAP_SERVERS": servers}).kafka_bootstrap_servers == servers


def test_a_switch_is_read_from_the_environment_and_the_file(tmp_path: Path) -> None:
    file = tmp_path / "xinghe.toml"
    file.write_text("click_over_view = false\n")

    assert Settings().click_over_view
    assert not Settings.load({"XINGHE_CLICK_OVER_VIEW": "false"}).click_over_view
    assert not Settings.load({}, file).click_over_view
    assert Settings.load({"XINGHE_CLICK_OVER_VIEW": "true"}, file).click_over_view


def test_an_unknown_name_is_refused_with_the_nearest_known_one() -> None:
    error = refused({"XINGHE_COMMIT_INTERVAL": "300"})

    assert error.setting == "XINGHE_COMMIT_INTERVAL"
    assert "XINGHE_COMMIT_INTERVAL_MS" in str(error)


def test_names_of_ours_that_are_no_settings_are_left_alone() -> None:
    assert Settings.load({"XINGHE_PARTITIONS": "8", "XINGHE_DEMO_SECONDS": "5"}) == Settings()


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "xinghe.toml"
    file.write_text("comit_interval_ms = 300\n")

    error = refused({}, file)

    assert "comit_interval_ms" in str(error)
    assert "commit_interval_ms" in error.right
    assert str(file) in error.source


@pytest.mark.parametrize("line", ["metrics_port = true", "metrics_port = 1.5", "instance = 7"])
def test_a_wrong_type_in_the_file_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "xinghe.toml"
    file.write_text(line)

    error = refused({}, file)

    assert error.setting == line.split(" ", 1)[0]
    assert str(file) in error.source


def test_a_file_that_is_missing_or_no_toml_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_bytes(b"\xff = =")

    assert "can be read" in refused({"XINGHE_CONFIG": str(tmp_path / "none.toml")}).right
    assert "well-formed TOML" in refused({"XINGHE_CONFIG": str(broken)}).right


def test_alert_rules_are_those_built_in_or_those_of_a_file(tmp_path: Path) -> None:
    assert "data-late" in {rule.name for rule in Settings().read_alert_rules()}
    file = tmp_path / "rules.toml"
    file.write_text('[[rule]]\nname = "roi"\nkind = "roi_below"\nratio = 1.1\n')
    rules = Settings.load({"XINGHE_ALERT_RULES": str(file)}).read_alert_rules()
    assert rules == [RoiBelow(name="roi", ratio=Decimal("1.1"))]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[[rule]]\nname = "roi"\nkind = "roi_below"\nratio = 0\n', "rule 1 (roi): `ratio` must be above 0"),
        ('[[rule]]\nname = "late"\nkind = "data_late"\nminutes = "1"\n', "rule 1 (late): Expected `int`"),
        ("[[rule]\n", "line 1"),
    ],
)
def test_a_wrong_alert_rule_is_refused_by_its_name_and_field(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(text)
    error = refused({"XINGHE_ALERT_RULES": str(file)})
    assert error.setting == "alert_rules"
    assert named in str(error)
    assert "can be read" in refused({"XINGHE_ALERT_RULES": str(tmp_path / "none.toml")}).right


SASL = {
    "XINGHE_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "XINGHE_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "XINGHE_KAFKA_SASL_USERNAME": "xinghe",
    "XINGHE_KAFKA_SASL_PASSWORD": "hunter2",
}


@pytest.mark.parametrize("missing", [name for name in SASL if "SASL_" in name.removeprefix("XINGHE_KAFKA_")])
def test_a_login_needs_all_its_parts(missing: str) -> None:
    error = refused({name: value for name, value in SASL.items() if name != missing})

    assert error.setting in {missing.removeprefix("XINGHE_").lower(), "kafka_security_protocol"}


def test_a_login_that_the_protocol_would_ignore_is_refused() -> None:
    error = refused({**SASL, "XINGHE_KAFKA_SECURITY_PROTOCOL": "SSL"})

    assert error.setting == "kafka_security_protocol"


def test_certificates_that_the_protocol_would_ignore_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("")

    assert refused({"XINGHE_KAFKA_SSL_CAFILE": str(file)}).setting == "kafka_security_protocol"


def test_client_options_carry_the_login() -> None:
    assert Settings.load(SASL).kafka_client_options() == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "xinghe",
        "sasl_plain_password": "hunter2",
    }
    assert Settings().kafka_client_options() == {"security_protocol": "PLAINTEXT"}


def test_client_options_encrypt_by_the_systems_certificates() -> None:
    options = Settings.load({"XINGHE_KAFKA_SECURITY_PROTOCOL": "SSL"}).kafka_client_options()

    assert options["ssl_context"].check_hostname


def test_a_file_without_certificates_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    settings = Settings.load({"XINGHE_KAFKA_SECURITY_PROTOCOL": "SSL", "XINGHE_KAFKA_SSL_CAFILE": str(file)})

    with pytest.raises(SettingsError, match="kafka_ssl_cafile"):
        settings.kafka_client_options()


def test_secrets_are_never_shown() -> None:
    settings = Settings.load({**SASL, "XINGHE_REDIS_URL": "rediss://app:hunter2@cache:6379/0"})

    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)
    assert "rediss://app:***@cache:6379/0" in repr(settings)
    assert "hunter2" not in str(refused({"XINGHE_REDIS_URL": "http://app:hunter2@cache"}))
    assert "***" in str(refused({"XINGHE_KAFKA_SASL_PASSWORD": ""}))


def test_without_password_leaves_other_urls_alone() -> None:
    assert without_password("redis://cache:6379/0") == "redis://cache:6379/0"
    assert without_password("redis://:p@ss@cache/0") == "redis://:***@cache/0"


@pytest.mark.parametrize("name", sorted(FIELD_TYPES))
def test_every_setting_says_what_it_is_for_and_what_is_right(name: str) -> None:
    assert description(name).endswith(".")
    assert right(name)


def receivers_file(tmp_path: Path, secret: str) -> str:
    file = tmp_path / "receivers.toml"
    file.write_text(f'[[receiver]]\nname = "on-call"\nurl = "https://example.com/"\n{secret}\n')
    return str(file)


def test_receivers_are_read_with_what_they_take_from_the_environment(tmp_path: Path) -> None:
    file = receivers_file(tmp_path, 'secret_env = "SECRET"\nrules = ["data-late"]')
    settings = Settings.load({"XINGHE_NOTIFY_RECEIVERS": file, "XINGHE_NOTIFY_PRIVATE_ADDRESSES": "true"})

    [receiver] = settings.read_notify_receivers({"SECRET": "whsec_" + "a" * 32})

    assert (receiver.name, settings.notify_private_addresses) == ("on-call", True)


def test_a_wrong_receiver_is_refused_by_its_name_and_field_but_not_its_secret(tmp_path: Path) -> None:
    settings = Settings.load({"XINGHE_NOTIFY_RECEIVERS": receivers_file(tmp_path, 'secret = "hush"')})

    with pytest.raises(SettingsError, match=r"receiver 1 \(on-call\): `secret` must be") as error:
        settings.read_notify_receivers({})

    assert "hush" not in str(error.value)


def test_a_notifier_needs_receivers() -> None:
    with pytest.raises(SettingsError, match="notify_receivers is not set"):
        Settings().read_notify_receivers({})


def test_a_flag_that_is_neither_true_nor_false_is_refused() -> None:
    with pytest.raises(SettingsError, match="must be true or false"):
        Settings.load({"XINGHE_NOTIFY_PRIVATE_ADDRESSES": "perhaps"})
