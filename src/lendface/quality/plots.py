"""Figures over a film's time as one picture: a strip for each figure, a line for each face.

Drawn with OpenCV, at twice the size and then made smaller, so that nothing has to be installed
for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..engine.types import Array, Pixels
from .figures import FIGURES, Figure
from .types import Measured

WIDTH_PX, STRIP_PX, HEAD_PX, FOOT_PX = 1120, 118, 34, 30
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 76, 16, 26, 10  # around the field of a strip
FINER = 2
PAPER, FIELD, GRID, INK, PALE = (
    (250, 250, 248), (255, 255, 255), (228, 228, 226), (32, 32, 36), (110, 110, 116),
)  # fmt: skip
GOOD = (232, 243, 230)
LINES = ((35, 102, 184), (205, 92, 35), (46, 139, 87), (140, 70, 160), (120, 120, 60))
BREAK = 3.0  # of the usual step: a line is not drawn over a longer pause
MARGIN = 0.08  # of the values' range, above and below them
STEPS = (1, 2, 5, 10)

PLOTTED = (
    "transfer",
    "to_source",
    "expression_error",
    "gaze_error",
    "pose_error",
    "edge_visibility",
    "tone_step",
    "sharpness",
    "flicker",
    "hand_change",
)

Colour = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Line:
    """One face's figure over time. ``times_s`` rises; both are of one length, at least 1."""

    label: str
    times_s: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True, eq=False)
class Strip:
    """One figure. ``bound`` is the range that is aimed at; None where an end is open."""

    title: str
    lines: tuple[Line, ...]
    bound: tuple[float | None, float | None] | None = None


def plot_of(measured: Measured, title: str) -> Pixels:
    """(H, W, 3) RGB: what can be told of each frame, over the film; faces that fit only."""
    strips = (_strip(measured, FIGURES[name]) for name in PLOTTED if name in FIGURES)
    return plot(title, [strip for strip in strips if strip.lines])


def plot(title: str, strips: Sequence[Strip]) -> Pixels:
    """(H, W, 3) RGB: the strips one below the other over one axis of time in seconds."""
    height = HEAD_PX + max(len(strips), 1) * STRIP_PX + FOOT_PX
    canvas = np.full((height * FINER, WIDTH_PX * FINER, 3), PAPER, np.uint8)
    write(canvas, title, (LEFT_PX, 22), INK, 14)
    lines = [line for strip in strips for line in strip.lines]
    if not lines:
        write(canvas, "nothing could be measured", (LEFT_PX, HEAD_PX + 40), PALE)
        return smaller(canvas)
    legend(canvas, sorted({line.label for line in lines}))
    times = (min(line.times_s[0] for line in lines), max(line.times_s[-1] for line in lines))
    span = (times[0], max(times[1], times[0] + 1e-3))
    for row, strip in enumerate(strips):
        draw_strip(canvas, strip, HEAD_PX + row * STRIP_PX, span)
    draw_times(canvas, height - FOOT_PX, span)
    return smaller(canvas)


def _strip(measured: Measured, figure: Figure) -> Strip:
    by_track: dict[int, list[tuple[float, float]]] = {}
    for sample in measured.samples:
        if sample.fits and figure.name in sample.figures:
            seen = by_track.setdefault(sample.track_id, [])
            seen.append((sample.time_s, sample.figures[figure.name]))
    lines = tuple(
        Line(f"face {number}", *zip(*seen, strict=True))
        for number, seen in sorted(by_track.items())
    )
    title = f"{figure.title}, {figure.unit}" if figure.unit else figure.title
    return Strip(title, lines, figure.bound)


def draw_strip(canvas: Pixels, strip: Strip, top: int, span_s: tuple[float, float]) -> None:
    """One figure below the pixel row ``top``."""
    y0, y1 = top + TOP_PX, top + STRIP_PX - BOTTOM_PX
    x0, x1 = LEFT_PX, WIDTH_PX - RIGHT_PX
    low, high = value_range(strip)

    def to_y(value: float) -> float:
        return y1 - (value - low) / (high - low) * (y1 - y0)

    fill(canvas, (x0, y0), (x1, y1), FIELD)
    if strip.bound is not None:
        least, most = strip.bound
        upper = y0 if most is None else max(y0, to_y(min(most, high)))
        lower = y1 if least is None else min(y1, to_y(max(least, low)))
        if lower > upper:
            fill(canvas, (x0, upper), (x1, lower), GOOD)
    for value in round_values(low, high, 3):
        stroke(canvas, [(x0, to_y(value)), (x1, to_y(value))], GRID)
        write(canvas, f"{value:g}".rjust(8), (8, to_y(value) + 4), PALE, 10)
    for second in round_values(*span_s, 10):
        x = x0 + (second - span_s[0]) / (span_s[1] - span_s[0]) * (x1 - x0)
        stroke(canvas, [(x, y0), (x, y1)], GRID)
    write(canvas, strip.title, (x0, top + 18), INK)
    colours = colours_of({line.label for line in strip.lines})
    for line in strip.lines:
        xs = x0 + (np.array(line.times_s) - span_s[0]) / (span_s[1] - span_s[0]) * (x1 - x0)
        points = list(zip(xs.tolist(), [to_y(v) for v in line.values], strict=True))
        for part in unbroken(line.times_s):
            stroke(canvas, points[part], colours[line.label], 1.5)


