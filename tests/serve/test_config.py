"""What is told of settings that do not fit together."""

from __future__ import annotations

import base64
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from lendface.cli import app
from lendface.errors import BadCredentialsError, BadOptionError
from lendface.serve.checks import check_settings, is_on_network, is_writable
from lendface.settings import PREFIX, Settings, load_settings
from lendface.trust.certificates import _certificate, _key_text, keep_chain

SECRET = base64.b64encode(bytes(range(32))).decode()
POSTGRES = {"database_url": "postgresql://db.example/lendface", "secret": SECRET}
BUCKET = {"blobs_url": "s3://films?endpoint=http://s3.example"}
NO_CERTIFICATE = {"c2pa_cert": "", "c2pa_key": ""}
REASON = "paintings of nudes, for a museum"
PUBLIC = {"host": "0.0.0.0", "public_url": "https://swap.example.org"}

Make = Callable[..., Settings]


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate that machines share."""
    folder = tmp_path_factory.mktemp("chain") / "c2pa"
    keep_chain(folder, datetime.now(UTC))
    return folder


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chain: Path) -> Make:
    """Settings of this test alone; its data folder is not there yet. Where machines share a
    database they have one certificate, unless the test says otherwise."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)

    def make(**given: Any) -> Settings:
        own = certificate_of(chain) if "database_url" in given else {}
        return load_settings(**{"data": tmp_path / "data", **own, **given})

    return make


