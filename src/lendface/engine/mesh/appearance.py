"""What a person of the film looks like on most frames, so that what is in front of it stands out.

The model is the median and the spread of the person's own colours over the texture square, gathered
in the scan from a few calm frames. A frame is compared with it after the light has been
taken out, which here is a plane over the texture square fitted so that a part that does not belong
hardly pulls at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .. import kernels
from ..beyond import continued, shown_part, value_at
from ..geometry import crop_of, eye_distance_px, invert, move_landmarks, next_face_roi
from ..types import Appearance, Array, Floats, Picture, Pixels
from .light import to_log
from .pixelwise import largest_channel, luma_of, smoothstep
from .raster import facing_of, point_normals
from .surface import EYE_DISTANCE_UV, Surface
from .topology import POINTS, Topology

SIDE = 64
CROP_PX = 128
LEAST_LOOKS = 8
SEEN = (0.15, 0.45)  # cosine to the camera between which a texel is worth comparing
KNOWN = 0.2  # least weight
ROUNDS = 5
DOUBT = 1.5  # times the median residual: farther off, a texel hardly pulls at the light
LEAST_RESIDUAL = 0.02  # log
STIFF = np.float32([1e-3, 2, 2])  # holds back the level, and both slopes
FLOOR = 0.11  # log; the least spread, what noise and a badly placed point do anyway
MISPLACED = 0.7  # texels by which a point may lie beside its place, as on a beard's edge
CALM = 0.04  # log; the median residual of a frame that the model explains
HARD_LIGHT = 1.0  # times what the residual is above that
SHADE, CHROMA = 0.85, 2.0  # how much a shade off counts, and a colour: a shadow has hardly any
STRANGE, CLEARLY = 1.3, 2.6  # spreads off; the second begins a region, the first belongs to it
MOVING = 1.6  # times the same on lips, lids and brows, which move by themselves
LEAST_TEXELS = 8
LARGEST_HOLE = 0.12  # of the face; lips under an arm may look like lips
UNKNOWN = 8.0  # log; the spread of a texel that was never seen


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One look at a face, laid out over the texture square."""

    colours: Pixels  # (SIDE, SIDE, 3)
    seen: Pixels  # (SIDE, SIDE) 0..255


@dataclass(frozen=True, eq=False)
class _Square:
    """The texture square and where its texels lie on the mesh."""

    points: Array  # (n, 3) of the triangle of each texel of the face
    shares: Floats  # (n, 3) of those points
    is_face: Array  # (SIDE, SIDE), n of them
    skin: Array
    moving: Array
    plane: Floats  # (SIDE, SIDE, 3)


@lru_cache(maxsize=2)
def _square(topology: Topology) -> _Square:
    surface = Surface(topology, SIDE)
    points, shares = surface.corners
    across, down = np.meshgrid(*2 * [(np.arange(SIDE) + 0.5) / SIDE - 0.5])
    moving = surface.grown(surface.eyes, 0.12) | surface.grown(surface.lips, 0.12)
    return _Square(
        points[surface.is_face],
        shares[surface.is_face],
        surface.is_face,
        surface.skin,
        moving | surface.grown(surface.brows, 0.08),
        np.stack([np.ones_like(across), across, down], -1).astype(np.float32),
    )


def read(picture: Picture, landmarks_xyz: Floats, topology: Topology) -> Reading:
    """One look at a face of a whole picture."""
    crop_to_frame = crop_of(next_face_roi(landmarks_xyz), CROP_PX)
    size_wh = picture.size_wh
    crop = continued(picture.warped(crop_to_frame, CROP_PX), crop_to_frame, size_wh)
    points = move_landmarks(landmarks_xyz, invert(crop_to_frame))[:POINTS]
    shown = shown_part(crop_to_frame, CROP_PX, size_wh)
    colours, seen = _unwrapped(crop.astype(np.float32), points, topology, shown)
    return Reading(np.rint(colours).astype(np.uint8), np.rint(255 * seen).astype(np.uint8))


