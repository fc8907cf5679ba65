"""Where settings come from, which one wins, and how what is wrong with them is told."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import settings_page
from lendface.cli import app
from lendface.errors import BadOptionError
from lendface.media.inspection import protection
from lendface.models.session import RuntimeOptions
from lendface.settings import (
    PREFIX,
    Settings,
    describe_settings,
    executor_name,
    hide_passwords,
    load_settings,
    variable,
)

SECRET = base64.b64encode(bytes(range(32))).decode()
OLDER = base64.b64encode(b"o" * 40).decode()

# A value that is not the default, and one that is refused (None: every text is taken).
VALUES: Mapping[str, tuple[Any, Any]] = {
    "data": ("elsewhere", None),
    "database_url": ("sqlite:///elsewhere.db", None),
    "blobs_url": ("s3://films", None),
    "s3_access_key": ("access", None),
    "s3_secret_key": ("hidden", None),
    "public_url": ("https://swap.example.org", "swap.example.org"),
    "secret": (SECRET, None),
    "older_secrets": (f"{OLDER},{SECRET}", None),
    "host": ("0.0.0.0", None),
    "port": (0, 65536),
    "first_key": (False, "perhaps"),
    "cors_origins": ("https://studio.example.org", None),
    "cors_vendors": (False, "perhaps"),
    "trusted_proxies": ("10.0.0.1", None),
    "max_connections": (500, -1),
    "max_connections_per_address": (50, -1),
    "body_bytes_per_s": (1024, 0),
    "body_memory_mb": (512, 1),
    "log_format": ("text", "xml"),
    "log_level": ("debug", "verbose"),
    "metrics_open": (True, "perhaps"),
    "otlp_url": ("http://127.0.0.1:4318", "127.0.0.1:4318"),
    "workers": (3, -1),
    "render_queue": ("gpu", "tpu"),
    "provider": ("openvino", "abacus"),
    "threads": (4, 0),
    "poll_s": (1.5, -0.1),
    "drain_s": (60.5, -1),
    "chunk_s": (5.5, 0),
    "scratch": ("scratch", None),
    "scratch_mb": (500, 99),
    "max_upload_mb": (100, 0),
    "max_photo_mb": (10, 0),
    "max_seconds": (60.5, 0),
    "max_fps": (30.5, 0),
    "max_pixels": (1920 * 1080, 4095),
    "max_photo_pixels": (20_000_000, 4095),
    "max_gigapixels": (250.0, 0),
    "job_timeout_s": (600.5, 0),
    "rate_per_minute": (10, 0),
    "max_running": (2, 0),
    "max_queued": (50, 0),
    "keep_days": (1.5, 0),
    "resume_hours": (0.5, -1),
    "link_s": (600, 59),
    "consent": ("per_face", "perhaps"),
    "consent_targets": (True, "perhaps"),
    "provenance": ("off", "perhaps"),
    "c2pa_cert": ("chain.pem", None),
    "c2pa_key": ("key.pem", None),
    "c2pa_tsa": ("http://stamp.example.org", "stamp.example.org"),
    "label": ("always", "never"),
    "label_position": ("top-left", "middle"),
    "label_size": (0.1, 0.3),
    "policy": ("commercial", "free"),
    "gate": ("off", "perhaps"),
    "gate_off_reason": ("paintings of nudes, for a museum", None),
    "gate_nudity": (0.5, 0.1),
    "gate_age_either": (25.0, 15),
    "gate_age_both": (30.0, 17),
    "protected": ("off", "perhaps"),
    "protected_off_reason": ("nobody is on the list of ours", None),
    "protected_likeness": (0.5, 0.1),
    "tell_refusals": (False, "perhaps"),
    "fetch_allow": ("10.0.0.0/8", None),
    "fetch_timeout_s": (30.5, 0),
    "youcam_limits": (False, "perhaps"),
    "youcam_keep_days": (1.5, 0),
    "youcam_poll_window_s": (10.5, -1),
    "youcam_max_requests": (1000, 0),
    "akool_processing_webhooks": (False, "perhaps"),
    "akool_nested_detect": (True, "perhaps"),
    "akool_detect_client": ("0123456789abcdef", None),
    "akool_detect_s": (10.5, 0),
}
REFUSED = [(name, bad) for name, (_, bad) in VALUES.items() if bad is not None]
REASONS = {name: f"{name}_off_reason" for name in ("gate", "protected")}  # needed beside "off"
SECRETS = ("s3_access_key", "s3_secret_key", "secret", "older_secrets")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without any setting, and a home of the test's own."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "lendface"
    folder.mkdir(parents=True)
    return folder


def write_file(folder: Path, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "lendface.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def as_toml(name: str, value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value).lower()
    return f"{name} = {text}"


def shown(settings: Settings, name: str) -> Any:
    value = getattr(settings, name)
    if isinstance(value, Path):
        return str(value)
    return value.get_secret_value() if name in SECRETS else value


# Where they come from


def test_every_setting_is_in_these_tests() -> None:
    assert list(VALUES) == list(Settings.model_fields)


@pytest.mark.parametrize("name", VALUES)
def test_a_setting_is_read_from_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value, _ = VALUES[name]
    assert getattr(load_settings(), name) != value
    monkeypatch.setenv(variable(name), str(value))
    if reason := REASONS.get(name):
        monkeypatch.setenv(variable(reason), VALUES[reason][0])
    assert shown(load_settings(), name) == value


@pytest.mark.parametrize("name", VALUES)
def test_a_setting_is_read_from_the_file(name: str, home: Path) -> None:
    value, _ = VALUES[name]
    beside = [as_toml(REASONS[name], VALUES[REASONS[name]][0])] if name in REASONS else []
    write_file(home, as_toml(name, value), *beside)
    assert shown(load_settings(), name) == value


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file(home, "port = 1001", "workers = 1", "threads = 1")
    monkeypatch.setenv("LENDFACE_PORT", "1002")
    monkeypatch.setenv("LENDFACE_WORKERS", "2")
    settings = load_settings(port=1003, workers=None)
    assert (settings.port, settings.workers, settings.threads) == (1003, 2, 1)


def test_the_file_lies_in_the_data_folder_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file(tmp_path / "data", "port = 1001")
    monkeypatch.setenv("LENDFACE_DATA", str(tmp_path / "data"))
    assert load_settings().port == 1001


def test_the_file_lies_in_the_data_folder_that_the_command_line_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file(tmp_path / "data", "port = 1001")
    write_file(tmp_path / "other", "port = 1002")
    monkeypatch.setenv("LENDFACE_DATA", str(tmp_path / "other"))
    assert load_settings(data=tmp_path / "data").port == 1001


def test_another_file_can_be_named(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file(home, "port = 1001")
    named = write_file(tmp_path, "port = 1002")
    monkeypatch.setenv("LENDFACE_CONFIG", str(named))
    assert load_settings().port == 1002


def test_a_named_file_that_is_missing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENDFACE_CONFIG", str(tmp_path / "missing.toml"))
    with pytest.raises(BadOptionError, match="LENDFACE_CONFIG names a file that does not exist"):
        load_settings()


def test_an_empty_variable_is_as_good_as_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file(home, "port = 1001")
    monkeypatch.setenv("LENDFACE_PORT", "")
    monkeypatch.setenv("LENDFACE_SECRET", "")
    settings = load_settings()
    assert settings.port == 1001
    assert settings.secret is None


# What is wrong with them


@pytest.mark.parametrize(("name", "bad"), REFUSED)
def test_a_bad_value_is_told_by_the_name_of_its_variable(
    name: str, bad: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable(name), str(bad))
    with pytest.raises(BadOptionError, match=rf"^settings: {variable(name)}: [^;]+$"):
        load_settings()


@pytest.mark.parametrize(("name", "bad"), REFUSED)
def test_a_bad_line_of_the_file_is_told_the_same_way(name: str, bad: Any, home: Path) -> None:
    write_file(home, as_toml(name, bad))
    with pytest.raises(BadOptionError, match=rf"^settings: {variable(name)}: [^;]+$"):
        load_settings()


@pytest.mark.parametrize("name", REASONS)
@pytest.mark.parametrize("reason", [None, "", "off", "no reason", "x" * 40, "." * 40, "why " * 200])
def test_a_guard_is_not_switched_off_without_a_reason_in_words(
    name: str, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable(name), "off")
    if reason is not None:
        monkeypatch.setenv(variable(REASONS[name]), reason)
    with pytest.raises(BadOptionError, match=f"{variable(name)}=off needs {variable(name)}_OFF_RE"):
        load_settings()
    monkeypatch.setenv(variable(name), "on")
    assert load_settings().lowered_guards == {}


def test_all_bad_values_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LENDFACE_PORT", "eighty")
    monkeypatch.setenv("LENDFACE_KEEP_DAYS", "for ever")
    with pytest.raises(BadOptionError, match=r"LENDFACE_PORT: .*; LENDFACE_KEEP_DAYS: "):
        load_settings()


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LENDFACE_PROT", "80")
    with pytest.raises(BadOptionError, match="unknown settings: LENDFACE_PROT"):
        load_settings()


@pytest.mark.parametrize("line", ["prot = 80", "[server]\nport = 80"])
def test_a_line_that_no_setting_belongs_to_is_refused(line: str, home: Path) -> None:
    write_file(home, line)
    with pytest.raises(BadOptionError, match=r"settings: LENDFACE_\w+: "):
        load_settings()


@pytest.mark.parametrize("data", [b"port = ", b"\xff\xfe", b"port: 80"])
def test_a_file_that_is_no_toml_is_told(data: bytes, home: Path) -> None:
    (home / "lendface.toml").write_bytes(data)
    with pytest.raises(BadOptionError, match="must be TOML"):
        load_settings()


def test_every_provider_that_can_be_set_is_one_of_the_runtimes() -> None:
    for name in ("cpu", "cuda", "tensorrt", "openvino", "coreml", "auto"):
        assert load_settings(provider=name).provider == RuntimeOptions(provider=name).provider


# What follows from them


def test_everything_lies_in_the_data_folder_unless_it_is_said_otherwise(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path)
    assert settings.database == f"sqlite:///{tmp_path}/lendface.db"
    assert settings.blobs == f"{tmp_path}/blobs"
    assert settings.scratch_folder == tmp_path / "scratch"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://127.0.0.1:8080"),
        ("::1", "http://[::1]:8080"),
        ("swap.example.org", "http://swap.example.org:8080"),
    ],
)
def test_without_a_public_url_links_lead_to_the_address_that_is_listened_on(
    host: str, url: str
) -> None:
    assert load_settings(host=host).base_url == url


def test_the_public_url_is_used_without_a_slash_at_its_end() -> None:
    settings = load_settings(public_url="https://swap.example.org/faces/")
    assert settings.base_url == "https://swap.example.org/faces"


def test_queues_are_looked_at_less_often_on_postgresql() -> None:
    assert load_settings().polling_s < load_settings(database_url="postgresql://h/d").polling_s
    assert load_settings(poll_s=7.5).polling_s == 7.5


def test_the_role_is_in_a_workers_name() -> None:
    assert executor_name("gpu-1").endswith("-gpu-1")


# Secrets


def test_a_secret_is_made_once_and_only_its_owner_may_read_it(home: Path) -> None:
    first = load_settings().secret_ring
    assert len(first[0]) == 32
    assert load_settings().secret_ring == first
    assert stat.S_IMODE((home / "secret").stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == ["secret"]


@pytest.mark.slow
def test_processes_that_start_together_agree_on_the_secret(tmp_path: Path) -> None:
    with get_context("spawn").Pool(4) as pool:
        rings = pool.map(ring_of, [tmp_path] * 8)
    assert len(set(rings)) == 1


def ring_of(folder: Path) -> tuple[bytes, ...]:
    return load_settings(data=folder).secret_ring


def test_a_secret_that_is_given_is_not_written_down(home: Path) -> None:
    settings = load_settings(secret=SECRET, older_secrets=f" {OLDER} , ")
    assert settings.secret_ring == (bytes(range(32)), b"o" * 40)
    assert not list(home.iterdir())


@pytest.mark.parametrize("text", ["short", base64.b64encode(b"x" * 31).decode(), "not base64!" * 9])
@pytest.mark.parametrize("name", ["secret", "older_secrets"])
def test_a_weak_secret_is_refused_without_being_told(name: str, text: str) -> None:
    settings = load_settings(**{"secret": SECRET, name: text})
    with pytest.raises(BadOptionError, match="base64 of 32 bytes or more") as told:
        assert settings.secret_ring
    assert text not in str(told.value)
    with pytest.raises(BadOptionError):
        settings.check_secrets()


def test_secrets_are_never_shown(home: Path) -> None:
    texts = {name: f"telltale-{name}" for name in SECRETS}
    settings = load_settings(
        **texts, database_url="postgresql://me:telltale-p@ss@h/d?password=telltale-q"
    )
    rows = describe_settings(settings)
    assert "telltale" not in repr(settings)
    assert "telltale" not in str(settings)
    assert "telltale" not in str(rows)
    assert ("LENDFACE_DATABASE_URL", "postgresql://***@h/d?password=***") in [
        row[:2] for row in rows
    ]


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sqlite:////srv/lendface.db", "sqlite:////srv/lendface.db"),
        ("postgresql://db/lendface", "postgresql://db/lendface"),
        ("postgresql://me@db/lendface", "postgresql://***@db/lendface"),
        ("postgresql://me:a/b@db/lendface", "postgresql://***@db/lendface"),
        ("s3://films?region=x&endpoint=https://a:b@host", "s3://***@host"),
        ("postgresql:///d?user=me&password=p&x=1", "postgresql:///d?user=me&password=***&x=1"),
        ("postgresql:///d?sslpassword=p", "postgresql:///d?sslpassword=***"),
    ],
)
def test_of_a_url_neither_user_nor_password_is_shown(url: str, text: str) -> None:
    assert hide_passwords(url) == text


# The command and the page


def test_config_shows_every_setting_in_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LENDFACE_MAX_FPS", "60")
    folder = tmp_path / "data"
    result = CliRunner().invoke(app, ["config", "--data", str(folder)])
    assert result.exit_code == 0, result.output
    *rows, last = result.stdout.splitlines()
    assert last == f"files from outside are opened behind: {', '.join(protection())}"
    lines = [line.split() for line in rows]
    assert [line[0] for line in lines] == [variable(name) for name in Settings.model_fields]
    assert ["LENDFACE_MAX_FPS", "60"] in [line[:2] for line in lines]
    assert ["LENDFACE_DATA", str(folder)] in [line[:2] for line in lines]
    assert not folder.exists()


def test_config_tells_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LENDFACE_PORT", "99999")
    result = CliRunner().invoke(app, ["config", "--json"])
    assert result.exit_code == 2
    assert "LENDFACE_PORT" in result.output


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_the_page_of_settings_is_as_the_code_is() -> None:
    current = settings_page.PAGE.read_text(encoding="utf-8")
    assert current == settings_page.render(), "run: python tests/settings_page.py"
