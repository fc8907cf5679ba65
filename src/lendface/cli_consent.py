"""The command line of consent: the question asked once, and the records of ``lendface consent``."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_desk import DataOption, JsonOption, open_desk
from .cli_engine import Provider, ProviderOption, load
from .cli_errors import print_json, reporting
from .errors import AttestationMissingError, BadOptionError, FileMissingError

if TYPE_CHECKING:
    from .service.consents import Row

GIVEN, IMPLIED = "given", "implied"

consent = typer.Typer(
    help="Keep record of who lends their face, and state that they do.", no_args_is_help=True
)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The id of a consent.")]
ConsentOption = Annotated[
    list[str] | None,
    typer.Option(
        "--consent", help="The id of a consent on record; each source must match one of these."
    ),
]


@consent.command()
def attest(as_json: JsonOption = False) -> None:
    """State, once, that the people whose faces you lend on this machine have consented."""
    with reporting(as_json):
        from .trust.consent import ATTESTATION, ATTESTATION_VERSION

        keep_answer(GIVEN)
        if as_json:
            return print_json({"text": ATTESTATION, "text_version": ATTESTATION_VERSION})
        return typer.echo(f"on record in {answer_file()}: {ATTESTATION}")


@consent.command()
def add(
    photo: Annotated[Path, typer.Argument(help="A photo of the person; it is not kept.")],
    label: Annotated[str, typer.Option(help="Who it is, for people to read.")],
    scope: Annotated[str, typer.Option(help="For what.")] = "",
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The first day on which it counts no more."),
    ] = None,
    statement: Annotated[str, typer.Option(help="How the person agreed.")] = "",
    evidence: Annotated[
        Path | None, typer.Option(help="A file that proves it; its hash is kept.")
    ] = None,
    client: Annotated[
        list[str] | None,
        typer.Option(help="The id of a client that may use it. May be given again."),
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--everybody", help="All clients of the server may use it.")
    ] = False,
    face: Annotated[
        int | None, typer.Option(min=1, help="Which face of the photo, from left to right.")
    ] = None,
    data: DataOption = None,
    provider: ProviderOption = Provider.cpu,
    as_json: JsonOption = False,
) -> None:
    """Put on record that somebody lends their face.

    Without --client and --everybody it is for swaps on this machine.
    """
    with reporting(as_json):
        from .engine.enrol import Photo
        from .media import read_image
        from .service.clients import get_client
        from .service.consents import Terms, add_consent
        from .trust.consent import EVERYBODY

        terms = Terms(
            label=label,
            scope=scope,
            until_ms=None if until is None else round(until.replace(tzinfo=UTC).timestamp() * 1000),
            statement=statement,
            evidence_sha256=None if evidence is None else hash_of(evidence),
        )
        shown = Photo(photo.name, read_image(photo)[0], face)
        found = load(provider).enroller.portrait(shown)
        users = [EVERYBODY] if everybody else client or []
        with open_desk(data) as desk:
            for client_id in client or ():
                get_client(desk, client_id)
            row = add_consent(desk, terms, found.embedding, hash_of(photo), users)
            return tell(describe(row, desk.now_ms()), as_json)


@consent.command(name="list")
def list_(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List all consents, those of clients too; no faces."""
    with reporting(as_json), open_desk(data) as desk:
        from .service.consents import list_consents

        rows = [describe(row, desk.now_ms()) for row in list_consents(desk, None)]
        if as_json:
            return print_json({"consents": rows})
        if not rows:
            typer.echo("no consents; add one with: lendface consent add PHOTO --label NAME")
        for row in rows:
            typer.echo(f"{row['consent_id']}  {row['state']:9}  {row['label']}")
        return None