def certificate_of(folder: Path) -> dict[str, str]:
    return {"c2pa_cert": str(folder / "chain.pem"), "c2pa_key": str(folder / "key.pem")}


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Takes a module away, as where an extra was not installed."""

    def without(module: str) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == module]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "meta_path", [Without(module, *sys.meta_path)])

    return without


class Without:
    """Finds modules as others do, save one."""

    def __init__(self, module: str, *others: Any) -> None:
        self.module, self.others = module, others

    def find_spec(self, name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == self.module:
            return None
        found = (other.find_spec(name, *rest) for other in self.others)
        return next((spec for spec in found if spec), None)


def refusal(settings: Settings) -> str:
    with pytest.raises(BadOptionError) as told:
        check_settings(settings)
    return str(told.value)


# What cannot work


def test_settings_as_they_come_are_right_and_checking_makes_nothing(
    make: Make, tmp_path: Path
) -> None:
    assert check_settings(make()) == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("given", [{**POSTGRES, **BUCKET, **PUBLIC}, {**BUCKET, "secret": SECRET}])
def test_settings_of_a_cluster_are_right(make: Make, given: dict[str, Any]) -> None:
    assert check_settings(make(**given)) == []


def test_postgresql_without_its_driver_is_refused(
    make: Make, without: Callable[[str], None]
) -> None:
    without("psycopg")
    assert refusal(make(**POSTGRES)) == (
        "LENDFACE_DATABASE_URL needs more: pip install 'lendface[cluster]'"
    )


def test_a_bucket_without_its_library_is_refused(
    make: Make, without: Callable[[str], None]
) -> None:
    without("botocore")
    assert (
        refusal(make(**BUCKET)) == "LENDFACE_BLOBS_URL needs more: pip install 'lendface[cluster]'"
    )


def test_traces_without_their_library_are_refused(
    make: Make, without: Callable[[str], None]
) -> None:
    without("opentelemetry")
    settings = make(otlp_url="http://127.0.0.1:4318")
    assert refusal(settings) == "LENDFACE_OTLP_URL needs more: pip install 'lendface[otel]'"


def test_postgresql_without_a_secret_is_refused(make: Make) -> None:
    told = refusal(make(database_url="postgresql://db.example/lendface"))
    assert told.startswith("LENDFACE_SECRET is missing: each machine")
    assert "openssl rand -base64 32" in told


def test_a_weak_secret_is_refused(make: Make) -> None:
    assert "LENDFACE_SECRET" in refusal(make(secret="short"))


@pytest.mark.parametrize("given", [{"s3_access_key": "a"}, {"s3_secret_key": "a"}])
def test_half_of_the_buckets_keys_is_refused(make: Make, given: dict[str, str]) -> None:
    assert "go together" in refusal(make(**BUCKET, **given))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"database_url": "mysql://db/lendface"}, "LENDFACE_DATABASE_URL must begin with sqlite"),
        ({"database_url": "sqlite://"}, "LENDFACE_DATABASE_URL must begin with sqlite"),
        ({"database_url": "sqlite:"}, "LENDFACE_DATABASE_URL"),
        ({"blobs_url": "gs://films"}, "LENDFACE_BLOBS_URL must be a folder or begin with s3://"),
        ({"blobs_url": "s3://films?colour=red"}, "the bucket's address has an unknown part"),
        ({"blobs_url": "s3://"}, "a bucket is given like"),
        ({"fetch_allow": "10.0.0.0/99"}, "10.0.0.0/99"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(
    make: Make, given: dict[str, str], words: str
) -> None:
    assert words in refusal(make(**given))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("LENDFACE_SCRATCH", {"scratch": "{file}/scratch"}),
        ("LENDFACE_BLOBS_URL", {"blobs_url": "{file}/blobs"}),
        ("LENDFACE_BLOBS_URL", {"blobs_url": "file://{file}/blobs"}),
        ("LENDFACE_DATABASE_URL", {"database_url": "sqlite:///{file}/lendface.db"}),
    ],
)
def test_a_folder_that_cannot_be_written_is_told_by_its_setting(
    make: Make, tmp_path: Path, name: str, given: dict[str, str]
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"where a folder should be")
    settings = make(**{key: value.format(file=file) for key, value in given.items()})
    assert refusal(settings).startswith(f"{name}: the folder cannot be written")


def test_the_data_folder_is_needed_only_where_something_is_kept_in_it(
    make: Make, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"where a folder should be")
    assert "LENDFACE_DATA: the folder cannot be written" in refusal(make(data=file))
    given = {**POSTGRES, **BUCKET, "scratch": tmp_path / "scratch"}
    assert check_settings(make(data=file, **given)) == []


def test_all_that_is_wrong_is_told_at_once(make: Make) -> None:
    told = refusal(make(database_url="postgresql://h/d", s3_access_key="a", fetch_allow="a b/c"))
    assert all(word in told for word in ("LENDFACE_SECRET", "go together", "b/c"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_elses_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert not is_writable(tmp_path / "data")


# What signs results


def test_machines_that_share_a_database_share_a_certificate_too(make: Make) -> None:
    settings = make(**POSTGRES, **BUCKET, **NO_CERTIFICATE)
    with pytest.raises(BadCredentialsError, match="lendface certificate FOLDER") as told:
        check_settings(settings)
    assert told.value.code == "bad_credentials"
    assert check_settings(settings, signs=False) == []  # an API without workers


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"c2pa_key": ""}, "go together"),
        ({"c2pa_cert": "{empty}/chain.pem"}, "the file of LENDFACE_C2PA_CERT cannot be read"),
        ({"c2pa_key": "{empty}/key.pem"}, "the file of LENDFACE_C2PA_KEY cannot be read"),
        ({"c2pa_key": "{other}/key.pem"}, "is not the key of LENDFACE_C2PA_CERT"),
        ({"c2pa_cert": "{other}/key.pem"}, "must be certificates in PEM"),
        ({"c2pa_cert": "{old}/chain.pem", "c2pa_key": "{old}/key.pem"}, "expired on 2012-12-28"),
        ({"c2pa_cert": "{late}/chain.pem", "c2pa_key": "{late}/key.pem"}, "before 2098-12-31"),
    ],
)
def test_a_certificate_that_cannot_sign_is_told_before_any_work(
    make: Make, chain: Path, tmp_path: Path, change: dict[str, str], words: str
) -> None:
    for name, year in (("other", 2026), ("old", 2003), ("late", 2099)):
        keep_chain(tmp_path / name, datetime(year, 1, 1, tzinfo=UTC))
    folders = {name: tmp_path / name for name in ("other", "old", "late", "empty")}
    given = {name: value.format(**folders) for name, value in change.items()}
    with pytest.raises(BadCredentialsError, match=words):
        check_settings(make(**{**certificate_of(chain), **given}))


def test_the_certificate_of_this_machine_must_be_in_date_too(make: Make, tmp_path: Path) -> None:
    keep_chain(tmp_path / "data" / "c2pa", datetime(2003, 1, 1, tzinfo=UTC))
    with pytest.raises(BadCredentialsError, match="has expired on 2012-12-28"):
        check_settings(make())


def test_a_certificate_that_c2pa_does_not_take_is_told(make: Make, tmp_path: Path) -> None:
    """One that signs itself, and is made to sign other certificates."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    (tmp_path / "chain.pem").write_text(
        _certificate("alone", key.public_key(), key, now, is_root=True)
    )
    (tmp_path / "key.pem").write_text(_key_text(key))
    with pytest.raises(BadCredentialsError, match="C2PA does not sign with this certificate"):
        check_settings(make(**certificate_of(tmp_path)))


def test_a_certificate_that_ends_soon_is_told_and_so_is_an_operator_without(
    make: Make, chain: Path, tmp_path: Path
) -> None:
    ten_years = timedelta(days=3650)
    keep_chain(tmp_path / "ending", datetime.now(UTC) - ten_years + timedelta(days=9))
    [warning] = check_settings(make(**certificate_of(tmp_path / "ending")))
    assert "expires in 7 days" in warning
    assert check_settings(make(**certificate_of(chain))) == []
    [warning] = check_settings(make(provenance="off"))
    assert warning.startswith("LENDFACE_PROVENANCE is off")
    settings = make(**POSTGRES, **BUCKET, **NO_CERTIFICATE, provenance="off")
    assert check_settings(settings) == [warning]


