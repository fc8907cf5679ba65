"""What a suite measures: pairs of a source and a target, from a folder or a list in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from ..errors import BadMeasurementsError, FileMissingError
from .gallery import SECOND_PHOTO

PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
FILM_ENDINGS = (".mp4", ".m4v", ".mov", ".mkv", ".webm")
SOURCES, TARGETS, OUTPUTS = ("sources", "portraits"), ("targets", "clips"), "outputs"
BETWEEN = "__"  # SOURCE__TARGET.mp4
HOW = (
    "give a JSON list of pairs, a folder with sources/ and targets/, "
    "or a folder of folders with source.jpg and target.mp4 each"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One pair to be measured; without an ``output`` the product makes it."""

    name: str  # of a folder, and the same in each run
    sources: tuple[Path, ...]  # photos of one person
    target: Path
    output: Path | None = None
    faces: tuple[int, ...] = ()  # of the cast; without any those who changed


def read_pairs(path: Path, most: int | None = None) -> list[Wanted]:
    """The pairs that ``path`` tells of, in a fixed order; ``most`` of them, spread over all.

    A JSON list has objects with "source" (a photo or a list of photos), "target" and, where they
    are given, "output", "faces" and "name"; its paths count from the list's folder. A folder with
    ``sources`` and ``targets`` gives every source on every target; an output is looked for as
    ``outputs/SOURCE__TARGET.*``. Else each folder in the folder is one pair: pictures named
    ``source*``, one ``target.*`` and perhaps an ``output.*``.

    Raises FileMissingError and BadMeasurementsError.
    """
    if not path.exists():
        raise FileMissingError(path.name)
    wanted = listed(path) if path.is_file() else crossed(path) or nested(path)
    if not wanted:
        raise BadMeasurementsError(f"{path.name} has no pairs; {HOW}")
    names = [pair.name for pair in wanted]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadMeasurementsError(f"two pairs are called {twice}; give each a name of its own")
    return wanted[:most]


def find_sources(path: Path) -> Path | None:
    """The folder of sources that ``path`` has, which is a gallery to find each of them in."""
    return first_folder(path, SOURCES) if path.is_dir() else None


def listed(path: Path) -> list[Wanted]:
    """The pairs of a JSON list."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, ValueError) as fault:
        raise BadMeasurementsError(f"{path.name} is no JSON; {HOW}") from fault
    if not isinstance(rows, list):
        raise BadMeasurementsError(f"{path.name} is no JSON list; {HOW}")
    return [_listed_pair(row, path, number) for number, row in enumerate(rows, start=1)]


def crossed(folder: Path) -> list[Wanted]:
    """Every source on every target; the first ones use each of them about equally often."""
    sources = [
        photo
        for photo in pictures(first_folder(folder, SOURCES))
        if not photo.stem.endswith(SECOND_PHOTO)
    ]
    targets = films(first_folder(folder, TARGETS))
    outputs = {film.stem: film for film in films(folder / OUTPUTS)}
    places = product(range(len(sources)), range(len(targets)))
    in_order = sorted(places, key=lambda at: ((at[1] - at[0]) % len(targets), at[0]))
    names = ((sources[a], targets[b]) for a, b in in_order)
    return [
        Wanted(name, (source,), target, outputs.get(name))
        for source, target in names
        for name in [f"{source.stem}{BETWEEN}{target.stem}"]
    ]


def nested(folder: Path) -> list[Wanted]:
    """A pair for each folder in the folder; those without a source or a target are no pairs."""
    wanted = []
    for inside in sorted(path for path in folder.iterdir() if path.is_dir()):
        sources = tuple(p for p in pictures(inside) if p.stem.startswith("source"))
        ends = {path.stem: path for path in [*pictures(inside), *films(inside)]}
        if sources and "target" in ends:
            wanted.append(Wanted(inside.name, sources, ends["target"], ends.get("output")))
    return wanted


def pictures(folder: Path | None) -> list[Path]:
    return _with_endings(folder, PHOTO_ENDINGS)


def films(folder: Path | None) -> list[Path]:
    return _with_endings(folder, FILM_ENDINGS)


def first_folder(folder: Path, names: Iterable[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _with_endings(folder: Path | None, endings: Sequence[str]) -> list[Path]:
    if folder is None or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in endings)


def _listed_pair(row: Any, path: Path, number: int) -> Wanted:
    wrong = BadMeasurementsError(
        f'pair {number} of {path.name} is wrong; write {{"source": "me.jpg", "target": "clip.mp4"}}'
    )
    if not isinstance(row, Mapping):
        raise wrong
    photos = row.get("source")
    sources = [photos] if isinstance(photos, str) else photos
    target, output, faces = row.get("target"), row.get("output"), row.get("faces", [])
    if not _are(str, sources) or not sources or not isinstance(target, str):
        raise wrong
    if not isinstance(output, str | None) or not _are(int, faces):
        raise wrong
    name = row.get("name", f"{Path(sources[0]).stem}{BETWEEN}{Path(target).stem}")
    if not isinstance(name, str) or not name or Path(name).name != name or name.startswith("."):
        raise wrong
    return Wanted(
        name,
        tuple(path.parent / source for source in sources),
        path.parent / target,
        None if output is None else path.parent / output,
        tuple(faces),
    )


def _are(kind: type, values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)
