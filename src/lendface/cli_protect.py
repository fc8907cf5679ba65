"""The command line of the list of protected faces: add, list, remove."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_desk import DataOption
from .cli_engine import JsonOption
from .cli_errors import print_json, reporting

if TYPE_CHECKING:
    from .trust.protected import ProtectedFace

protect = typer.Typer(
    help="Keep the list of people whose faces are never used here.", no_args_is_help=True
)


@protect.command(no_args_is_help=True)
def add(
    photos: Annotated[
        list[Path],
        typer.Argument(metavar="PHOTO...", help="One or several photos of one person."),
    ],
    reason: Annotated[str, typer.Option(help="Why, for the operator to read.")],
    keep: Annotated[
        bool, typer.Option("--keep", help="Nor is the face replaced where a film shows it.")
    ] = False,
    face: Annotated[
        int | None, typer.Option(min=1, help="Which face of the photos, from left to right.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a person on the list. The photos are not kept, only numbers to know the face by."""
    with reporting(as_json):
        from .app import protect_face

        entry = protect_face(photos, reason, is_kept=keep, face_number=face, data=data)
        if as_json:
            return print_json(describe(entry))
        return typer.echo(f"{entry.id} is protected now")


@protect.command(name="list")
def list_(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List who is protected: id, day, reason; nothing by which a face could be known."""
    with reporting(as_json):
        from .app import list_protected

        rows = [describe(entry) for entry in list_protected(data=data)]
        if as_json:
            return print_json({"protected": rows})
        if not rows:
            typer.echo("nobody is protected")
        for row in rows:
            kept = ", not replaced either" if row["keep"] else ""
            typer.echo(f"{row['id']}  {row['added'][:10]}  {row['reason']}{kept}")
        return None


@protect.command(no_args_is_help=True)
def remove(
    entry: Annotated[str, typer.Argument(metavar="ID", help="As add and list print it.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a person off the list; what was kept of the face is deleted."""
    with reporting(as_json):
        from .app import unprotect_face

        unprotect_face(entry, data=data)
        if as_json:
            return print_json({"removed": entry})
        return typer.echo(f"{entry} is not protected any more")


def describe(entry: ProtectedFace) -> dict[str, Any]:
    added = datetime.fromtimestamp(entry.added_ms // 1000, UTC)
    return {
        "id": entry.id,
        "reason": entry.reason,
        "added": added.isoformat().replace("+00:00", "Z"),
        "photos": len(entry.embeddings),
        "keep": entry.is_kept,
    }