@consent.command()
def show(consent_id: IdArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show one, and which jobs rest on it."""
    with reporting(as_json), open_desk(data) as desk:
        from .service.consents import get_consent, jobs_of

        row = describe(get_consent(desk, None, consent_id), desk.now_ms())
        return tell(row | {"jobs": jobs_of(desk, consent_id)}, as_json)


@consent.command()
def withdraw(
    consent_id: IdArgument,
    purge: Annotated[
        bool, typer.Option("--purge", help="Delete the results of all that rested on it, too.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let it count no more, from now on and for good; jobs that rest on it stop."""
    with reporting(as_json):
        from .facades.forms import FORMS
        from .serve.building import build_office, prepare
        from .service.consents import withdraw as withdraw_it
        from .settings import load_settings
        from .storage.disk import private_files

        with private_files():
            built = build_office(load_settings(data=data), FORMS)
            try:
                prepare(built)
                row = withdraw_it(built.office, None, consent_id, purge=purge)
                return tell(describe(row, built.office.now_ms()), as_json)
            finally:
                built.close()


def tell(row: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(row)
    for name, value in row.items():
        if value not in (None, "", []):
            typer.echo(f"{name:16} {', '.join(value) if isinstance(value, list) else value}")
    return None


def describe(row: Row, now_ms: int) -> dict[str, Any]:
    from .service.consents import state_of

    return {
        "consent_id": row["id"],
        "state": state_of(row, now_ms),
        "label": row["label"],
        "client_id": row["client_id"],
        "users": list(row["users"]),
        "scope": row["scope"],
        "statement": row["statement"],
        "photo_sha256": row["photo_sha256"],
        "evidence_sha256": row["evidence_sha256"],
        "until": _time(row["until_ms"]),
        "created": _time(row["created_ms"]),
        "withdrawn": _time(row["withdrawn_ms"]),
    }


def hash_of(path: Path) -> str:
    """SHA-256, hex. Raises FileMissingError."""
    import hashlib

    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        raise FileMissingError(path.name) from None


# Before a swap on this machine


def ask(as_json: bool) -> None:
    """Have it stated that the people shown have consented, where it was not yet.

    On a terminal it is asked once. Elsewhere to run the command is the statement: told on stderr,
    and kept as that. Raises AttestationMissingError where the answer is no.
    """
    from .trust.consent import ATTESTATION

    how = read_answer()
    if how == GIVEN:
        return
    if sys.stdin.isatty() and sys.stderr.isatty() and not as_json:
        typer.echo(ATTESTATION, err=True)
        if not typer.confirm("Is that so?", err=True):
            raise AttestationMissingError
        keep_answer(GIVEN)
    elif how is None:
        if not as_json:
            typer.echo(
                f"lendface: to run this states: {ATTESTATION} (said once; lendface consent attest)",
                err=True,
            )
        keep_answer(IMPLIED)


def answer_file() -> Path:
    """Where configuration of programs is kept, by the XDG base directory specification."""
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    return folder / "lendface" / "attestation.json"


def read_answer() -> str | None:
    """``given`` or ``implied``; None: none yet, or to an earlier text."""
    from .trust.consent import ATTESTATION_VERSION

    try:
        kept = json.loads(answer_file().read_text(encoding="utf-8"))
        is_current = kept["text_version"] == ATTESTATION_VERSION
        return kept["how"] if is_current and kept["how"] in (GIVEN, IMPLIED) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep_answer(how: str) -> None:
    """Written down with its time; raises BadOptionError where a given one cannot be."""
    from .trust.consent import ATTESTATION, ATTESTATION_VERSION

    kept = {
        "text_version": ATTESTATION_VERSION,
        "text": ATTESTATION,
        "how": how,
        "at": _time(time.time_ns() // 1_000_000),
    }
    path = answer_file()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
        return
    if how == GIVEN:
        raise BadOptionError("the configuration folder cannot be written; set XDG_CONFIG_HOME")


def _time(at_ms: int | None) -> str | None:
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms // 1000, UTC).isoformat().replace("+00:00", "Z")
