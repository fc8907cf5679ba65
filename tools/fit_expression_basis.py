"""Fits ``expression_basis.npz``: how far each expression weight moves each point of the face mesh.

    python tools/fit_expression_basis.py --london FOLDER --prior ict_basis.npz --out FILE

Of each person one photo is neutral and the others show an expression. What a point moved from one
to the other, posed straight, is explained by what the weights of ``face_blendshapes_52`` rose by
(ridge regression). Photos are taken a second time mirrored, so that left and right come out alike.
A neutral photo is a row too, whose weights may be anything and whose move is 0: people whose brows
are low by nature do not frown. Few photos of rare expressions are drawn towards ``--prior``, blend
shapes that an artist made (B (52, 468, 3) centimetres, in the order of the weights): those of
ICT-FaceKit, carried over to this mesh.

The London set (``neutral_*``, ``smiling_*``, numbered by person) is not in the repository:
doi 10.6084/m9.figshare.5047666. The sheets of emotions come with the package ``openpeople``; only
people with an odd number are learnt from, so that the tests may judge by the others.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np

from lendface.app import build
from lendface.engine.enrol import Photo
from lendface.engine.mesh.shape import posed_straight
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Floats, Pixels
from lendface.errors import LendfaceError
from lendface.models import Blendshapes, load_topology
from lendface.models.blendshapes import NAMES

LEARNT = tuple(n for n in NAMES if n != "_neutral" and not n.startswith("eyeLook"))
COLUMNS = [NAMES.index(name) for name in LEARNT]
RIDGE = 3e-3  # of the number of rows
PRIOR_SHARE = 0.7  # of the artist's shapes, towards which few photos are drawn
CELLS_X, CELLS_Y, CELL_WH = (54, 638, 1222, 1808), (66, 504, 936, 1372), (540, 344)
ODD = (1, 3, 5, 7, 9)


@dataclass(frozen=True, eq=False)
class Seen:
    """One photo."""

    weights: Floats  # (43,)
    shape: Floats  # (468, 3) centimetres, posed straight


class Reader:
    """From pixels to ``Seen``."""

    def __init__(self) -> None:
        self._topology, self._enroller = load_topology(), build().enroller
        self._expressions = Blendshapes.load()

    def read(self, pixels: Pixels) -> Seen | None:
        try:
            portrait = self._enroller.portrait(Photo("photo", ArrayPicture(pixels)))
        except LendfaceError:
            return None
        landmarks = portrait.mesh.landmarks_xyz
        return Seen(
            self._expressions.weights(landmarks)[COLUMNS],
            posed_straight(self._topology, [landmarks])[0],
        )


def read_rgb(path: Path) -> Pixels:
    bgr = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return np.ascontiguousarray(bgr[..., ::-1])


def london_people(folder: Path) -> Iterator[list[Pixels]]:
    """Neutral and smiling photo of each person."""
    for neutral in sorted(folder.glob("neutral_*")):
        number = re.findall(r"\d+", neutral.name)[0]
        smiling = next(folder.glob(f"smiling_front-{number}_*"), None)
        if smiling is not None:
            yield [read_rgb(neutral), read_rgb(smiling)]


def open_people(numbers: tuple[int, ...]) -> Iterator[list[Pixels]]:
    """The neutral photo and fifteen emotions of each."""
    for number in numbers:
        folder = files("openpeople") / "data" / "curated" / f"P{number:03d}" / "assets"
        sheet = read_rgb(Path(str(folder / "emotions_sheet.jpg")))
        yield [
            np.ascontiguousarray(sheet[y : y + CELL_WH[1], x : x + CELL_WH[0]])
            for y in CELLS_Y
            for x in CELLS_X
        ]


def rows_of(reader: Reader, photos: list[Pixels]) -> Iterator[tuple[Seen, Seen]]:
    """(neutral, photo) for each photo of a person that a face is found in, and for its mirror."""
    for flip in (False, True):
        turned = [np.ascontiguousarray(p[:, ::-1]) if flip else p for p in photos]
        neutral = reader.read(turned[0])
        if neutral is None:
            continue
        yield neutral, neutral
        for photo in turned[1:]:
            if (seen := reader.read(photo)) is not None:
                yield neutral, seen


def fit(rows: list[tuple[Seen, Seen]], neutral_weights: Floats, prior: Floats) -> Floats:
    """(43, 468, 3): the ridge solution, drawn towards ``prior`` of that shape."""
    risen = np.stack([seen.weights - neutral_weights for _, seen in rows]).astype(np.float64)
    moved = np.stack([(seen.shape - calm.shape).ravel() for calm, seen in rows])
    pull = RIDGE * len(rows) * np.eye(len(LEARNT))
    towards = prior.reshape(len(LEARNT), -1)
    solved = np.linalg.solve(risen.T @ risen + pull, risen.T @ moved + pull @ towards)
    return solved.reshape(len(LEARNT), -1, 3).astype(np.float32)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--london", type=Path, required=True)
    options.add_argument("--prior", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    reader, rows = Reader(), list[tuple[Seen, Seen]]()
    for people in (london_people(given.london), open_people(ODD)):
        for photos in people:
            rows += rows_of(reader, photos)
    calm = [seen.weights for neutral, seen in rows if seen is neutral]
    neutral_weights = np.median(calm, axis=0).astype(np.float32)
    prior = PRIOR_SHARE * np.load(given.prior)["B"][COLUMNS]
    basis = fit(rows, neutral_weights, prior)
    np.savez_compressed(
        given.out,
        basis=basis.astype(np.float16),
        neutral_weights=neutral_weights,
        names=np.array(LEARNT),
    )
    print(f"{len(rows)} rows, of {len(calm)} calm ones")


if __name__ == "__main__":
    main()
