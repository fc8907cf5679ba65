"""The command line of the audit log, and of erasing what is kept of somebody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_desk import DataOption, JsonOption, open_desk
from .cli_errors import print_json, reporting
from .errors import BadOptionError, CancelledError, OutputExistsError, OutputFolderMissingError

if TYPE_CHECKING:
    from .service.erasure import Erased
    from .service.office import Office

DOES_NOT_HOLD = 8  # exit code
HASH = re.compile("[0-9a-f]{64}")

audit = typer.Typer(help="Check and export the log of what a server did.", no_args_is_help=True)

TimeOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="2026-01-31, or 2026-01-31T12:00:00+01:00.")
]


@audit.command()
def verify(
    head: Annotated[
        str | None,
        typer.Option(metavar="HASH", help="The head of an earlier check, kept elsewhere."),
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow the log's chain of hashes, and name each entry that was changed, moved or left out.

    Exits with 8 where the chain does not hold. That its end was cut off is found by --head alone.
    """
    with reporting(as_json), open_desk(data) as desk:
        from .service.audit import verify as follow

        if head is not None and not HASH.fullmatch(head):
            raise BadOptionError(
                "--head is a hash of 64 hex digits, as an earlier check printed it"
            )
        verdict = follow(desk.database, head)
        if as_json:
            print_json(
                {
                    "holds": verdict.holds,
                    "entries": verdict.entries,
                    "head": verdict.head,
                    "breaks": [asdict(each) for each in verdict.breaks],
                }
            )
        else:
            for each in verdict.breaks:
                typer.echo(f"{each.kind:9}  {each.sentence}")
            holds = "holds" if verdict.holds else "does not hold"
            typer.echo(f"the chain of {verdict.entries} entries {holds}; head {verdict.head}")
        if not verdict.holds:
            raise typer.Exit(DOES_NOT_HOLD)


@audit.command()
def export(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A new file; standard output without it.")
    ] = None,
    since: TimeOption = None,
    until: TimeOption = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write entries as lines of JSON, oldest first: from --since to before --until."""
    with reporting(as_json), open_desk(data) as desk:
        from .service.audit import read

        span = (read_time("--since", since), read_time("--until", until))
        if as_json and output is None:
            raise BadOptionError("with --json name a file: -o FILE")
        lines = (line_of(entry.describe()) for entry in read(desk.database, *span))
        if output is None:
            for line in lines:
                typer.echo(line, nl=False)
            return None
        count = write_lines(output, lines, force)
        if as_json:
            return print_json({"output": str(output), "entries": count})
        return typer.echo(f"{count} entries in {output}")


def erase(
    client: Annotated[
        str | None, typer.Option(metavar="ID", help="All of a client; its keys end too.")
    ] = None,
    job: Annotated[
        str | None, typer.Option(metavar="ID", help="A job and the files it was made of.")
    ] = None,
    consent: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Who gave a consent, with all jobs that rest on it."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase for good what is kept of somebody: files, scans, results, consents.

    Ids, times and numbers stay, and the audit log's chain holds.
    """
    with reporting(as_json):
        given = {"client": client, "job": job, "consent": consent}
        what = [(name, value) for name, value in given.items() if value]
        if len(what) != 1:
            raise BadOptionError("give one of --client, --job and --consent")
        kind, subject = what[0]
        if as_json and not yes:
            raise BadOptionError("with --json nobody is asked; say --yes")
        if not yes and not typer.confirm(f"erase {kind} {subject} for good?"):
            raise CancelledError
        with open_office(data) as office:
            erased = erase_one(office, kind, subject)
        if as_json:
            print_json({"erased": kind, "id": subject} | asdict(erased))
        else:
            tell_erased(kind, subject, erased)


def erase_one(office: Office, kind: str, subject: str) -> Erased:
    """Raises NotFoundError."""
    from .service.erasure import erase_client, erase_consent, erase_job

    by_kind = {"client": erase_client, "job": erase_job, "consent": erase_consent}
    return by_kind[kind](office, subject)


def tell_erased(kind: str, subject: str, erased: Erased) -> None:
    typer.echo(
        f"erased {kind} {subject}: {erased.jobs} jobs, {erased.uploads} uploads, "
        f"{erased.files} files, {erased.consents} consents, {erased.messages} messages"
    )
    if erased.shared_with:
        typer.echo("files stay that other jobs are made of too; erase these where it is right:")
        for other in erased.shared_with:
            typer.echo(f"  {other}")


@contextmanager
def open_office(data: Path | None) -> Iterator[Office]:
    """The server's database, files and queues."""
    from .serve.building import build_office, prepare
    from .settings import load_settings
    from .storage.disk import private_files

    with private_files():
        built = build_office(load_settings(data=data))
        try:
            prepare(built)
            yield built.office
        finally:
            built.close()


def read_time(option: str, text: str | None) -> int | None:
    """Milliseconds since 1970; UTC where no zone is named. Raises BadOptionError."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise BadOptionError(f"{option} {text}: write 2026-01-31 or 2026-01-31T12:00:00Z") from None
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


def line_of(entry: dict[str, object]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"


def write_lines(path: Path, lines: Iterator[str], force: bool) -> int:
    """How many. Raises OutputExistsError, OutputFolderMissingError."""
    if not path.absolute().parent.is_dir():
        raise OutputFolderMissingError(path.absolute().parent.name)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            return sum(1 for line in lines if file.write(line))
    except FileExistsError:
        raise OutputExistsError(path.name) from None