def _unwrapped(
    rgb: Floats, points_xyz: Floats, topology: Topology, shown: Array | None = None
) -> tuple[Floats, Floats]:
    """(SIDE, SIDE, 3) RGB and (SIDE, SIDE) 0..1 how well each texel is seen.

    ``shown`` (h, w) bool is what of ``rgb`` counts, by default all.
    """
    height, width = rgb.shape[:2]
    places, seen = _laid(points_xyz, (width, height), topology)
    if shown is not None:
        seen *= value_at(shown, places[..., 0], places[..., 1])
    return _sampled(rgb, places, eye_distance_px(points_xyz[:, :2])), seen


def _laid(
    points_xyz: Floats, size_wh: tuple[int, int], topology: Topology
) -> tuple[Floats, Floats]:
    """Where each texel lies, (SIDE, SIDE, 2) pixels, and 0..1 how well it is seen there."""
    square = _square(topology)
    _, facing = point_normals(points_xyz, topology.triangles)
    values = np.concatenate([points_xyz[:, :2], facing[:, None]], 1)
    laid = np.einsum("nck,nc->nk", values[square.points], square.shares).astype(np.float32)
    return _placed(laid, size_wh, square)


def _laid_compiled(
    points_xyz: Floats, size_wh: tuple[int, int], topology: Topology
) -> tuple[Floats, Floats]:
    """The same as ``_laid``, for rendering; who only scans need not compile anything."""
    square = _square(topology)
    _, facing = facing_of(points_xyz, topology.triangles)
    values = np.concatenate([points_xyz[:, :2], facing[:, None]], 1, dtype=np.float32)
    laid = np.empty((len(square.points), 3), np.float32)
    kernels.raster.carry(values, square.points, square.shares, laid)
    return _placed(laid, size_wh, square)


def _placed(laid: Floats, size_wh: tuple[int, int], square: _Square) -> tuple[Floats, Floats]:
    """``laid`` (n, 3), x, y and facing of the texels on the face, over the whole square."""
    x, y, cosine = laid.T
    inside = (x >= 0) & (y >= 0) & (x <= size_wh[0] - 1) & (y <= size_wh[1] - 1)
    places, seen = np.zeros((SIDE, SIDE, 2), np.float32), np.zeros((SIDE, SIDE), np.float32)
    places[square.is_face] = laid[:, :2]
    seen[square.is_face] = smoothstep(cosine, *SEEN) * inside
    return places, seen


