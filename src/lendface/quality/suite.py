"""Many pairs measured one after the other: resumable, with references, tables, sheets and plots."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

from ..engine.types import Frame, Pixels
from ..errors import (
    BadMeasurementsError,
    CancelledError,
    EmptyFileError,
    FileMissingError,
    LendfaceError,
    OutputError,
)
from ..media import read_image
from ..media.failures import writing
from ..media.output import atomic_output, check_writable
from ..pipeline.parts import Watch
from ..pipeline.rendering import Rendering
from ..pipeline.scans import Scan, scan_target
from ..pipeline.sheets import rgb_of, write_sheet
from ..pipeline.swaps import enrol_pairs
from ..pipeline.targets import Target, Trim, VideoTarget, open_target
from ..version import __version__
from .case import Case, Judge, open_case, pair_of
from .gallery import Somebody
from .intervals import Change
from .measure import Options, changed_people, measure, timing_of
from .pairlist import FILM_ENDINGS, PHOTO_ENDINGS, Wanted
from .plots import plot_of
from .reading import FaceReading
from .references import REFERENCE_NAMES, ReferenceName, reference_frames
from .sheets import face_sheet, pages
from .tables import (
    TITLES,
    Judged,
    changes,
    changes_as_json,
    changes_as_markdown,
    pair_as_json,
    pair_from_json,
    suite_as_json,
    suite_as_markdown,
    suite_from_json,
)
from .timing import Timing
from .types import Measured

SUITE, TABLE, PAIR = "suite.json", "table.md", "measured.json"
PLOT, FACES = "plot.png", "faces.jpg"
Readings = dict[tuple[int, int], FaceReading | None]


@dataclass(frozen=True, eq=False)
class Run:
    """How a suite is measured. ``people`` are those of ``read_gallery``."""

    judge: Judge
    options: Options = field(default_factory=lambda: Options(stride=5))
    people: Mapping[str, Somebody] | None = None
    with_references: bool = True
    watch: Watch = field(default_factory=Watch)


@dataclass(frozen=True, slots=True)
class Failure:
    """A pair that could not be measured, and why."""

    name: str
    code: str
    message: str


@dataclass(frozen=True, eq=False)
class Suite:
    """What a run found."""

    pairs: tuple[Judged, ...]
    failures: tuple[Failure, ...] = ()
    changes: Mapping[str, Change] | None = None  # since an earlier run, by figure


@dataclass(frozen=True, eq=False)
class Known:
    """A target that was scanned, and what was read of its faces: the same for every source."""

    scan: Scan
    readings: Readings = field(default_factory=dict)


# One pair


def scan_known(target: Path, run: Run) -> Known:
    """Raises the errors of reading a target."""
    return Known(scan_target(open_target(target, Trim()).as_target(), run.judge.parts, run.watch))


def judge_pair(
    wanted: Wanted,
    run: Run,
    known: Known | None = None,
    made: Path | None = None,
    references: Mapping[str, Measured] | None = None,
) -> Judged:
    """Measure one output, and the references beside it where none are given.

    A pair without an output is swapped first, to ``made``. Raises the errors of reading the files
    and of the faces in them, of writing, and CancelledError.
    """
    if known is None:  # what is wrong with the photos is told before the target is read
        enrol_pairs([pair_of(wanted.sources)], run.judge.parts)
        known = scan_known(wanted.target, run)
    timing = timing_of(wanted.target, wanted.output) if wanted.output else None
    case = case_of(wanted, run, known, timing)
    output = wanted.output or swapped(case, run, made)
    measured = measure(case, output, run.judge, run.options, run.watch, timing)
    if references is None:
        references = measured_references(case, run) if run.with_references else {}
    return Judged(wanted.name, measured, references)


def case_of(wanted: Wanted, run: Run, known: Known, timing: Timing | None) -> Case:
    """The pair's case; of a foreign output the faces are those that changed in it."""
    faces = wanted.faces
    if not faces and wanted.output is not None:
        opened = open_target(wanted.target, Trim()).as_target()
        faces = changed_people(opened, wanted.target, known.scan, wanted.output, timing)
    pair = pair_of(wanted.sources, faces)
    case = open_case(wanted.target, [pair], run.judge, people=run.people, scan=known.scan)
    return replace(case, readings=known.readings)


def swapped(case: Case, run: Run, made: Path | None) -> Path:
    """The product's own swap of a case, from the scan that it already has."""
    if made is None or case.path is None:
        raise BadMeasurementsError("a pair without an output needs a place to swap it to")
    rendering = Rendering(case.scan, case.plan, run.judge.parts.swapper, watch=run.watch)
    opened = open_target(case.path, Trim())
    if isinstance(opened, VideoTarget):
        rendering.write_video(opened, made)
    else:
        rendering.write_still(opened, made)
    return made


