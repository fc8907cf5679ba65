"""What ``lendface swap`` is asked for, and how it tells what was done."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .cli_engine import following
from .cli_errors import error_object, exit_code, print_json, print_path, shown, tell_error
from .errors import (
    BadOptionError,
    CancelledError,
    LendfaceError,
    OutputExistsError,
    SourcePeopleDifferError,
)

if TYPE_CHECKING:
    from .app import Outcome, Pair, Parts, SwapReport, SwapRequest, Who

SOME_FAILED = 10  # exit code: of several targets


@dataclass(frozen=True)
class Words:
    """The files and whom they are for, as they stand on the command line."""

    files: list[Path]
    output: str | None
    sources: list[Path]
    pairs: list[str]
    who: tuple[bool, int | None, Path | None]  # --all, --face, --reference
    source_face: int | None


@dataclass(frozen=True)
class Work:
    """What is to be done: targets, each with its output."""

    pairs: tuple[Pair, ...]
    targets: list[Path]
    outputs: list[Path]
    is_several: bool  # told as a list, even of one


def read_work(words: Words) -> Work:
    """Raises BadOptionError, and OutputFolderMissingError, OutputError for a folder of results."""
    from .pipeline.names import list_targets, outputs_for, ready_folder

    pairs, given = read_pairs(words)
    is_several = len(given) > 1 or os.path.isdir(given[0])
    if not is_several and words.output is not None and not names_folder(words.output):
        return Work(pairs, given, [Path(words.output)], False)
    check_folder_meant(words, given, is_several)
    targets = list_targets(given)
    folder = Path() if words.output is None else ready_folder(Path(words.output))
    return Work(pairs, targets, outputs_for(targets, folder), is_several)


def names_folder(output: str) -> bool:
    return output.endswith(os.sep) or os.path.isdir(output)


def check_folder_meant(words: Words, targets: Sequence[Path], is_several: bool) -> None:
    """Several results need a folder; one that is yet to be made must not look like a file."""
    if words.output is None or not is_several or names_folder(words.output):
        return
    from .pipeline.names import is_written

    if is_written(Path(words.output)):
        names = ", ".join(target.name for target in targets[:3])
        more = f" and {len(targets) - 3} more" if len(targets) > 3 else ""
        raise BadOptionError(
            f"there are several targets ({names}{more}), so -o must name a folder; "
            "photos of the source come first, or with --source"
        )


def read_pairs(words: Words) -> tuple[tuple[Pair, ...], list[Path]]:
    """The pairs and the targets. Raises BadOptionError."""
    from .app import Pair

    everyone, face, reference = words.who
    if sum((everyone, face is not None, reference is not None, bool(words.pairs))) > 1:
        raise BadOptionError("give only one of --all, --face, --reference and --pair")
    if words.pairs:
        if words.sources:
            raise BadOptionError("give only one of --source and --pair")
        check_no_photos(words.files)
        return tuple(read_pair(text, words.source_face) for text in words.pairs), words.files
    photos, targets = words.sources, words.files
    if not photos:
        photos, targets = split_files(words.files, words.output)
    if not photos:
        raise BadOptionError("give at least one SOURCE photo and the TARGET")
    return (Pair(tuple(photos), read_who(*words.who), words.source_face),), targets


def check_no_photos(files: Sequence[Path]) -> None:
    """A photo before a film is meant as a source."""
    from .pipeline.names import looks_still

    if looks_still(files[0]) and not all(map(looks_still, files)):
        raise BadOptionError("with --pair give only the TARGET; the photos are in the pairs")


def split_files(files: list[Path], output: str | None) -> tuple[list[Path], list[Path]]:
    """The source's photos and the targets.

    Photos are the first file and further still pictures, up to the first film or folder. Where
    there are only pictures the last is the target; with a folder as output all but the first are.
    """
    from .pipeline.names import looks_still

    films = (n for n, file in enumerate(files) if n and not looks_still(file))
    first = next(films, None)
    if first is None:
        first = 1 if output is not None and names_folder(output) else len(files) - 1
    return files[:first], files[first:]


def read_pair(text: str, source_face: int | None) -> Pair:
    """``PHOTO[,PHOTO...]=trackN`` or ``=REFERENCE_PHOTO``."""
    from .app import CastNumber, LooksLike, Pair

    photos, equals, who = text.partition("=")
    if not photos or not equals or not who:
        raise BadOptionError(f"--pair {text}: write it as PHOTO=trackN or PHOTO=REFERENCE_PHOTO")
    number = re.fullmatch("track([0-9]{1,9})", who)
    chosen = CastNumber(int(number[1])) if number else LooksLike(Path(who))
    return Pair(tuple(Path(photo) for photo in photos.split(",")), chosen, source_face)


def read_who(everyone: bool, face: int | None, reference: Path | None) -> Who:
    from .app import CastNumber, Everyone, LooksLike, MostPresent

    if everyone:
        return Everyone()
    if face is not None:
        return CastNumber(face)
    return LooksLike(reference) if reference is not None else MostPresent()


def check_new(paths: Iterable[Path | None], force: bool) -> None:
    """Raises OutputExistsError."""
    for path in paths:
        if path and os.path.exists(path) and not force:
            raise OutputExistsError(path.name)


# Several targets


@dataclass
class Tally:
    """What is told of several targets, while they are done and at the end."""

    count: int
    as_json: bool
    told: list[dict[str, Any]] = field(default_factory=list)
    failed: int = 0

    def begin(self, number: int, request: SwapRequest) -> None:
        if not self.as_json:
            typer.echo(f"{number} of {self.count}: {shown(str(request.target))}", err=True)

    def add(self, outcome: Outcome) -> None:
        row: dict[str, Any] = {"target": str(outcome.target)}
        if outcome.error is not None:
            self.failed += 1
            sentence = str(outcome.error)
            row["error"] = error_object(outcome.error.code, sentence)
            if not self.as_json:
                tell_error(outcome.error.code, f"{outcome.target.name}: {sentence}", False)
        elif outcome.report is not None:
            row |= describe_report(outcome.report, None)
            if not self.as_json:
                tell_report(outcome.report, None)
        self.told.append(row)

    def tell(self, stopped: LendfaceError | None) -> None:
        left = self.count - len(self.told)
        done = len(self.told) - self.failed
        if self.as_json:
            error = {"error": error_object(stopped.code, str(stopped))} if stopped else {}
            counts = {"done": done, "failed": self.failed, "left": left}
            return print_json({"results": self.told, **counts, **error})
        more = f", {left} not begun" if left else ""
        typer.echo(f"{done} of {self.count} done, {self.failed} failed{more}")
        for row in self.told:
            if "error" in row:
                typer.echo(f"failed: {shown(row['target'])} [{row['error']['code']}]")
        if stopped is not None:
            tell_error(stopped.code, str(stopped), False)
        return None


def swap_several(
    requests: Sequence[SwapRequest],
    parts: Parts,
    *,
    consent: Sequence[str],
    force: bool,
    as_json: bool,
) -> int:
    """Do all, go on after one that fails, tell a summary. Returns the exit code."""
    from .app import swap_each, swap_files

    check_sources(requests[0].pairs, parts)
    tally = Tally(len(requests), as_json)

    def swap(request: SwapRequest) -> SwapReport:
        tally.begin(len(tally.told) + 1, request)
        with following(as_json) as watch:
            return swap_files(request, parts, watch, consent=consent)

    stopped: LendfaceError | None = None
    try:
        for outcome in swap_each(requests, swap, overwrite=force):
            tally.add(outcome)
    except LendfaceError as fault:
        stopped = fault
    except KeyboardInterrupt:
        stopped = CancelledError()
    tally.tell(stopped)
    if stopped is not None:
        return exit_code(stopped)
    return SOME_FAILED if tally.failed else 0


def check_sources(pairs: Sequence[Pair], parts: Parts) -> None:
    """What is wrong with the photos is told once, before any target is begun."""
    from .pipeline.swaps import enrol_pairs

    try:
        enrol_pairs(pairs, parts)
    except SourcePeopleDifferError as fault:  # perhaps clips/* began with a picture
        fault.args = (f"{fault}; where one is a target, name the source with --source",)
        raise


# What is told


def describe_report(report: SwapReport, report_to: Path | None) -> dict[str, Any]:
    return {
        "output": str(report.output),
        **({"report": str(report_to)} if report_to else {}),
        "frames": report.frames,
        "cast_size": report.cast_size,
        "faces": [
            {"face": p.face, "swapped": p.swapped, "faded": p.faded, "left": p.left}
            for p in report.people
        ],
        "seconds": {"scan": round(report.scan_s, 3), "render": round(report.render_s, 3)},
        "provider": report.provider,
        "warnings": list(report.warnings),
    }


def tell_report(report: SwapReport, report_to: Path | None) -> None:
    for warning in report.warnings:
        typer.echo(f"warning: {shown(warning)}", err=True)
    for person in report.people:
        typer.echo(
            f"face {person.face}: swapped in {person.swapped} frames, faded in {person.faded}, "
            f"left in {person.left}"
        )
    total = report.scan_s + report.render_s
    rate = report.frames / max(total, 1e-9)
    typer.echo(f"{report.frames} frames in {total:.1f} s ({rate:.1f} frames/s, {report.provider})")
    print_path(report.output)
    if report_to:
        print_path(report_to)
