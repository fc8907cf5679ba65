"""What is wrong, or doubtful, with settings that are each right by themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa

from ..app import check_models
from ..errors import BadCredentialsError, BadOptionError, LendfaceError
from ..net.guard import parse_allow
from ..settings import Settings, settings_file, variable
from ..storage.database import is_sqlite, normal_url

MOUNTS = Path("/proc/self/mounts")
NETWORK_KINDS = frozenset(
    {
        *("9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"),
        *("glusterfs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"),
    }
)
HERE = ("127.0.0.1", "localhost", "::1")
GPU_PROVIDERS = ("cuda", "tensorrt")
SOON = timedelta(days=30)

Check = Callable[[Settings], Iterator[str]]


def check_settings(settings: Settings, *, signs: bool = True) -> list[str]:
    """What should be looked at though it works; nothing is made or opened.

    ``signs``: this process signs results, or starts those that do. Raises what cannot work: the
    one error with its own code, or a BadOptionError that names all.
    """
    checks = (*ERRORS, *SIGNING_ERRORS) if signs else ERRORS
    wrong = [error for check in checks for error in told(check, settings)]
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        raise BadOptionError("; ".join(dict.fromkeys(map(str, wrong))))
    doubts = (*WARNINGS, *SIGNING_WARNINGS) if signs else WARNINGS
    return [text for check in doubts for text in check(settings)]


def told(check: Check, settings: Settings) -> Iterator[LendfaceError]:
    """What a check says, and the error that it ends with."""
    try:
        for text in check(settings):
            yield BadOptionError(text)
    except LendfaceError as error:
        yield error


# What cannot work


def wrong_database(settings: Settings) -> Iterator[str]:
    if uses_postgres(settings) and not is_installed("psycopg"):
        yield "LENDFACE_DATABASE_URL needs more: pip install 'lendface[cluster]'"


def wrong_files(settings: Settings) -> Iterator[str]:
    if bool(settings.s3_access_key) != bool(settings.s3_secret_key):
        yield "LENDFACE_S3_ACCESS_KEY and LENDFACE_S3_SECRET_KEY go together; set both or none"
    scheme = urlsplit(settings.blobs).scheme if "://" in settings.blobs else ""
    if scheme not in ("", "file", "s3"):
        yield "LENDFACE_BLOBS_URL must be a folder or begin with s3://"
    if not uses_bucket(settings):
        return
    if not is_installed("botocore"):
        yield "LENDFACE_BLOBS_URL needs more: pip install 'lendface[cluster]'"
        return
    from ..storage.s3_blobs import Bucket

    Bucket.parse(settings.blobs)


def wrong_folder(settings: Settings) -> Iterator[str]:
    for name, folder in folders(settings).items():
        if not is_writable(folder):
            yield f"{name}: the folder cannot be written; name another, or give it to this user"


def wrong_secret(settings: Settings) -> Iterator[str]:
    settings.check_secrets()
    if uses_postgres(settings) and not settings.secret:
        yield (
            "LENDFACE_SECRET is missing: each machine on this database would make its own and "
            "could read nothing of the others'; make one with: openssl rand -base64 32"
        )


def wrong_allow_list(settings: Settings) -> Iterator[str]:
    parse_allow(settings.fetch_allow)
    yield from ()


def wrong_tracing(settings: Settings) -> Iterator[str]:
    if settings.otlp_url and not is_installed("opentelemetry.exporter.otlp.proto.http"):
        yield "LENDFACE_OTLP_URL needs more: pip install 'lendface[otel]'"


def wrong_models(settings: Settings) -> Iterator[str]:
    check_models(settings)
    yield from ()


def wrong_certificate(settings: Settings) -> Iterator[str]:
    """Of whoever signs results."""
    from ..trust.certificates import check_dates, find_credentials, find_machine_chain
    from ..trust.provenance import Provenance

    if settings.provenance == "off":
        return
    if has_own_certificate(settings):
        own = settings.c2pa_cert, settings.c2pa_key
        found = find_credentials(*own, settings.folder, datetime.now(UTC))
        check_dates(found.chain_pem, datetime.now(UTC))
        Provenance(found).check()
    elif uses_postgres(settings):
        raise BadCredentialsError(
            "LENDFACE_C2PA_CERT and LENDFACE_C2PA_KEY are missing: each machine on this database "
            "would sign with a certificate of its own; make one for all of them with: "
            "lendface certificate FOLDER"
        )
    elif chain := find_machine_chain(settings.folder):
        check_dates(chain, datetime.now(UTC))
    yield from ()


# What works and is doubtful


def doubtful_address(settings: Settings) -> Iterator[str]:
    url = urlsplit(settings.base_url)
    if settings.host not in HERE and not settings.public_url:
        yield (
            f"LENDFACE_PUBLIC_URL is not set: links would lead to {settings.base_url}, which "
            "clients elsewhere may not reach"
        )
    elif url.scheme == "http" and url.hostname not in HERE:
        yield (
            "LENDFACE_PUBLIC_URL is http: keys and films travel unencrypted; put TLS in front "
            "and make it https"
        )


def doubtful_sharing(settings: Settings) -> Iterator[str]:
    if uses_postgres(settings) and not uses_bucket(settings):
        yield (
            "LENDFACE_BLOBS_URL is a folder: with workers on other machines it must be one folder "
            "that all of them see, or a bucket"
        )


def doubtful_disk(settings: Settings) -> Iterator[str]:
    if not uses_postgres(settings) and is_on_network(sqlite_file(settings)):
        yield (
            "the SQLite database lies on a network file system, where locks do not hold and it "
            "can be damaged; use a local disk, or PostgreSQL"
        )


def doubtful_provider(settings: Settings) -> Iterator[str]:
    is_gpu = settings.provider in GPU_PROVIDERS
    if settings.render_queue == "gpu" and settings.provider == "cpu":
        yield "LENDFACE_RENDER_QUEUE is gpu and LENDFACE_PROVIDER cpu: is this machine's GPU idle?"
    if settings.render_queue == "cpu" and is_gpu:
        yield (
            f"LENDFACE_PROVIDER is {settings.provider} and LENDFACE_RENDER_QUEUE cpu: workers "
            "without a GPU on this queue would be given the same work"
        )


def doubtful_keeping(settings: Settings) -> Iterator[str]:
    if settings.link_s > settings.keep_days * 86_400:
        yield "LENDFACE_LINK_S is longer than LENDFACE_KEEP_DAYS: links outlive what they lead to"
    if settings.resume_hours > settings.keep_days * 24:
        yield "LENDFACE_RESUME_HOURS is longer than LENDFACE_KEEP_DAYS: no retry finds its files"
    if settings.job_timeout_s > settings.keep_days * 86_400:
        yield "LENDFACE_JOB_TIMEOUT_S is longer than LENDFACE_KEEP_DAYS"


def doubtful_secrets(settings: Settings) -> Iterator[str]:
    file = settings_file(settings.data)
    given = (settings.secret, settings.s3_secret_key, settings.older_secrets)
    if file and any(given) and file.stat().st_mode & 0o077:
        yield "the settings file can be read by others and may hold secrets: chmod 600"


def doubtful_protection(settings: Settings) -> Iterator[str]:
    if settings.thresholds is None:
        yield (
            "LENDFACE_GATE is off: nobody looks for nudity and minors before a job is rendered; "
            f"declared: {settings.gate_off_reason.strip()}"
        )
    if settings.same_face is None:
        yield (
            "LENDFACE_PROTECTED is off: the list of protected faces is not looked at; "
            f"declared: {settings.protected_off_reason.strip()}"
        )
    for name, value in settings.lowered_guards.items():
        if isinstance(value, float):
            yield f"{variable(name)} is {value}, not as usual; every result says so"


def doubtful_openness(settings: Settings) -> Iterator[str]:
    if settings.metrics_open and settings.host not in HERE:
        yield "LENDFACE_METRICS_OPEN: whoever reaches this address sees how much the server does"


def doubtful_provenance(settings: Settings) -> Iterator[str]:
    from ..trust.certificates import check_dates, find_credentials

    if settings.provenance == "off":
        yield (
            "LENDFACE_PROVENANCE is off: results carry nothing that says that faces in them were "
            "replaced"
        )
    elif has_own_certificate(settings):
        own = settings.c2pa_cert, settings.c2pa_key
        now = datetime.now(UTC)
        left = check_dates(find_credentials(*own, settings.folder, now).chain_pem, now)
        if left < SOON:
            yield f"LENDFACE_C2PA_CERT expires in {left.days} days; no result can be signed then"


ERRORS: tuple[Check, ...] = (
    wrong_database,
    wrong_files,
    wrong_folder,
    wrong_secret,
    wrong_allow_list,
    wrong_tracing,
    wrong_models,
)
WARNINGS: tuple[Check, ...] = (
    doubtful_address,
    doubtful_sharing,
    doubtful_disk,
    doubtful_provider,
    doubtful_keeping,
    doubtful_secrets,
    doubtful_protection,
    doubtful_openness,
)
SIGNING_ERRORS: tuple[Check, ...] = (wrong_certificate,)
SIGNING_WARNINGS: tuple[Check, ...] = (doubtful_provenance,)


# Looked up


def uses_postgres(settings: Settings) -> bool:
    """Raises BadOptionError for databases we do not know."""
    return not is_sqlite(normal_url(settings.database))


def has_own_certificate(settings: Settings) -> bool:
    """Or half of it."""
    return bool(settings.c2pa_cert or settings.c2pa_key)


def makes_certificate(settings: Settings) -> bool:
    """In the data folder, once."""
    return settings.provenance == "on" and not (
        has_own_certificate(settings) or uses_postgres(settings)
    )


def uses_bucket(settings: Settings) -> bool:
    return settings.blobs.startswith("s3:")


def is_installed(module: str) -> bool:
    """Looked up, not imported: importing may take a second."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # what it is in is missing
        return False


