"""The command line of judging finished swaps: evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_engine import JsonOption, Provider, ProviderOption, following, load
from .cli_errors import print_json, reporting
from .errors import BadOptionError, OutputExistsError

if TYPE_CHECKING:
    from .quality.suite import Run, Suite

SourceOption = Annotated[
    list[Path] | None,
    typer.Option("--source", help="A photo of who was put in; again for more photos of them."),
]
TargetOption = Annotated[Path | None, typer.Option("--target", help="What was swapped into.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="The finished swap, whatever tool made it.")
]
FaceOption = Annotated[
    list[int] | None,
    typer.Option(
        "--face", min=1, help="Who was to be swapped, by the cast list; else who changed."
    ),
]
PairsOption = Annotated[
    Path | None,
    typer.Option(
        "--pairs", help="Many at once: a folder, or a JSON list, of pairs; see docs/quality.md."
    ),
]
MostOption = Annotated[
    int | None, typer.Option("--most", min=1, help="Only so many pairs, spread over all.")
]
GalleryOption = Annotated[
    Path | None,
    typer.Option(
        help="A folder of portraits among which the source should be found again; of --pairs "
        "FOLDER its sources."
    ),
]
MasksOption = Annotated[
    Path | None,
    typer.Option("--masks", help="A JSON file of drawn hands and other things before faces."),
]
StrideOption = Annotated[
    int | None,
    typer.Option(min=1, help="Judge every N-th frame; 1 for one output, 5 for pairs."),
]
ReferencesOption = Annotated[
    bool,
    typer.Option(
        "--references/--no-references",
        help="Measure no swap, hard paste and mean colour beside it.",
    ),
]
ReportOption = Annotated[
    Path | None,
    typer.Option(
        "--report",
        help="A folder for figures, table, plots and contact sheets; with --pairs it may be one "
        "of a run that was stopped, which then goes on.",
    ),
]
BeforeOption = Annotated[
    Path | None,
    typer.Option(help="An earlier report (folder or suite.json): tells what changed since."),
]
AfterOption = Annotated[
    Path | None, typer.Option(help="With --before only: compare two reports, measure nothing.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite an earlier report.")]


def evaluate(
    source: SourceOption = None,
    target: TargetOption = None,
    output: OutputOption = None,
    face: FaceOption = None,
    pairs: PairsOption = None,
    most: MostOption = None,
    gallery: GalleryOption = None,
    masks: MasksOption = None,
    stride: StrideOption = None,
    references: ReferencesOption = True,
    report: ReportOption = None,
    before: BeforeOption = None,
    after: AfterOption = None,
    provider: ProviderOption = Provider.cpu,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure how good a finished swap is, made by this or any other tool.

    Who it looks like, what the face does, how it belongs, what happened to time and sound.

    lendface evaluate --source me.jpg --target clip.mp4 --output out.mp4

    lendface evaluate --pairs folder --report today --before yesterday
    """
    with reporting(as_json):
        if after is not None:
            if before is None or any((source, target, output, pairs, report)):
                raise BadOptionError("--after goes with --before and nothing else")
            return tell_changes(before, after, as_json)
        check_options(source, target, output, pairs, most, report, before)
        if report and not pairs and (report / "suite.json").exists() and not force:
            raise OutputExistsError(report.name)
        from .app import check_judges
        from .models import RuntimeOptions
        from .quality.case import Judge
        from .quality.covered import read_drawn_masks
        from .quality.gallery import read_gallery
        from .quality.measure import Options
        from .quality.pairlist import find_sources
        from .quality.suite import Run

        gallery = gallery or (find_sources(pairs) if pairs else None)
        check_judges()
        parts = load(provider)
        with following(as_json) as watch:
            run = Run(
                judge=Judge.of(parts, RuntimeOptions(provider=parts.provider)),
                options=Options(
                    stride=stride or (5 if pairs else 1),
                    drawn=read_drawn_masks(masks) if masks else None,
                ),
                people=read_gallery(gallery, parts) if gallery else None,
                with_references=references,
                watch=watch,
            )
            if pairs and report:
                suite = judge_many(pairs, most, report, before, run, as_json)
            elif source and target and output:
                suite = judge_one(source, target, output, face or [], report, before, run)
        return tell_suite(suite, report, as_json)