def test_one_certificate_for_many_machines_is_made_by_a_command(make: Make, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["certificate", str(tmp_path / "new")])
    assert result.exit_code == 0
    told = dict(line.split("=") for line in result.stdout.splitlines())
    given = {name.removeprefix(PREFIX).lower(): value for name, value in told.items()}
    assert check_settings(make(**POSTGRES, **BUCKET, **given)) == []
    assert (tmp_path / "new" / "key.pem").stat().st_mode & 0o077 == 0
    assert (tmp_path / "new" / "root.pem").exists()
    again = CliRunner().invoke(app, ["certificate", str(tmp_path / "new")])
    assert (again.exit_code, "bad_credentials" in again.stderr) == (2, True)


# What works and is doubtful


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"host": "0.0.0.0"}, "links would lead to http://127.0.0.1:8080"),
        ({"host": "0.0.0.0", "public_url": "http://swap.example.org"}, "travel unencrypted"),
        (POSTGRES, "LENDFACE_BLOBS_URL is a folder"),
        ({"render_queue": "gpu"}, "is this machine's GPU idle?"),
        ({"provider": "cuda"}, "LENDFACE_RENDER_QUEUE cpu"),
        ({"keep_days": 0.5, "link_s": 86_400, "resume_hours": 1}, "links outlive"),
        ({"keep_days": 0.5}, "no retry finds its files"),
        ({"keep_days": 0.1, "resume_hours": 1}, "LENDFACE_JOB_TIMEOUT_S"),
        ({**PUBLIC, "metrics_open": True}, "LENDFACE_METRICS_OPEN"),
        ({"gate": "off", "gate_off_reason": REASON}, f"LENDFACE_GATE is off: .*: {REASON}"),
        (
            {"protected": "off", "protected_off_reason": REASON},
            f"LENDFACE_PROTECTED is off: .*: {REASON}",
        ),
        ({"gate_nudity": 0.95}, "LENDFACE_GATE_NUDITY is 0.95, not as usual"),
        ({"gate_age_either": 16.0}, "LENDFACE_GATE_AGE_EITHER is 16.0, not as usual"),
        ({"protected_likeness": 0.7}, "LENDFACE_PROTECTED_LIKENESS is 0.7, not as usual"),
    ],
)
def test_what_is_doubtful_is_told_and_goes_on(
    make: Make, given: dict[str, Any], words: str
) -> None:
    [warning] = check_settings(make(**given))
    assert words in warning or re.search(words, warning)


@pytest.mark.parametrize(
    "given",
    [
        PUBLIC,
        {"public_url": "http://127.0.0.1:9000"},
        {"render_queue": "gpu", "provider": "cuda"},
        {"metrics_open": True},
    ],
)
def test_nothing_is_told_of_what_fits(make: Make, given: dict[str, Any]) -> None:
    assert check_settings(make(**given)) == []


def test_a_file_with_secrets_that_others_may_read_is_told(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "data" / "lendface.toml"
    file.parent.mkdir()
    file.write_text(f'secret = "{SECRET}"', encoding="utf-8")
    file.chmod(0o644)
    [warning] = check_settings(make())
    assert "chmod 600" in warning
    file.chmod(0o600)
    assert check_settings(make()) == []


@pytest.mark.parametrize(
    ("place", "is_far"),
    [
        ("/srv/lendface/lendface.db", True),
        ("/srv/my films/lendface.db", True),
        ("/srv/fast/lendface.db", False),
        ("/home/lendface.db", False),
    ],
)
def test_the_kernel_tells_whether_a_disk_is_another_machines(
    tmp_path: Path, place: str, is_far: bool
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\n"
        "filer:/a /srv nfs4 rw 0 0\n"
        "filer:/b /srv/my\\040films cifs rw 0 0\n"
        "/dev/sdb /srv/fast xfs rw 0 0\n"
    )
    assert is_on_network(Path(place), mounts) is is_far


def test_where_the_kernel_tells_nothing_nothing_is_said(tmp_path: Path) -> None:
    assert not is_on_network(tmp_path, tmp_path / "missing")


def test_sqlite_on_another_machines_disk_is_told(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"filer:/a {tmp_path} nfs rw 0 0\n")
    monkeypatch.setattr("lendface.serve.checks.is_on_network.__defaults__", (mounts,))
    [warning] = check_settings(make())
    assert "network file system" in warning


# On the command line


@pytest.fixture
def environment(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LENDFACE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LENDFACE_PROVIDER", "cuda")


@pytest.mark.usefixtures("environment")
def test_config_prints_doubts_beside_the_settings() -> None:
    result = CliRunner().invoke(app, ["config"])
    assert result.exit_code == 0
    assert "LENDFACE_PROVIDER is cuda" in result.stderr
    assert "LENDFACE_PROVIDER is cuda" not in result.stdout


@pytest.mark.usefixtures("environment")
def test_config_refuses_what_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LENDFACE_DATABASE_URL", "postgresql://db.example/lendface")
    result = CliRunner().invoke(app, ["config"])
    assert result.exit_code == 2
    assert "LENDFACE_SECRET is missing" in result.stderr