def folders(settings: Settings) -> Mapping[str, Path]:
    """Those that this machine writes to, by the setting that names them."""
    found = {"LENDFACE_SCRATCH": settings.scratch_folder}
    if not uses_postgres(settings):
        found["LENDFACE_DATABASE_URL"] = sqlite_file(settings).parent
    if not uses_bucket(settings):
        found["LENDFACE_BLOBS_URL"] = blob_folder(settings)
    if not settings.secret or makes_certificate(settings):
        found["LENDFACE_DATA"] = settings.folder
    return found


def blob_folder(settings: Settings) -> Path:
    is_url = "://" in settings.blobs
    return Path(unquote(urlsplit(settings.blobs).path) if is_url else settings.blobs)


def sqlite_file(settings: Settings) -> Path:
    return Path(str(sa.make_url(normal_url(settings.database)).database)).absolute()


def is_writable(folder: Path) -> bool:
    """Or can be made, as far as the kernel tells."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def is_on_network(path: Path, mounts: Path = MOUNTS) -> bool:
    """Whether another machine keeps it, as far as the kernel tells."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return False
    rows = [line.split() for line in lines]
    kinds = {unescaped(row[1]): row[2] for row in rows if len(row) > 2}  # the last one counts
    folder = Path(os.path.realpath(path))
    return next(
        (kinds[str(place)] in NETWORK_KINDS for place in (folder, *folder.parents)
         if str(place) in kinds),
        False,
    )  # fmt: skip


def unescaped(place: str) -> str:
    """As the kernel writes blanks in mount points.

    >>> unescaped("/mnt/my\\\\040films")
    '/mnt/my films'
    """
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        place = place.replace(code, character)
    return place
