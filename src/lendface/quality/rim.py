"""Does the edge of a swap show: steps across the rim of the face, and the tone on its two sides.

No tool's mask is known, so the rim is the target's own face outline. It is unrolled into a strip
that is measured in both pictures, and split into arcs, because an eye judges an edge by what is
beside it: a step that a plain forehead shows is lost along a jaw before a busy background.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lendface.engine.types import Array, Floats

MOST_EYE_PX = 64.0  # larger faces are made smaller first: an edge is a matter of the whole face
AROUND = 288  # samples along the outline
ARCS = 24
ALONG = 13  # samples that are averaged along the outline, so that a seam stays and hair does not
BAND = (-0.30, 0.12)  # eye distances from the outline, outwards; where swaps have their edges
STEP_FLOOR = 0.5  # Lab a pixel that nobody sees
INSIDE, OUTSIDE = (-0.20, -0.08), (0.02, 0.14)  # the two sides, eye distances
SECTORS = 6  # forehead, chin, and two at each side
LEAST_SHARE = 0.25  # of the outline that has to lie in the picture


def edge_visibility(target: Floats, output: Floats, oval_xy: Floats, eye_px: float) -> float | None:
    """How strong the steps across the rim are, divided by the target's own there; 1 is invisible.

    ``target`` and ``output`` (h, w, 3) RGB 0..255 show the same part of a frame, ``oval_xy``
    (n, 2) is the outline of the target's face in their pixels, in order, ``eye_px`` the distance
    of its eyes. The step is the Lab difference (CIE 1976) of neighbours across the outline after
    an average along it; each of 24 arcs has the root mean square of its steps from 0.30 eye
    distances inside to 0.12 outside, and the figure is the mean of the arcs' ratios. Above 1 an
    edge was added, below 1 the rim was smoothed. A step of 0.5 is added on both sides, so that
    noise of a plain rim does not count. None where too little of the outline is in the picture.
    """
    strips = _strips(target, output, oval_xy, eye_px)
    if strips is None:
        return None
    arcs, before, after = strips.seen_arcs, strips.target, strips.output
    inside = strips.between(*BAND)
    own, new = (_steps(strip[inside])[arcs] + STEP_FLOOR for strip in (before, after))
    return float(np.mean(new / own))


def tone_step(target: Floats, output: Floats, oval_xy: Floats, eye_px: float) -> float | None:
    """How much the tone steps from rim to inside beyond what the target's own face does, Lab.

    Arguments as of ``edge_visibility``; ``oval_xy`` begins at the top of the forehead. The median
    colour from 0.08 to 0.20 eye distances inside is compared to that from 0.02 to 0.14 outside,
    in each of 24 arcs; what the output's step has beyond the target's is averaged in six sectors,
    where lines and pores of the source cancel and a tone stays. The figure is the mean length of
    the six. 0 is the target's own tone; what both sides share, as a film made brighter, cancels.
    A beard that rightly arrives counts: look at the sheet beside it. None where too little of the
    outline is in the picture.
    """
    strips = _strips(target, output, oval_xy, eye_px)
    if strips is None:
        return None
    inside, outside = strips.between(*INSIDE), strips.between(*OUTSIDE)
    own, new = (
        _arc_medians(strip[inside]) - _arc_medians(strip[outside])
        for strip in (strips.target, strips.output)
    )
    return _mean_length(new - own, strips.seen_arcs)


@dataclass(frozen=True, slots=True, eq=False)
class _Strips:
    """The rim of both pictures unrolled: rows go outwards, columns along the outline."""

    target: Floats  # (rows, AROUND, 3) Lab
    output: Floats
    distance: Floats  # (rows,) eye distances from the outline, outwards
    seen_arcs: Array  # (ARCS,) bool: those wholly in the picture

    def between(self, low: float, high: float) -> Array:
        """(rows,) bool; at least two rows, which a step needs."""
        chosen = (self.distance >= low) & (self.distance <= high)
        if chosen.sum() < 2:
            nearest = np.argsort(np.abs(self.distance - (low + high) / 2))[:2]
            chosen[nearest] = True
        return chosen


def _strips(target: Floats, output: Floats, oval_xy: Floats, eye_px: float) -> _Strips | None:
    scale = min(1.0, MOST_EYE_PX / eye_px)
    height, width = target.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    ratio = np.float32(size) / np.float32([width, height])
    oval = (oval_xy.astype(np.float32) + np.float32(0.5)) * ratio - np.float32(0.5)
    places, distance = _places(oval, eye_px * scale)
    is_seen = _is_seen(places, size)
    if is_seen.mean() < LEAST_SHARE:
        return None
    first, second = (_unrolled(pixels, size, places) for pixels in (target, output))
    return _Strips(first, second, distance, is_seen)


def _places(oval_xy: Floats, eye_px: float) -> tuple[Floats, Floats]:
    """(rows, AROUND, 2) pixels of the strip, and (rows,) how far out each row lies."""
    middle = _even(oval_xy)
    along = np.roll(middle, -2, axis=0) - np.roll(middle, 2, axis=0)
    outwards = np.stack([along[:, 1], -along[:, 0]], axis=1)
    outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-6)
    if float(np.sum((middle - middle.mean(0)) * outwards)) < 0:
        outwards = -outwards
    low, high = min(BAND[0], INSIDE[0]), max(BAND[1], OUTSIDE[1])
    rows = np.arange(np.floor(low * eye_px), np.ceil(high * eye_px) + 1, dtype=np.float32)
    places = middle[None] + rows[:, None, None] * outwards[None]
    return places.astype(np.float32), rows / np.float32(eye_px)


def _even(oval_xy: Floats) -> Floats:
    """(AROUND, 2) points at even distances along a closed ring, its corners rounded."""
    closed = np.concatenate([oval_xy, oval_xy[:1]])
    way = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.linspace(0, way[-1], AROUND, endpoint=False)
    even = np.stack([np.interp(at, way, closed[:, axis]) for axis in (0, 1)], axis=1)
    return _averaged_along(even[None].astype(np.float32), AROUND // 16 | 1)[0]


def _is_seen(places: Floats, size_wh: tuple[int, int]) -> Array:
    """(ARCS,) bool: whether all of an arc lies in the picture."""
    low = places.reshape(-1, ARCS, AROUND // ARCS, 2).min((0, 2))
    high = places.reshape(-1, ARCS, AROUND // ARCS, 2).max((0, 2))
    return (low >= 0).all(1) & (high <= np.float32(size_wh) - 1).all(1)


def _unrolled(pixels: Floats, size_wh: tuple[int, int], places: Floats) -> Floats:
    small = np.ascontiguousarray(pixels, np.float32)
    if size_wh != (pixels.shape[1], pixels.shape[0]):
        small = cv2.resize(small, size_wh, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(np.clip(small / 255, 0, 1), cv2.COLOR_RGB2LAB)
    return cv2.remap(lab, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _steps(strip: Floats) -> Floats:
    """(ARCS,) root mean square of the steps from row to row, Lab a pixel."""
    squares = np.sum(np.diff(_averaged_along(strip, ALONG), axis=0) ** 2, axis=2)
    return np.sqrt(squares.reshape(len(squares), ARCS, -1).mean((0, 2)))


def _averaged_along(strip: Floats, width: int) -> Floats:
    """The strip (rows, n, k) averaged over ``width`` (odd) neighbours round the ring."""
    half = width // 2
    around = np.concatenate([strip[:, -half:], strip, strip[:, :half]], axis=1)
    return cv2.blur(around, (width, 1))[:, half:-half]


def _arc_medians(strip: Floats) -> Floats:
    """(ARCS, 3)"""
    rows = strip.reshape(len(strip), ARCS, -1, 3)
    return np.median(rows.transpose(1, 0, 2, 3).reshape(ARCS, -1, 3), axis=1)


def _mean_length(arcs: Floats, seen: Array) -> float:
    """The mean over the sectors of how long their mean colour difference is; arcs (ARCS, 3)."""
    half = ARCS // SECTORS // 2  # so that one sector is the middle of the forehead
    weights = np.roll(seen, half).reshape(SECTORS, -1, 1).astype(np.float32)
    counts = weights.sum(1)
    sums = (np.roll(arcs, half, axis=0).reshape(SECTORS, -1, 3) * weights).sum(1)
    is_seen = counts[:, 0] > 0
    return float(np.linalg.norm(sums[is_seen] / counts[is_seen], axis=1).mean())
