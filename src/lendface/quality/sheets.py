"""Contact sheets of a measurement: faces of target and output side by side, with their figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..engine.types import Pixels
from ..pipeline.sheets import INK, PALE, beside, captioned, fitted, framed, stacked, told_time
from .figures import FIGURES
from .tables import told
from .types import Measured, Shot

TILE_PX = 200
SHOWN = ("transfer", "to_source", "edge_visibility", "tone_step", "flicker")  # below each face
LETTERS = 26  # of a line under a tile
PER_PAGE = 12


def face_sheet(
    title: str,
    source: Pixels | None,
    measured: Measured,
    times_s: dict[int, float],
    tile_px: int = TILE_PX,
) -> Pixels:
    """(H, W, 3) RGB: the source at left, a column for each face that was kept to be looked at.

    ``times_s`` gives the time of a frame.
    """
    nothing = _nothing(tile_px)
    columns = [_column(shot, times_s.get(shot.index), tile_px) for shot in measured.pictures]
    if source is not None:
        own = [captioned("", nothing), captioned("source", fitted(source, tile_px))]
        columns = [stacked(own), *columns]
    strip = beside(columns or [captioned("no face to show", nothing)])
    return framed(stacked([captioned(title, _nothing(strip.shape[1])), strip]))


def pages(sheets: Sequence[Pixels], shrink: int = 2) -> list[Pixels]:
    """Many sheets below one another, a dozen a page, each ``shrink`` times smaller."""
    small = [fitted_by(sheet, shrink) for sheet in sheets]
    return [stacked(small[k : k + PER_PAGE]) for k in range(0, len(small), PER_PAGE)]


def fitted_by(sheet: Pixels, shrink: int) -> Pixels:
    """Mean of squares of pixels; what does not fill one at the right and below is cut off."""
    height, width = (side // shrink for side in sheet.shape[:2])
    blocks = sheet[: height * shrink, : width * shrink].reshape(height, shrink, width, shrink, 3)
    return np.rint(blocks.mean((1, 3))).astype(np.uint8)


def caption_of(shot: Shot, time_s: float | None) -> str:
    when = f"frame {shot.index}" if time_s is None else told_time(time_s)
    return f"{when}, face {shot.track_id}"


def lines_of(shot: Shot) -> list[str]:
    """What a face shows the worst of, then its main figures."""
    seen = [
        f"{FIGURES[name].title} {told(shot.figures[name])}"
        for name in SHOWN
        if name in FIGURES and name in shot.figures
    ]
    return [line[:LETTERS] for line in [*([f"worst: {shot.why}"] if shot.why else [""]), *seen]]


def _column(shot: Shot, time_s: float | None, tile_px: int) -> Pixels:
    nothing = _nothing(tile_px)
    return stacked(
        [
            captioned(caption_of(shot, time_s), nothing),
            captioned("target", fitted(shot.target, tile_px), PALE),
            captioned("output", fitted(shot.output, tile_px), PALE),
            *(
                captioned(line, nothing, INK if k == 0 else PALE)
                for k, line in enumerate(lines_of(shot))
            ),
        ]
    )


def _nothing(width: int) -> Pixels:
    return np.zeros((0, width, 3), np.uint8)
