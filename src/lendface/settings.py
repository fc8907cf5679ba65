"""Reads the environment and the settings file, once.

Every setting is an environment variable ``LENDFACE_<NAME>``, or a line of the TOML file that
``LENDFACE_CONFIG`` names (by default ``lendface.toml`` in the data folder). The command line wins
over the environment, the environment over the file. An empty variable is as good as none.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import socket
from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from .errors import BadOptionError
from .trust.lowered import REASON_LENGTH, REASON_LETTERS, is_reason, lowered_guards
from .trust.thresholds import Thresholds

if TYPE_CHECKING:
    from .trust.label import LabelRule

PREFIX = "LENDFACE_"
FILE_NAME = "lendface.toml"
MIB = 1 << 20


class Settings(BaseSettings):
    """What an operator can set. Sizes in bytes or MiB, times in seconds or days, as named."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )

    # Where things are
    data: Path = Field(
        default_factory=lambda: _home(), description="folder for everything of one machine"
    )
    database_url: str = Field(
        "", repr=False, description="sqlite:///file or postgresql://...; default in data"
    )
    blobs_url: str = Field(
        "", description="folder or s3://bucket/prefix?endpoint=...; default in data"
    )
    s3_access_key: SecretStr | None = Field(None, description="of the bucket; else the AWS chain")
    s3_secret_key: SecretStr | None = Field(None, description="goes with s3_access_key")
    public_url: str = Field("", description="how clients reach this server, for links it gives out")
    secret: SecretStr | None = Field(
        None, description="32 random bytes as base64: seals secrets, signs links; default in data"
    )
    older_secrets: SecretStr | None = Field(
        None, description="earlier secrets, comma between; still opened"
    )

    # The server
    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0: all")
    port: int = Field(8080, ge=0, le=65535, description="0: one that is free")
    first_key: bool = Field(True, description="make a client and print its key where there is none")
    cors_origins: str = Field(
        "", description="origins of pages that may call, comma between; *: all"
    )
    cors_vendors: bool = Field(
        True,
        description="pages of any origin may call the vendors' APIs, with a key in a header, and "
        "links to files",
    )
    trusted_proxies: str = Field("", description="whose X-Forwarded-For counts, comma between")
    max_connections: int = Field(
        0, ge=0, description="of one process; 0: 4096, or what the limit of open files allows"
    )
    max_connections_per_address: int = Field(
        0, ge=0, description="except of trusted proxies; 0: a quarter of all"
    )
    body_bytes_per_s: int = Field(
        4096, ge=1, description="that a request's body has to come with, over 30 s"
    )
    body_memory_mb: int = Field(
        256, ge=64, description="for bodies of requests, files not counted, held at once"
    )

    # What it tells those who run it
    log_format: Literal["json", "text"] = Field(
        "json", description="one JSON object a line, or not"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="of our own lines; libraries speak from warning on"
    )
    metrics_open: bool = Field(False, description="answer /metrics without a key")
    otlp_url: str = Field(
        "", description="OpenTelemetry collector for traces, like http://127.0.0.1:4318"
    )

    # Workers
    workers: int = Field(0, ge=0, le=256, description="render processes beside serve; 0: by cores")
    render_queue: Literal["cpu", "gpu"] = Field("cpu", description="where rendering is put")
    provider: Literal["cpu", "cuda", "tensorrt", "openvino", "coreml", "auto"] = Field(
        "cpu", description="inference provider of the workers"
    )
    threads: int = Field(1, ge=1, le=64, description="inference threads of one worker")
    poll_s: float = Field(0.0, ge=0, le=60, description="between looks at a queue; 0: by database")
    drain_s: float = Field(20.0, ge=0, le=3600, description="for what runs when told to stop")
    chunk_s: float = Field(10.0, gt=0, le=600, description="length of film in one chunk")
    scratch: Path | None = Field(None, description="folder for temporary files; default in data")
    scratch_mb: int = Field(20_000, ge=100, description="of temporary files, for each worker")

    # Limits
    max_upload_mb: int = Field(2048, ge=1, description="of one video")
    max_photo_mb: int = Field(32, ge=1, description="of one photo")
    max_seconds: float = Field(3600, gt=0, description="length of one video")
    max_fps: float = Field(121, gt=0, description="frames a second of one video")
    max_pixels: int = Field(4096 * 2304, ge=4096, description="of one frame")
    max_photo_pixels: int = Field(100_000_000, ge=4096, le=250_000_000, description="of one photo")
    max_gigapixels: float = Field(
        500, gt=0, description="of all frames of one video together: work that few bytes can hide"
    )
    job_timeout_s: float = Field(6 * 3600, gt=0, description="from its start to its end")
    rate_per_minute: int = Field(600, ge=1, description="requests of one key")
    max_running: int = Field(16, ge=1, description="jobs of one key at a time")
    max_queued: int = Field(100_000, ge=1, description="jobs that may wait, of all keys")

    # Keeping
    keep_days: float = Field(7, gt=0, description="inputs and results are deleted after this")
    resume_hours: float = Field(24, ge=0, description="chunks of a failed job are kept for a retry")
    link_s: int = Field(7200, ge=60, le=604_800, description="life of links to uploads and results")

    # Trust
    consent: Literal["attest", "per_face"] = Field(
        "attest", description="a key's owner attests once, or each source needs a consent on record"
    )
    consent_targets: bool = Field(
        False, description="with per_face: each person who is replaced needs a consent too"
    )
    provenance: Literal["on", "off"] = Field(
        "on", description="sign results with C2PA, and say in their metadata what was done"
    )
    c2pa_cert: str = Field(
        "", description="file: own certificate and those above it, PEM; default made in data"
    )
    c2pa_key: str = Field("", description="file: its private key, PEM without a password")
    c2pa_tsa: str = Field("", description="URL of a time stamp authority (RFC 3161)")
    label: Literal["asked", "always"] = Field(
        "asked", description="visible label in results: where it is asked for, or always"
    )
    label_position: Literal["bottom-right", "bottom-left", "top-right", "top-left"] = Field(
        "bottom-right", description="corner of the label, where a request names none"
    )
    label_size: float = Field(
        0.06, ge=0.02, le=0.25, description="its height, as a share of the picture's"
    )
    policy: Literal["any", "commercial"] = Field(
        "any", description="models that may be used; commercial: whose licence allows such use"
    )
    gate: Literal["on", "off"] = Field(
        "on", description="refuse nudity, and people who look like minors"
    )
    gate_off_reason: str = Field(
        "", description="with LENDFACE_GATE=off: why, in words; also written into results"
    )
    gate_nudity: float = Field(
        0.8, ge=0.2, le=0.95, description="score of open_nsfw from which on it is refused"
    )
    gate_age_either: float = Field(
        18, ge=16, le=60, description="refused: younger in years, to one of the two nets of age"
    )
    gate_age_both: float = Field(22, ge=18, le=60, description="refused: younger, to both of them")
    protected: Literal["on", "off"] = Field(
        "on", description="refuse the faces of the list of protected ones"
    )
    protected_off_reason: str = Field(
        "",
        description="with LENDFACE_PROTECTED=off: why, in words; also written into results",
    )
    protected_likeness: float = Field(
        0.4, ge=0.2, le=0.7, description="cosine from which on a face is one of the list"
    )
    tell_refusals: bool = Field(
        True,
        description="tell clients by which rule they were refused, beside which face or file",
    )

    # Fetching
    fetch_allow: str = Field(
        "", description="hosts, host:port or networks that may be fetched though private"
    )
    fetch_timeout_s: float = Field(300, gt=0, description="for one file, redirects included")

    # YouCam
    youcam_limits: bool = Field(
        True, description="hold its clients to the vendor's limits on films, pictures and results"
    )
    youcam_keep_days: float = Field(30, gt=0, description="its files, tasks and results")
    youcam_poll_window_s: float = Field(
        0, ge=0, description="a running task not polled for so long is lost to its client; 0: never"
    )
    youcam_max_requests: int = Field(
        250, ge=1, description="requests in 300 s, of one key and of one address"
    )

    # Akool
    akool_processing_webhooks: bool = Field(
        True, description="tell its clients that a job has begun, not only of its end"
    )
    akool_nested_detect: bool = Field(
        False, description="/detect answers lists also where it is asked for a single face"
    )
    akool_detect_client: str = Field(
        "", description="id of the client on whose account /detect needs no key; empty: it does"
    )
    akool_detect_s: float = Field(120, gt=0, le=3600, description="how long a detection may take")

    @field_validator("public_url", "otlp_url", "c2pa_tsa")
    @classmethod
    def _check_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.netloc):
            raise ValueError("must be like https://swap.example.org")
        return value.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = settings_file(init_settings().get("data"))
        toml = (TomlConfigSettingsSource(settings_cls, file),) if file else ()
        return (init_settings, env_settings, *toml)

    @property
    def folder(self) -> Path:
        return self.data.expanduser().absolute()

    @property
    def is_folder_chosen(self) -> bool:
        """Whether data lies elsewhere than where programs keep it."""
        return self.folder != _home().expanduser().absolute()

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self._own_database}"

    @property
    def has_database(self) -> bool:
        """Whether one is named, or was made in the data folder."""
        return bool(self.database_url) or self._own_database.exists()

    @property
    def _own_database(self) -> Path:
        return self.folder / "lendface.db"

    @property
    def blobs(self) -> str:
        return self.blobs_url or str(self.folder / "blobs")

    @property
    def scratch_folder(self) -> Path:
        return (self.scratch or self.folder / "scratch").expanduser().absolute()

    @property
    def base_url(self) -> str:
        return self.public_url or f"http://{_reachable(self.host)}:{self.port}"

    @property
    def thresholds(self) -> Thresholds | None:
        """Of the content gate; None where it is switched off."""
        if self.gate == "off":
            return None
        return Thresholds(self.gate_nudity, self.gate_age_either, self.gate_age_both)

    @property
    def same_face(self) -> float | None:
        """Cosine from which on a face is a protected one; None where the list is switched off."""
        return None if self.protected == "off" else self.protected_likeness

    @property
    def lowered_guards(self) -> dict[str, Any]:
        """What of the guards is off or not as usual; see ``trust.lowered``."""
        reasons = self.gate_off_reason.strip(), self.protected_off_reason.strip()
        return lowered_guards(self.thresholds, reasons[0], self.same_face, reasons[1])

    def check_reasons(self) -> None:
        """A guard is not switched off by a single word. Raises BadOptionError."""
        for name, loss in (
            ("gate", "nobody looks for nudity and people who look like minors"),
            ("protected", "the faces of protected people may be lent"),
        ):
            if getattr(self, name) == "off" and not is_reason(getattr(self, f"{name}_off_reason")):
                raise BadOptionError(
                    f"{variable(name)}=off needs {variable(name)}_OFF_REASON: say in words "
                    f"({REASON_LETTERS} letters or more, at most {REASON_LENGTH} characters) why "
                    f"{loss}; it is written into the audit log and into every result"
                )

    @property
    def worker_count(self) -> int:
        return self.workers or min(4, os.cpu_count() or 1)

    @property
    def polling_s(self) -> float:
        return self.poll_s or (0.2 if self.database.startswith("sqlite") else 0.5)

    @property
    def label_rule(self) -> LabelRule:
        from .trust.label import LabelRule

        return LabelRule(self.label == "always", self.label_position, self.label_size)

    @cached_property
    def secret_ring(self) -> tuple[bytes, ...]:
        """The secret in use, then older ones. Raises BadOptionError."""
        first = self.secret.get_secret_value() if self.secret else _kept_secret(self.folder)
        return tuple(map(_decoded, chain([first], self._older_secrets())))

    def check_secrets(self) -> None:
        """Whether those that are given can be used; makes none. Raises BadOptionError."""
        first = [self.secret.get_secret_value()] if self.secret else []
        for text in chain(first, self._older_secrets()):
            _decoded(text)

    def _older_secrets(self) -> Iterator[str]:
        texts = self.older_secrets.get_secret_value().split(",") if self.older_secrets else ()
        return (text.strip() for text in texts if text.strip())


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process. Raises BadOptionError, naming each that is wrong."""
    _refuse_unknown()
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as fault:
        wrong = "; ".join(
            f"{PREFIX}{'_'.join(str(part) for part in error['loc']).upper()}: {error['msg']}"
            for error in fault.errors()
        )
        raise BadOptionError(f"settings: {wrong}") from None
    except (OSError, ValueError):
        raise BadOptionError("the settings file cannot be read; it must be TOML") from None
    settings.check_reasons()
    return settings


def describe_settings(settings: Settings) -> list[tuple[str, str, str]]:
    """(variable, value in use, meaning) of every setting; secrets are not shown."""
    rows = []
    for name, field in Settings.model_fields.items():
        text = hide_passwords(_as_text(getattr(settings, name)))
        rows.append((variable(name), text, field.description or ""))
    return rows


def variable(name: str) -> str:
    """The environment variable of a setting.

    >>> variable("keep_days")
    'LENDFACE_KEEP_DAYS'
    """
    return PREFIX + name.upper()


def hide_passwords(text: str) -> str:
    """A text that may be a URL, without the user and password of one.

    >>> hide_passwords("postgresql://me:p@ss/word@db.example/lendface?password=x&sslmode=require")
    'postgresql://***@db.example/lendface?password=***&sslmode=require'
    """
    text = re.sub(r"://.*@", "://***@", text)
    return re.sub(r"(?i)([?&][^=&]*(?:password|secret|key|token)[^=&]*=)[^&]*", r"\1***", text)


def executor_name(role: str) -> str:
    """A worker's name on this machine."""
    return f"{socket.gethostname()}-{role}"