def measured_references(case: Case, run: Run) -> dict[str, Measured]:
    """The three references on the same faces, in memory: by name of REFERENCE_NAMES."""
    few = replace(run.options, shots=0)
    found = {
        name: measure(case, reference(name, case, run), run.judge, few, run.watch)
        for name in REFERENCE_NAMES
    }
    return {name: replace(measured, pictures=()) for name, measured in found.items()}


def reference(name: ReferenceName, case: Case, run: Run) -> Target:
    """A reference as an output; only frames that will be looked at are made."""
    stride, topology = run.options.stride, run.judge.parts.scanner.topology

    @contextmanager
    def frames() -> Iterator[Iterator[Frame]]:
        with case.target.open() as every:
            needed = (f for f in every if 0 in (f.index % stride, (f.index + 1) % stride))
            yield reference_frames(name, needed, case.scan.tracks, case.plan, topology)

    return Target(TITLES[name], frames, case.target.frame_count)


def judge_into(folder: Path, wanted: Wanted, run: Run, before: Path | None = None) -> Suite:
    """Measure one pair and write it down as ``run_suite`` does; what goes wrong is raised."""
    older = read_suite(before) if before else None
    make_folder(folder)
    known, key = scan_known(wanted.target, run), key_of(wanted, run)
    lent = lent_references(older or {})
    judged = measure_into(folder / wanted.name, wanted, run, known, key, lent)
    return finish(folder, [judged], [], run, older)


# Many pairs


def run_suite(
    wanted: Sequence[Wanted],
    folder: Path,
    run: Run,
    before: Path | None = None,
    on_pair: Callable[[str, int], None] = lambda name, number: None,
) -> Suite:
    """Measure all pairs, each with a folder of its own in ``folder``; then write the whole.

    A pair that an earlier run measured the same way (the same files, stride and version) is not
    measured again. One that fails is told of and passed over. References are taken over from the
    run ``before`` where files and stride are the same. ``on_pair`` is called with each pair's name
    and its number (1-based, of those to be measured) before it is begun.

    Raises OutputError and its like, CancelledError, and BadMeasurementsError where ``before`` is
    no such run or no pair could be measured.
    """
    older = read_suite(before) if before else None
    make_folder(folder)
    lent = lent_references(older or {})
    found: dict[str, Judged] = {}
    failures: list[Failure] = []
    for number, (pair, known) in enumerate(with_scans(wanted, run), start=1):
        on_pair(pair.name, number)
        try:
            key = key_of(pair, run)
            own = folder / pair.name
            found[pair.name] = find_measured(own, key) or measure_into(
                own, pair, run, known(), key, lent
            )
        except (CancelledError, OutputError):
            raise
        except LendfaceError as error:
            failures.append(Failure(pair.name, error.code, str(error)))
    if not found:
        raise BadMeasurementsError(f"no pair could be measured; the first: {failures[0].message}")
    return finish(folder, [found[w.name] for w in wanted if w.name in found], failures, run, older)


def with_scans(wanted: Sequence[Wanted], run: Run) -> Iterator[tuple[Wanted, Callable[[], Known]]]:
    """The pairs, target by target; each target is scanned at most once, when it is asked for."""
    in_order = sorted(wanted, key=lambda pair: str(pair.target))
    for target, group in groupby(in_order, key=lambda pair: pair.target):
        known = cache(partial(scan_known, target, run))
        for pair in group:
            yield pair, known


def finish(
    folder: Path,
    pairs: Sequence[Judged],
    failures: Sequence[Failure],
    run: Run,
    older: Mapping[str, Any] | None,
) -> Suite:
    found = changes(suite_from_json(older), pairs) if older is not None else None
    suite = Suite(tuple(pairs), tuple(failures), found)
    write_suite(folder, suite, run)
    return suite


def compare_runs(before: Path, after: Path) -> dict[str, Change]:
    """What changed between two runs. Raises FileMissingError and BadMeasurementsError."""
    return changes(*(suite_from_json(read_suite(path)) for path in (before, after)))


def measure_into(
    folder: Path,
    pair: Wanted,
    run: Run,
    known: Known,
    key: str,
    lent: Mapping[str, Mapping[str, Measured]],
) -> Judged:
    """Measure a pair and write all of it to its folder, its figures last.

    The answer is what a later run reads from there: figures as they were rounded, no pictures.
    """
    make_folder(folder)
    ending = pair.target.suffix.lower()
    made = folder / f"swapped{ending if ending in (*FILM_ENDINGS, *PHOTO_ENDINGS) else '.mp4'}"
    case_key = key_of(replace(pair, output=None), run)
    judged = judge_pair(pair, run, known, made, lent.get(case_key))
    source = rgb_of(read_image(pair.sources[0])[0])
    write_pictures(folder, judged, source)
    found = {"key": key, "case_key": case_key, **pair_as_json(judged)}
    write_text(folder / PAIR, json.dumps(found, ensure_ascii=False))
    return pair_from_json(found)


