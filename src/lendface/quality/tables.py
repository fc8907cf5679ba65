"""From many measurements to a table: rows with intervals, JSON, Markdown, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import BadMeasurementsError
from .figures import FIGURES, Figure
from .intervals import Change, Doubles, change, interval
from .types import FaceSample, Measured

FORMAT = 1
OUTPUT = "output"
TITLES = {
    OUTPUT: "output",
    "no_swap": "no swap",
    "hard_paste": "hard paste",
    "mean_colour": "mean colour",
}
DIGITS = 5  # significant ones of what is written down
ABOUT_FACES = ("eye_px", "face_px", "turn_deg", "strength")
PER_TABLE = 8  # figures side by side


@dataclass(frozen=True, eq=False)
class Judged:
    """One source on one target: the output that is judged, and the references beside it."""

    name: str
    measured: Measured
    references: Mapping[str, Measured] = field(
        default_factory=dict
    )  # by references.REFERENCE_NAMES

    @property
    def figures(self) -> dict[str, Cell]:
        """The output's figures by name; those that could not be measured are missing."""
        return row_of([self.measured])

    def row(self, which: str) -> Measured | None:
        return self.measured if which == OUTPUT else self.references.get(which)


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure over pairs with its 95 % interval."""

    value: float
    low: float
    high: float
    pairs: int  # in which it could be measured
    faces: int  # of all those pairs
    is_met: bool | None  # None where the figure has no bound


# From samples to figures


def values_of(measured: Measured, figure: Figure) -> Doubles:
    """(n,) a figure of each face that fits, by frame; of the whole film (1,); or nothing (0,)."""
    if figure.how == "film":
        value = measured.film.get(figure.name)
        return np.array([] if value is None else [value], np.float64)
    seen = (s.figures.get(figure.name) for s in measured.samples if s.fits)
    return np.array([value for value in seen if value is not None], np.float64)


def row_of(measured: Iterable[Measured]) -> dict[str, Cell]:
    """The figures over several pairs, each weighing the same; those never measured are missing."""
    every = list(measured)
    cells: dict[str, Cell] = {}
    for name, figure in FIGURES.items():
        groups = [values for one in every if len(values := values_of(one, figure))]
        found = interval(groups, figure.how)
        if found is not None:
            cells[name] = Cell(
                found.value,
                found.low,
                found.high,
                len(groups),
                sum(len(group) for group in groups),
                figure.is_met(found.value) if figure.bound else None,
            )
    return cells


def rows_of(pairs: Sequence[Judged]) -> dict[str, dict[str, Cell]]:
    """A row for the output and for each reference, all over the same pairs."""
    rows = {which: [one for pair in pairs if (one := pair.row(which))] for which in TITLES}
    return {which: row_of(measured) for which, measured in rows.items() if measured}


# Before and after


def changes(before: Sequence[Judged], after: Sequence[Judged]) -> dict[str, Change]:
    """What changed between two runs, over the faces and pairs that both measured.

    Raises BadMeasurementsError where they have no pair in common.
    """
    old = {pair.name: pair.measured for pair in before}
    both = [(old[pair.name], pair.measured) for pair in after if pair.name in old]
    if not both:
        raise BadMeasurementsError(
            "the two runs have no pair in common; pairs are told by their names"
        )
    found: dict[str, Change] = {}
    for name, figure in FIGURES.items():
        matched = [matched_values(*two, figure) for two in both]
        told = change([a for a, _ in matched], [b for _, b in matched], figure.how, figure.better)
        if told is not None:
            found[name] = told
    return found


def matched_values(before: Measured, after: Measured, figure: Figure) -> tuple[Doubles, Doubles]:
    """A figure of the faces that both have it of, in the same order."""
    if figure.how == "film":
        both = values_of(before, figure), values_of(after, figure)
        return both if all(len(values) for values in both) else (np.zeros(0), np.zeros(0))
    old = {(s.index, s.track_id): s.figures.get(figure.name) for s in before.samples if s.fits}
    pairs = [
        (mine, s.figures[figure.name])
        for s in after.samples
        if s.fits
        and figure.name in s.figures
        and (mine := old.get((s.index, s.track_id))) is not None
    ]
    columns = np.array(pairs, np.float64).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]


# JSON


def suite_as_json(pairs: Sequence[Judged], facts: Mapping[str, Any]) -> dict[str, Any]:
    """All of a run as plain values; ``facts`` (tool, stride) are added as they are."""
    return {
        "format": FORMAT,
        **facts,
        "rows": {which: row_as_json(row) for which, row in rows_of(pairs).items()},
        "pairs": [pair_as_json(pair) for pair in pairs],
    }


def suite_from_json(value: Any) -> list[Judged]:
    """The pairs of a run. Raises BadMeasurementsError where it is none, or of another format."""
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise BadMeasurementsError(
            "this is no result of lendface evaluate, or one of another version"
        )
    try:
        return [pair_from_json(pair) for pair in value["pairs"]]
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise BadMeasurementsError("this result of lendface evaluate is damaged") from fault


def pair_as_json(pair: Judged) -> dict[str, Any]:
    return {
        "name": pair.name,
        "figures": {name: cell.value for name, cell in row_of([pair.measured]).items()},
        "output": measured_as_json(pair.measured),
        "references": {which: measured_as_json(one) for which, one in pair.references.items()},
    }


def pair_from_json(value: Mapping[str, Any]) -> Judged:
    references = {name: measured_from_json(one) for name, one in value["references"].items()}
    return Judged(value["name"], measured_from_json(value["output"]), references)


def measured_as_json(measured: Measured) -> dict[str, Any]:
    """Without its pictures; faces by column, null where a figure could not be measured."""
    samples = measured.samples
    names = [name for name in FIGURES if any(name in s.figures for s in samples)]
    return {
        "source": measured.source,
        "target": measured.target,
        "file": measured.output,
        "film": {name: rounded(value) for name, value in measured.film.items()},
        "notes": list(measured.notes),
        "faces": {
            "index": [s.index for s in samples],
            "track_id": [s.track_id for s in samples],
            "time_s": [round(s.time_s, 6) for s in samples],
            **{about: [rounded(getattr(s, about)) for s in samples] for about in ABOUT_FACES},
            "figures": {name: [rounded(s.figures.get(name)) for s in samples] for name in names},
        },
    }


def measured_from_json(value: Mapping[str, Any]) -> Measured:
    faces = value["faces"]
    columns: Mapping[str, Sequence[float | None]] = faces["figures"]
    about = ("index", "time_s", "track_id", *ABOUT_FACES)
    samples = tuple(
        FaceSample(
            **{name: faces[name][k] for name in about},
            figures={
                name: seen for name, column in columns.items() if (seen := column[k]) is not None
            },
        )
        for k in range(len(faces["index"]))
    )
    return Measured(
        value["source"],
        value["target"],
        value["file"],
        samples,
        dict(value["film"]),
        tuple(value["notes"]),
    )


def row_as_json(row: Mapping[str, Cell]) -> dict[str, Any]:
    return {
        name: {
            "value": rounded(cell.value),
            "low": rounded(cell.low),
            "high": rounded(cell.high),
            "pairs": cell.pairs,
            "faces": cell.faces,
            "is_met": cell.is_met,
        }
        for name, cell in row.items()
    }


def changes_as_json(found: Mapping[str, Change]) -> dict[str, Any]:
    return {
        name: {
            "before": rounded(told.before),
            "after": rounded(told.after),
            "difference": rounded(told.difference.value),
            "low": rounded(told.difference.low),
            "high": rounded(told.difference.high),
            "is_better": told.is_better,
            "pairs": told.pairs,
            "faces": told.frames,
        }
        for name, told in found.items()
    }


def rounded(value: float | None) -> float | None:
    """With five significant digits, which is more than any figure is worth."""
    return None if value is None else float(f"{float(value):.{DIGITS}g}")


# Markdown


def suite_as_markdown(pairs: Sequence[Judged], title: str) -> str:
    """The figures of a run with their references, and of each pair; then what could not be."""
    rows = rows_of(pairs)
    parts = [f"# {title}\n", how_to_read(pairs), figure_table(rows)]
    if len(pairs) > 1:
        parts += ["## Pair by pair\n", *pair_tables(pairs, rows)]
    notes = notes_of(pairs)
    if notes:
        parts += ["## Notes\n", "\n".join(f"- {note}" for note in notes) + "\n"]
    return "\n".join(parts)


def notes_of(pairs: Sequence[Judged]) -> list[str]:
    """What could not be measured; what is so of every pair is told once."""
    everywhere = set.intersection(*(set(pair.measured.notes) for pair in pairs)) if pairs else set()
    own = [
        f"{pair.name}: {note}"
        for pair in pairs
        for note in pair.measured.notes
        if note not in everywhere
    ]
    return [*sorted(everywhere), *own]


def how_to_read(pairs: Sequence[Judged]) -> str:
    faces = sum(s.fits for pair in pairs for s in pair.measured.samples)
    left_out = sum(not s.fits for pair in pairs for s in pair.measured.samples)
    small = f" ({left_out} too small or too far turned to count)" if left_out else ""
    return (
        f"{counted(len(pairs), 'pair')}, {counted(faces, 'face')}{small}. In brackets the 95 % "
        "interval: pairs and blocks of frames drawn anew (bootstrap); each pair weighs the same. "
        "Of one film it says nothing about other films.\n"
    )


def counted(count: int, thing: str) -> str:
    """
    >>> counted(1, "pair"), counted(3, "pair")
    ('1 pair', '3 pairs')
    """
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def figure_table(rows: Mapping[str, Mapping[str, Cell]]) -> str:
    """A line for each figure: what is aimed at, the output, and the references."""
    references = [which for which in rows if which != OUTPUT]
    lines = []
    for name, figure in FIGURES.items():
        cell = rows.get(OUTPUT, {}).get(name)
        others = [rows[which].get(name) for which in references]
        if cell is None and not any(others):
            continue
        met = {True: "yes", False: "**no**", None: ""}[cell.is_met if cell else None]
        shown = told_interval(cell) if cell else "-"
        plain = ["-" if other is None else told(other.value) for other in others]
        lines.append([titled(figure), told_aim(figure), shown, met, *plain])
    heads = ["figure", "aim", "output", "met", *(TITLES[which] for which in references)]
    return markdown_table(heads, lines)


def pair_tables(pairs: Sequence[Judged], rows: Mapping[str, Mapping[str, Cell]]) -> list[str]:
    """A row for each pair, for all of them and for each reference; a few figures a table."""
    chosen = [name for name, f in FIGURES.items() if f.bound and name in rows.get(OUTPUT, {})]
    of_pairs = [(pair.name, row_of([pair.measured])) for pair in pairs]
    of_all = [
        (f"**{TITLES[which] if which != OUTPUT else 'all pairs'}**", row)
        for which, row in rows.items()
    ]
    tables = []
    for first in range(0, len(chosen), PER_TABLE):
        names = chosen[first : first + PER_TABLE]
        aims = ["*aim*", *(told_aim(FIGURES[name]) for name in names)]
        lines = [
            [title, *(told_cell(row.get(name)) for name in names)]
            for title, row in [*of_pairs, *of_all]
        ]
        heads = ["pair", *(titled(FIGURES[name]) for name in names)]
        tables.append(markdown_table(heads, [*lines, aims]))
    return tables


def changes_as_markdown(found: Mapping[str, Change]) -> str:
    """What became better or worse first, then what did not change for sure."""
    verdicts = {True: "**better**", False: "**worse**", None: "no change that counts"}
    order = sorted(found, key=lambda name: found[name].is_better is None)
    lines = [
        [
            titled(FIGURES[name]),
            told(found[name].before),
            told(found[name].after),
            f"{signed(found[name].difference.value)} ({signed(found[name].difference.low)} to "
            f"{signed(found[name].difference.high)})",
            verdicts[found[name].is_better],
            f"{found[name].pairs}",
        ]
        for name in order
    ]
    heads = ["figure", "before", "after", "difference", "verdict", "pairs"]
    return (
        "A change counts when its 95 % interval excludes zero. For ratios the difference is that "
        "of the distances to 1.\n\n" + markdown_table(heads, lines)
    )


def definitions_table() -> str:
    """Every figure with its meaning, as the docs show it."""
    lines = [
        [f"`{name}`", titled(figure), told_how(figure), told_aim(figure) or "-", figure.meaning]
        for name, figure in FIGURES.items()
    ]
    return markdown_table(["name", "figure", "of a film", "aim", "meaning"], lines)


def markdown_table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """
    >>> print(markdown_table(["a", "b"], [["1", "x|y"]]), end="")
    | a | b |
    | --- | --- |
    | 1 | x\\|y |
    """
    rows = [heads, ["---"] * len(heads), *lines]
    told_rows = (" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows)
    return "".join(f"| {row} |\n" for row in told_rows)


def titled(figure: Figure) -> str:
    return f"{figure.title}, {figure.unit}" if figure.unit else figure.title


def told_how(figure: Figure) -> str:
    return {"mean": "mean", "median": "median", "share": "share of faces", "film": "whole film"}[
        figure.how
    ]


def told_aim(figure: Figure) -> str:
    """
    >>> told_aim(FIGURES["nearer_to_source"]), told_aim(FIGURES["edge_visibility"])
    ('at least 0.99', '0.9 to 1.1')
    """
    least, most = figure.bound or (None, None)
    if least is None and most is None:
        return ""
    if least is None:
        return f"at most {most:g}"
    return f"at least {least:g}" if most is None else f"{least:g} to {most:g}"


def told_interval(cell: Cell) -> str:
    """Without an interval where one value is all there is."""
    if cell.faces == 1:
        return told(cell.value)
    return f"{told(cell.value)} ({told(cell.low)} to {told(cell.high)})"


def told_cell(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    return f"**{told(cell.value)}**" if cell.is_met is False else told(cell.value)


def told(value: float) -> str:
    """As many digits as a reader can use.

    >>> [told(value) for value in (0.98765, 1.04, 0.00432, 12.345, 38.21, 0.0, -0.5)]
    ['0.988', '1.040', '0.0043', '12.3', '38.2', '0', '-0.500']
    """
    size = abs(value)
    if size < 1e-9:
        return "0"
    return f"{value:.1f}" if size >= 10 else f"{value:.3f}" if size >= 0.01 else f"{value:.2g}"


def signed(value: float) -> str:
    return f"+{told(value)}" if value > 1e-9 else told(value)