def _home() -> Path:
    """Where data of programs is kept, by the XDG base directory specification."""
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share") / "lendface"


def settings_file(data: Path | str | None = None) -> Path | None:
    """The file that is read, if there is one. Raises BadOptionError."""
    named = os.environ.get(PREFIX + "CONFIG")
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise BadOptionError("LENDFACE_CONFIG names a file that does not exist")
        return path
    path = Path(data or os.environ.get(PREFIX + "DATA") or _home()).expanduser() / FILE_NAME
    return path if path.is_file() else None


def _refuse_unknown() -> None:
    """A mistyped variable would be ignored without a word."""
    known = {*map(variable, Settings.model_fields), PREFIX + "CONFIG"}
    unknown = [name for name in os.environ if name.startswith(PREFIX) and name not in known]
    if unknown:
        raise BadOptionError(f"unknown settings: {', '.join(sorted(unknown))}")


def _as_text(value: object) -> str:
    """As one would write it in a variable."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return str(value).removesuffix(".0")
    return str(value)


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host


def _decoded(text: str) -> bytes:
    try:
        secret = base64.b64decode(text, validate=True)
    except ValueError:
        secret = b""
    if len(secret) < 32:
        raise BadOptionError(
            "LENDFACE_SECRET and each of LENDFACE_OLDER_SECRETS must be base64 of 32 bytes or more"
        )
    return secret


def _kept_secret(folder: Path) -> str:
    """The secret of this machine, made when it is first needed; only its owner may read it."""
    path = folder / "secret"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = base64.b64encode(secrets.token_bytes(32)).decode()
        fresh = path.with_name(f"secret.{secrets.token_hex(4)}")
        if not path.exists():
            file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "w") as stream:
                stream.write(text)
            try:
                os.link(fresh, path)  # the first of several processes wins
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return path.read_text().strip()
    except OSError:
        raise BadOptionError(
            "the data folder cannot be written; set LENDFACE_DATA to one that can"
        ) from None