def find_measured(folder: Path, key: str) -> Judged | None:
    """What an earlier run found, if it looked at the same files in the same way."""
    try:
        found = json.loads((folder / PAIR).read_text(encoding="utf-8"))
        return pair_from_json(found) if found["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def key_of(pair: Wanted, run: Run) -> str:
    """The same for the same files, looked at in the same way by the same version."""
    paths = [*pair.sources, pair.target, *([pair.output] if pair.output else [])]
    masks = [
        [*place, [polygon.tolist() for polygon in polygons]]
        for place, polygons in (run.options.drawn or {}).items()
    ]
    looks = [run.options.stride, run.with_references, sorted(run.people or ()), masks]
    facts = [__version__, *looks, pair.faces, *(file_facts(path) for path in paths)]
    return sha256(json.dumps(facts).encode()).hexdigest()


def file_facts(path: Path) -> tuple[str, int, int]:
    """Name, bytes and time of change. Raises FileMissingError and EmptyFileError."""
    if not path.is_file():
        raise FileMissingError(path.name)
    about = path.stat()
    if not about.st_size:
        raise EmptyFileError(path.name)
    return path.name, about.st_size, about.st_mtime_ns


# Files


def write_suite(folder: Path, suite: Suite, run: Run) -> None:
    """The whole run: its figures, its table, and pages of all faces."""
    facts: dict[str, Any] = {
        "version": __version__,
        "stride": run.options.stride,
        "failures": [
            {"name": f.name, "code": f.code, "message": f.message} for f in suite.failures
        ],
    }
    text = suite_as_markdown(suite.pairs, "Figures of the swaps")
    if suite.changes is not None:
        facts["changes"] = changes_as_json(suite.changes)
        text += "\n## Before and after\n\n" + changes_as_markdown(suite.changes)
    if suite.failures:
        told = "\n".join(f"- {f.name}: {f.message} [{f.code}]" for f in suite.failures)
        text += f"\n## Not measured\n\n{told}\n"
    value = suite_as_json(suite.pairs, facts)
    keys = {pair.name: case_key_in(folder / pair.name) for pair in suite.pairs}
    for pair in value["pairs"]:
        pair["case_key"] = keys[pair["name"]]
    write_text(folder / SUITE, json.dumps(value, ensure_ascii=False))
    write_text(folder / TABLE, text)
    sheets = [folder / pair.name / FACES for pair in suite.pairs]
    shown = [rgb_of(read_image(path)[0]) for path in sheets if path.is_file()]
    for number, sheet in enumerate(pages(shown), start=1):
        write_sheet(folder / f"faces_{number}.jpg", sheet)


def write_pictures(folder: Path, judged: Judged, source: Pixels) -> None:
    """The plot and the contact sheet of one pair."""
    measured = judged.measured
    title = f"{measured.source} on {measured.target}: {measured.output}"
    times = {sample.index: sample.time_s for sample in measured.samples}
    write_sheet(folder / PLOT, plot_of(measured, title))
    write_sheet(folder / FACES, face_sheet(title, source, measured, times))


def read_suite(path: Path) -> dict[str, Any]:
    """A run's ``suite.json``, or that of its folder. Raises FileMissingError,
    BadMeasurementsError."""
    file = path / SUITE if path.is_dir() else path
    if not file.is_file():
        raise FileMissingError(file.name)
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, ValueError) as fault:
        raise BadMeasurementsError(f"{file.name} is no result of lendface evaluate") from fault
    suite_from_json(value)
    return value


def lent_references(value: Mapping[str, Any]) -> dict[str, Mapping[str, Measured]]:
    """The references of an earlier run, by the case that they belong to."""
    found = {}
    for pair in value.get("pairs", ()):
        if pair.get("case_key") and pair["references"]:
            found[pair["case_key"]] = pair_from_json(pair).references
    return found


def case_key_in(folder: Path) -> str | None:
    try:
        return json.loads((folder / PAIR).read_text(encoding="utf-8"))["case_key"]
    except (OSError, ValueError, KeyError):
        return None


def make_folder(folder: Path) -> None:
    """Raises OutputFolderMissingError and OutputError."""
    if not folder.is_dir():
        check_writable(folder)
        with writing():
            folder.mkdir(exist_ok=True)


def write_text(path: Path, text: str) -> None:
    """It appears whole or not at all. Raises OutputError and DiskFullError."""
    with atomic_output(path) as part, writing():
        part.write_text(text, encoding="utf-8")