def _sampled(values: Floats, places: Floats, eye_px: float) -> Floats:
    """``values`` (h, w, ...) at the texels' places, each the mean over about its own size."""
    height, width = values.shape[:2]
    share = min(1.0, EYE_DISTANCE_UV * SIDE / max(eye_px, 1.0))
    size = (max(1, round(width * share)), max(1, round(height * share)))
    small = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    at = ((places + 0.5) * [size[0] / width, size[1] / height] - 0.5).astype(np.float32)
    return cv2.remap(small, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def learn(readings: Sequence[Reading], topology: Topology) -> Appearance | None:
    """The person's appearance, from calm and uncovered looks; None from too few."""
    if len(readings) < LEAST_LOOKS:
        return None
    square = _square(topology)
    colours = np.stack([to_log(reading.colours) for reading in readings])
    seen = np.stack([reading.seen for reading in readings]).astype(np.float32) / 255
    level = np.stack([_level(*each, square) for each in zip(colours, seen, strict=True)])
    hidden = seen <= KNOWN
    plain = colours - level[:, None, None]
    middle = _median(plain, hidden, 0)
    for _ in range(2):
        light = [_light(x - middle, w, square)[0] for x, w in zip(colours, seen, strict=True)]
        plain = colours - np.stack(light)
        middle = _median(plain, hidden, 0)
    spread = _median(largest_channel(np.abs(plain - middle)), hidden, UNKNOWN)
    spread[(~hidden).sum(0) < LEAST_LOOKS // 2] = UNKNOWN
    return Appearance(middle.astype(np.float16), spread.astype(np.float16), len(readings))


def _level(colours: Floats, seen: Floats, square: _Square) -> Floats:
    known = (seen > KNOWN) & square.skin
    return np.median(colours[known if known.any() else square.is_face], axis=0)


def _median(values: Floats, hidden: Array, otherwise: float) -> Floats:
    """Of values (n, h, w) or (n, h, w, k) over the n looks but for those where ``hidden`` (n, h, w)
    is true; ``otherwise`` where none is left."""
    known = (~hidden).sum(0)
    is_seen = known > 0
    each = np.moveaxis(values[:, is_seen], 0, -1).copy()  # (texels, n) or (texels, k, n)
    gone = np.moveaxis(hidden[:, is_seen], 0, -1)
    each[np.broadcast_to(gone if values.ndim == 3 else gone[:, None], each.shape)] = np.inf
    each.sort(-1)
    counts = known[is_seen] if values.ndim == 3 else known[is_seen][:, None]
    low, high = (
        np.take_along_axis(each, np.broadcast_to(at[..., None], (*each.shape[:-1], 1)), -1)[..., 0]
        for at in ((counts - 1) // 2, counts // 2)
    )
    medians = np.full(values.shape[1:], otherwise, np.float32)
    medians[is_seen] = (low + high) / 2
    return medians


def _light(
    difference: Floats, seen: Floats, square: _Square, *, is_compiled: bool = False
) -> tuple[Floats, float]:
    """A plane for each channel through ``difference`` (SIDE, SIDE, 3), and the median residual.

    ``is_compiled``: for rendering; who only scans need not compile anything.
    """
    step = (slice(None, None, 2),) * 2
    known = ((seen > KNOWN) & square.skin)[step]
    if known.sum() < 24:
        return np.zeros_like(difference), 1.0
    fit = _fit_compiled if is_compiled else _fit
    slope, usual = fit(square.plane[step][known], seen[step][known], difference[step][known])
    return (square.plane @ slope).astype(np.float32), usual


def _fit(places: Floats, trust: Floats, values: Floats) -> tuple[Floats, float]:
    """Planes (3, 3) through ``values`` (n, 3) over ``places`` (n, 3), which are 1, x and y.

    Iteratively reweighted: up to nearly half of the face may be covered.
    """
    slope, usual = _start(values), 1.0
    for _ in range(ROUNDS):
        off = largest_channel(np.abs(values - places @ slope))
        usual = float(np.median(off))
        near = np.square(off / np.float32(DOUBT * max(usual, LEAST_RESIDUAL)))
        weighted = places * (trust / (1 + near * near))[:, None]
        slope = np.linalg.solve(weighted.T @ places + np.diag(STIFF), weighted.T @ values)
    return slope, usual


def _fit_compiled(places: Floats, trust: Floats, values: Floats) -> tuple[Floats, float]:
    """The same."""
    slope, usual = _start(values), np.zeros(1, np.float32)
    limits = np.float32(DOUBT), np.float32(LEAST_RESIDUAL)
    kernels.look.fit_plane(places, trust, values, STIFF, ROUNDS, *limits, slope, usual)
    return slope, float(usual[0])


def _start(values: Floats) -> Floats:
    slope = np.zeros((3, 3), np.float32)
    slope[0] = np.median(values, axis=0)
    return slope


@dataclass(frozen=True, eq=False)
class _UsualLook:
    """What a frame is compared with, over the texture square."""

    middle: Floats  # (SIDE, SIDE, 3) log
    is_known: Array
    spread: Floats  # (SIDE, SIDE) log
    slack: Floats  # (SIDE, SIDE) log; where the look has an edge a point may lie beside it


@lru_cache(maxsize=16)
def _usual_look(appearance: Appearance, topology: Topology) -> _UsualLook:
    square, middle = _square(topology), appearance.middle.astype(np.float32)
    spread = appearance.spread.astype(np.float32)
    even = 1.48 * cv2.blur(spread, (3, 3)) + FLOOR
    return _UsualLook(
        middle,
        square.is_face & (spread < UNKNOWN / 2),
        np.where(square.moving, np.float32(MOVING), np.float32(1)) * even,
        MISPLACED * _slope(middle),
    )


def strange_places(
    appearance: Appearance, target: Floats, points_xyz: Floats, topology: Topology, hands: Floats
) -> Floats:
    """(n, 2) pixels of ``target``: texels that show something else than this person's face.

    ``points_xyz`` (468, 3) in pixels of ``target`` (h, w, 3) RGB; ``hands`` (h, w) 0..1 is what is
    known to be a hand. A region counts that is clearly off somewhere and reaches the face's rim
    or a hand: an expression does neither.
    """
    square = _square(topology)
    height, width = target.shape[:2]
    places, seen = _laid_compiled(points_xyz, (width, height), topology)
    eye_px = eye_distance_px(points_xyz[:, :2])
    usual_look = _usual_look(appearance, topology)
    difference = to_log(_sampled(target, places, eye_px)) - usual_look.middle
    spread, slack = usual_look.spread, usual_look.slack
    compared = usual_look.is_known & (seen > KNOWN)
    edge = _sampled(hands, places, eye_px) > 0.5 if hands.any() else np.zeros(seen.shape, bool)
    edge = cv2.dilate((edge | _beyond(compared)).astype(np.uint8), np.ones((5, 5))).astype(bool)
    found = np.zeros(seen.shape, np.float32)
    for _ in range(2):  # once what is strange is known, the light can be told without it
        sound = seen * (1 - cv2.dilate(found, np.ones((3, 3))))
        light, usual = _light(difference, sound, square, is_compiled=True)
        off = _off(difference - light)
        allowed = spread + HARD_LIGHT * max(usual - CALM, 0)
        weak = (off > STRANGE * allowed) & compared
        clear = (off > CLEARLY * (allowed + slack)) & weak & ~square.moving
        found = _filled(_reaching(weak, clear, edge), square.is_face)
        if not found.any():
            break
    return places[found > 0]


def _slope(middle: Floats) -> Floats:
    """(SIDE, SIDE) how much the luma of log colours changes from one texel to the next."""
    luma = luma_of(middle)
    across, down = (cv2.Sobel(luma, cv2.CV_32F, *d, ksize=3) / 8 for d in ((1, 0), (0, 1)))
    return np.hypot(across, down)


def _off(residual: Floats) -> Floats:
    """(SIDE, SIDE) log: how far off a texel is, its colour more than its shade."""
    luma = luma_of(residual)
    chroma = largest_channel(np.abs(residual - luma[..., None]))
    return np.maximum(SHADE * np.abs(luma), CHROMA * chroma)


def _beyond(compared: Array) -> Array:
    """Where no texel is compared, but for the small holes that nostrils leave."""
    return cv2.morphologyEx((~compared).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5))) > 0


def _reaching(weak: Array, clear: Array, edge: Array) -> Floats:
    count, labels = cv2.connectedComponents(weak.astype(np.uint8))
    sizes = np.bincount(labels[clear], minlength=count)
    edges = np.bincount(labels[edge & weak], minlength=count)
    kept = (sizes >= LEAST_TEXELS) & (edges > 0)
    kept[0] = False
    return kept[labels].astype(np.float32)


def _filled(found: Floats, is_face: Array) -> Floats:
    """``found`` without small holes that it closes in on all sides."""
    if not found.any():
        return found
    closed = cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((3, 3)))
    _, labels, stats, _ = cv2.connectedComponentsWithStats((closed == 0).astype(np.uint8))
    is_hole = stats[:, cv2.CC_STAT_AREA] < LARGEST_HOLE * is_face.sum()
    is_hole[np.unique(labels[~is_face])] = False
    is_hole[0] = False
    return np.maximum(closed, is_hole[labels].astype(np.float32)) * is_face
