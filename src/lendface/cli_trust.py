"""``lendface verify``, and the options of the visible label."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_engine import JsonOption
from .cli_errors import print_json, reporting

if TYPE_CHECKING:
    from .engine.label import Label
    from .trust.verify import Verdict

DOES_NOT_HOLD = 8  # exit code


class LabelPosition(StrEnum):
    bottom_right = "bottom-right"
    bottom_left = "bottom-left"
    top_right = "top-right"
    top_left = "top-left"


LabelOption = Annotated[
    bool, typer.Option("--label", help="Write into the picture that a face was replaced.")
]
LabelPositionOption = Annotated[
    LabelPosition | None,
    typer.Option(help="Where the label stands; LENDFACE_LABEL_POSITION at first."),
]
LabelSizeOption = Annotated[
    float | None,
    typer.Option(
        min=0.02,
        max=0.25,
        help="Its height as a share of the picture's; LENDFACE_LABEL_SIZE at first.",
    ),
]


def read_label(is_wanted: bool, position: LabelPosition | None, size: float | None) -> Label | None:
    """A place or a size asks for it, too; what is not said is as the settings have it."""
    from .settings import load_settings

    is_asked = is_wanted or position is not None or size is not None
    return load_settings().label_rule.settle(is_asked, position and position.value, size)


def verify(
    file: Annotated[Path, typer.Argument(help="A video or a picture, whoever made it.")],
    trust: Annotated[
        list[Path] | None,
        typer.Option(help="Certificates (PEM) that vouch for signers. May be given again."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell where a file comes from, and whether it was changed since it was signed.

    Reads C2PA manifests in the file, or beside it in FILE.c2pa. Exits with 8 when there is none
    or it does not hold.
    """
    with reporting(as_json):
        from .app import verify as judge

        verdict = judge(file, anchors=trust or ())
        if as_json:
            print_json(describe_verdict(verdict))
        else:
            typer.echo("\n".join(verdict.explain()))
        if not verdict.holds:
            raise typer.Exit(DOES_NOT_HOLD)


def describe_verdict(verdict: Verdict) -> dict[str, Any]:
    return {"file": verdict.name, "holds": verdict.holds, "is_face_swap": verdict.is_face_swap} | {
        name: value for name, value in asdict(verdict).items() if name != "name"
    }