def check_options(
    source: list[Path] | None,
    target: Path | None,
    output: Path | None,
    pairs: Path | None,
    most: int | None,
    report: Path | None,
    before: Path | None,
) -> None:
    """Raises BadOptionError."""
    if pairs is not None:
        if source or target or output:
            raise BadOptionError("give --pairs or --source, --target and --output, not both")
        if report is None:
            raise BadOptionError("--pairs needs --report FOLDER for what it finds")
        return
    if not (source and target and output):
        raise BadOptionError("give --source, --target and --output; or --pairs for many at once")
    if most is not None:
        raise BadOptionError("--most goes with --pairs")
    if before is not None and report is None:
        raise BadOptionError("--before needs --report FOLDER for what it finds")


def judge_one(
    sources: list[Path],
    target: Path,
    output: Path,
    faces: list[int],
    report: Path | None,
    before: Path | None,
    run: Run,
) -> Suite:
    from .quality.pairlist import Wanted
    from .quality.suite import Suite, judge_into, judge_pair

    name = f"{sources[0].stem}__{target.stem}"
    wanted = Wanted(name, tuple(sources), target, output, tuple(faces))
    if report is None:
        return Suite((judge_pair(wanted, run),))
    return judge_into(report, wanted, run, before)


def judge_many(
    pairs: Path, most: int | None, report: Path, before: Path | None, run: Run, as_json: bool
) -> Suite:
    from dataclasses import replace

    from .app import Watch
    from .quality.pairlist import read_pairs
    from .quality.suite import run_suite

    wanted = read_pairs(pairs, most)

    def tell_pair(name: str, number: int) -> None:
        if not as_json:
            typer.echo(f"pair {number} of {len(wanted)}: {name}", err=True)

    return run_suite(wanted, report, replace(run, watch=Watch()), before, tell_pair)


# What is told


def tell_suite(suite: Suite, report: Path | None, as_json: bool) -> None:
    from .quality.tables import changes_as_json, row_as_json, rows_of

    rows = rows_of(suite.pairs)
    if as_json:
        return print_json(
            {
                "pairs": [pair.name for pair in suite.pairs],
                "rows": {which: row_as_json(row) for which, row in rows.items()},
                **({"changes": changes_as_json(suite.changes)} if suite.changes else {}),
                "notes": {pair.name: list(pair.measured.notes) for pair in suite.pairs},
                "failures": [describe_failure(failure) for failure in suite.failures],
                **({"report": str(report)} if report else {}),
            }
        )
    for failure in suite.failures:
        typer.echo(f"warning: {failure.name}: {failure.message} [{failure.code}]", err=True)
    for line in table_lines(rows):
        typer.echo(line)
    for note in dict.fromkeys(note for pair in suite.pairs for note in pair.measured.notes):
        typer.echo(f"note: {note}")
    for line in change_lines(suite.changes or {}):
        typer.echo(line)
    return typer.echo(str(report)) if report else None


def tell_changes(before: Path, after: Path, as_json: bool) -> None:
    from .quality.suite import compare_runs
    from .quality.tables import changes_as_json

    found = compare_runs(before, after)
    if as_json:
        return print_json({"changes": changes_as_json(found)})
    for line in change_lines(found):
        typer.echo(line)
    return None


def table_lines(rows: dict[str, Any]) -> list[str]:
    """A line for each figure: the output's with its interval, the aim, then the references."""
    from .quality.figures import FIGURES
    from .quality.tables import OUTPUT, TITLES, titled, told, told_aim, told_interval

    references = [which for which in rows if which != OUTPUT]
    heads = ["", "output (95 % interval)", "aim", "", *(TITLES[which] for which in references)]
    lines = [heads]
    for name, cell in rows.get(OUTPUT, {}).items():
        others = [rows[which].get(name) for which in references]
        lines.append(
            [
                titled(FIGURES[name]),
                told_interval(cell),
                told_aim(FIGURES[name]),
                "missed" if cell.is_met is False else "",
                *("-" if other is None else told(other.value) for other in others),
            ]
        )
    return aligned(lines)


def change_lines(found: dict[str, Any]) -> list[str]:
    """What became better or worse for sure, in words."""
    from .quality.figures import FIGURES
    from .quality.tables import signed, titled, told

    lines = [
        [
            "better" if change.is_better else "worse",
            titled(FIGURES[name]),
            f"{told(change.before)} to {told(change.after)}",
            f"by {signed(change.difference.value)} "
            f"({signed(change.difference.low)} to {signed(change.difference.high)})",
        ]
        for name, change in found.items()
        if change.is_better is not None
    ]
    return aligned(lines) or (["no change that counts"] if found else [])


def aligned(lines: list[list[str]]) -> list[str]:
    """Cells in columns.

    >>> aligned([["a", "b"], ["long", "c"]])
    ['a     b', 'long  c']
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def describe_failure(failure: Any) -> dict[str, str]:
    return {"name": failure.name, "code": failure.code, "message": failure.message}