def value_range(strip: Strip) -> tuple[float, float]:
    """What a strip shows: all values, and the nearer part of what is aimed at."""
    values = [value for line in strip.lines for value in line.values]
    ends = [end for end in strip.bound or () if end is not None]
    low, high = min(values + ends, default=0), max(values + ends, default=1)
    room = MARGIN * (high - low) or max(abs(high), 1) * MARGIN
    return low - room, high + room


def round_values(low: float, high: float, about: int) -> list[float]:
    """Up to about ``about`` round numbers between two.

    >>> round_values(0.13, 0.97, 3)
    [0.5]
    >>> round_values(0, 10, 5)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    rough = (high - low) / about
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(scale * s for s in STEPS if scale * s >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{k * step:.10g}") for k in range(first, last + 1)]


def unbroken(times_s: Sequence[float]) -> list[slice]:
    """The parts of a line without a pause that is long for it.

    >>> unbroken([0, 1, 2, 9, 10])
    [slice(0, 3, None), slice(3, 5, None)]
    """
    steps = np.diff(times_s)
    usual = float(np.median(steps)) if len(steps) else 0.0
    ends = [*(np.flatnonzero(steps > BREAK * usual) + 1).tolist(), len(times_s)]
    return [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def legend(canvas: Pixels, labels: Sequence[str]) -> None:
    x = WIDTH_PX - RIGHT_PX
    colours = colours_of(set(labels))
    for label in reversed(labels if len(labels) > 1 else ()):
        x -= 22 + 7 * len(label)
        fill(canvas, (x, 14), (x + 12, 18), colours[label])
        write(canvas, label, (x + 16, 21), PALE)


def colours_of(labels: set[str]) -> dict[str, Colour]:
    return {label: LINES[k % len(LINES)] for k, label in enumerate(sorted(labels))}


def draw_times(canvas: Pixels, top: int, span_s: tuple[float, float]) -> None:
    for second in round_values(*span_s, 10):
        share = (second - span_s[0]) / (span_s[1] - span_s[0])
        x = LEFT_PX + share * (WIDTH_PX - RIGHT_PX - LEFT_PX)
        write(canvas, f"{second:g} s", (x - 8, top + 14), PALE, 10)


# On the finer canvas; places are in pixels of the finished picture


def fill(
    canvas: Pixels, corner: tuple[float, float], other: tuple[float, float], colour: Colour
) -> None:
    (x0, y0), (x1, y1) = ([round(v * FINER) for v in point] for point in (corner, other))
    canvas[y0:y1, x0:x1] = colour


def stroke(
    canvas: Pixels, points: Sequence[tuple[float, float]], colour: Colour, width_px: float = 1
) -> None:
    """A line through points; a single one becomes a dot."""
    sixteenths: Array = np.rint(np.array(points) * FINER * 16).astype(np.int32)
    if len(points) == 1:
        x, y = sixteenths[0].tolist()
        cv2.circle(canvas, (x, y), 16 * 3 * FINER // 2, colour, -1, cv2.LINE_AA, 4)
        return
    width = max(1, round(width_px * FINER))
    cv2.polylines(canvas, [sixteenths[:, None]], False, colour, width, cv2.LINE_AA, 4)


def write(
    canvas: Pixels, text: str, at_xy: tuple[float, float], colour: Colour, size_px: int = 11
) -> None:
    """Text whose base line begins at ``at_xy``."""
    font = cv2.FONT_HERSHEY_DUPLEX
    scale = cv2.getFontScaleFromHeight(font, size_px * FINER)
    place = (round(at_xy[0] * FINER), round(at_xy[1] * FINER))
    cv2.putText(canvas, text, place, font, scale * 0.8, colour, 1, cv2.LINE_AA)


def smaller(canvas: Pixels) -> Pixels:
    size = (canvas.shape[1] // FINER, canvas.shape[0] // FINER)
    return cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
