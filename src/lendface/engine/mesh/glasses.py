"""The target's glasses: found once for a person, then kept in front of every swapped face.

Glasses stand still on a *plate*: a bent rectangle that is fixed to the head and lies a little in
front of the eyes. Seen on it, rims keep their place whatever the face does and however the head
turns, so the middle of many looks shows them sharp, and wrinkles and lids blurred. One closed line
for each lens and one over the nose say where they are; each frame only moves them a little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import cv2
import numpy as np

from ..beyond import continued
from ..geometry import crop_of, invert, move_landmarks, next_face_roi
from ..pose import Pose
from ..types import Array, Floats, Glasses, Picture, Pixels
from .pixelwise import luma_of, smoothstep
from .shape import pose_of
from .topology import Topology

PER_CM = 8
LEFT, TOP, WIDTH, HEIGHT = -7.25, -6.2, 117, 57  # centimetres; texels of a plate
FRONT, BEND = -6.0, 0.036  # depth of the plate's middle, centimetres, and how it falls away
CROP_PX = 192
LENS_POINTS = 32
CONTRAST = 0.025  # log luma; a line this strong counts in full ...
CONTRAST_TIMES = 2.5  # ... unless the whole plate is that rough, as a wrinkled face is
LEAST_BRIDGE = 0.35
SURE, SURE_AT_ONCE = 0.36, 0.7  # of the two scores' product, from several looks or from few
SEVERAL = 5
STRONGER = 0.25  # weight of the logarithm of what is more than clear
BRIDGE_ROWS = (-4.3, -1.5)
BRIDGE_HALF = 0.8
TURNED_DEG = 20.0  # beyond it one lens is enough
SEEN_DEG = 50.0
REFINED = 0.45
ALIGN = 4  # texels
RIM = 0.36  # centimetres, the width of what is kept
BRIDGE_POINTS = 8
FAR_DOUBT = 0.7  # how much less the lens farther away counts in a turned head
LENS_RISE = (-0.8, 1.2)  # centimetres from the bridge up to the lens's upper edge
ASIDE_CM = (-0.9, -0.6, -0.3, 0.0, 0.3, 0.6, 0.9)  # a turned head is measured that wrongly
ASIDE_COSTS = 0.1  # a centimetre
OFFSET_COSTS = 0.2
OFFSET_NEAR = 0.12
EAR = (7.5, -3.2, 1.0)
_STEP = 360 / LENS_POINTS
OUTLINE_PARTS = tuple(
    tuple(k for k in range(LENS_POINTS) if abs((k * _STEP - middle + 180) % 360 - 180) <= half)
    for middle, half in ((0, 40), (90, 40), (180, 40), (270, 40))
)
EVIDENCE = (0.05, 0.15)  # log luma off the skin around
DARK = (0.5, 0.8)  # log luma of a lens below the cheek's, between which it hides the skin
LIVELY = (0.015, 0.03)  # log luma; how much more it changes over the frames than the cheek


class Lines(NamedTuple):
    """How strongly a plate curves at each texel, (h, w) each, in units of what is a clear line."""

    xx: Floats
    xy: Floats
    yy: Floats


@lru_cache(maxsize=1)
def _plate() -> Floats:
    """(HEIGHT, WIDTH, 3) centimetres on the head."""
    xs = LEFT + np.arange(WIDTH, dtype=np.float32) / PER_CM
    ys = TOP + np.arange(HEIGHT, dtype=np.float32) / PER_CM
    x, y = np.meshgrid(xs, ys)
    return np.stack([x, y, _depth(x)], -1).astype(np.float32)


def _depth(x: Floats) -> Floats:
    return FRONT + BEND * x**2


def _project(points: Floats, pose: Pose) -> Floats:
    """(..., 2) pixels of (..., 3) centimetres on the head."""
    turned = pose.scale * (points @ pose.rotation.T) + pose.shift
    return np.ascontiguousarray(turned[..., :2], np.float32)


def read_plate(picture: Picture, landmarks_xyz: Floats, topology: Topology) -> Pixels:
    """(HEIGHT, WIDTH) luma 0..255 of the plate in front of this face."""
    crop_to_frame = crop_of(next_face_roi(landmarks_xyz), CROP_PX)
    luma = picture.warped_gray(crop_to_frame, CROP_PX)
    luma = continued(luma, crop_to_frame, picture.size_wh)  # an edge to black would be a rim
    pose = pose_of(topology, move_landmarks(landmarks_xyz, invert(crop_to_frame)))
    return _unwrapped(luma, pose)


def _unwrapped(luma: Array, pose: Pose) -> Array:
    places = _project(_plate(), pose)
    return cv2.remap(luma, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def find_glasses(plates: Sequence[Pixels], yaw_deg: float) -> Glasses | None:
    """Glasses in looks at one person; ``yaw_deg`` is how far the head is usually turned.

    A wrinkle over the nose or a brow makes one line, and no lens with it.
    """
    if not plates:
        return None
    aligned = _aligned(np.stack([_log(plate) for plate in plates]))
    seen = np.median(aligned, axis=0).astype(np.float32)
    strength, bridge = _find_bridge(_lines(seen))
    if strength < LEAST_BRIDGE:
        return None
    lines = _thin_lines(seen)
    score, place = _best_place(lines, float(bridge[:, 1].mean()), yaw_deg)
    sure = score * min(strength, 1.0)
    if sure < (SURE if len(plates) >= SEVERAL else SURE_AT_ONCE):
        return None
    lenses = np.stack([_refined(lines, place, side) for side in (-1, 1)])
    shown = [lens for lens, side in zip(lenses, (-1, 1), strict=True)
             if side != -_near_side(yaw_deg)]  # fmt: skip
    return Glasses(lenses, bridge, _opacity(aligned, shown), sure)


def glasses_cover(glasses: Glasses, pose: Pose, target: Floats, origin: Floats) -> Floats:
    """(h, w) 0..1: pixels of ``target`` (h, w, 3) RGB that show glasses, where it stays.

    Rims and bridge are kept in a narrow band, the arms as far as they stand out of the skin. Of
    the lenses only those are kept whole that hide what is behind them. ``origin`` (2,) is the
    patch's corner in the frame.
    """
    own = Pose(pose.scale, pose.rotation, pose.shift - np.float32([*origin, 0]))
    luma = luma_of(target)
    shift = _offset(_lines(_log(_unwrapped(luma, own))), glasses)
    rims, arms, inside = _drawn(glasses, shift, own, luma.shape)
    evidence = _evidence(_log(luma), np.maximum(rims, arms), own.scale)
    shown = np.maximum(rims * (0.5 + 0.5 * evidence), arms * evidence)
    return np.maximum(shown, glasses.opaque * inside)


def _log(luma: Array) -> Floats:
    return cv2.log(luma.astype(np.float32) + np.float32(8))


def _lines(seen: Floats) -> Lines:
    return _curvature(cv2.GaussianBlur(seen, (0, 0), 1.1), CONTRAST)


def _thin_lines(seen: Floats) -> Lines:
    """Of a broad line, as a brow is, little is left once a softer look is taken off."""
    thin = cv2.GaussianBlur(seen, (0, 0), 0.9) - cv2.GaussianBlur(seen, (0, 0), 1.8)
    return _curvature(thin, 0.8 * CONTRAST)


def _curvature(soft: Floats, contrast: float) -> Lines:
    xx, xy, yy = (cv2.Sobel(soft, cv2.CV_32F, *d, ksize=3) / 4 for d in ((2, 0), (1, 1), (0, 2)))
    clear = max(contrast, CONTRAST_TIMES * float(np.median(np.abs(yy))))
    return Lines(xx / clear, xy / clear, yy / clear)


def _aligned(seen: Floats) -> Floats:
    """Plates (n, h, w), each moved a little so that its lines meet those of the others."""
    if len(seen) < 3:
        return seen
    middle = np.median(seen, axis=0)
    edge = slice(ALIGN, -ALIGN)
    wanted = _strength(_lines(middle))[edge, edge]
    moved = []
    for plate in seen:
        fits = cv2.matchTemplate(_strength(_lines(plate)), wanted, cv2.TM_CCOEFF_NORMED)
        _, _, _, (x, y) = cv2.minMaxLoc(fits)
        by = np.float32([[1, 0, ALIGN - x], [0, 1, ALIGN - y]])
        size = plate.shape[::-1]
        moved.append(cv2.warpAffine(plate, by, size, borderMode=cv2.BORDER_REPLICATE))
    return np.stack(moved)


def _strength(lines: Lines) -> Floats:
    """How much of a line each texel is, whatever its direction."""
    half, spread = (lines.xx + lines.yy) / 2, np.hypot((lines.xx - lines.yy) / 2, lines.xy)
    return np.clip(np.abs(np.abs(half) + spread) - np.abs(np.abs(half) - spread), 0, 2)


def _across(lines: Lines, at_xy: Floats, normals: Floats) -> Floats:
    """How much of a line runs at places (..., 2) across normals (..., 2), from -0.5; 1 is clear."""
    x, y = normals[..., 0], normals[..., 1]
    columns = (at_xy[..., 0] - LEFT) * PER_CM
    rows = (at_xy[..., 1] - TOP) * PER_CM
    xx, xy, yy = (
        cv2.remap(each, columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_LINEAR)
        for each in lines
    )
    across = xx * x**2 + 2 * xy * x * y + yy * y**2
    along = xx * y**2 - 2 * xy * x * y + yy * x**2
    return np.maximum(np.abs(across) - np.abs(along), -0.5)


def _find_bridge(lines: Lines) -> tuple[float, Floats]:
    """How strong the strongest line over the nose is all along, and its (n, 2) centimetres."""
    columns = slice(_column(-BRIDGE_HALF), _column(BRIDGE_HALF) + 1)
    rows = slice(_row(BRIDGE_ROWS[0]), _row(BRIDGE_ROWS[1]))
    best: tuple[float, Floats] = (-1.0, np.zeros((2, 2), np.float32))
    for sign in (1, -1):
        gain = np.clip(sign * lines.yy - np.abs(lines.xx), -1, 2)[rows, columns]
        path = _best_path(gain.T, 0.0)
        weakest = float(np.percentile(gain[path, np.arange(len(path))], 25))
        xs = np.linspace(-BRIDGE_HALF, BRIDGE_HALF, BRIDGE_POINTS)
        ys = np.interp(xs, np.linspace(-BRIDGE_HALF, BRIDGE_HALF, len(path)), path)
        if weakest > best[0]:
            best = weakest, np.stack([xs, BRIDGE_ROWS[0] + ys / PER_CM], 1).astype(np.float32)
    return best


def _column(x: float) -> int:
    return round((x - LEFT) * PER_CM)


def _row(y: float) -> int:
    return round((y - TOP) * PER_CM)


def _best_path(gains: Floats, step_costs: float) -> Array:
    """(n,) the way through gains (n, k), from row to row at most one further, that gains most."""
    total, came = gains[0], []
    for row in gains[1:]:
        padded = np.pad(total, 1, constant_values=-1e9)
        ways = np.stack([padded[:-2] - step_costs, padded[1:-1], padded[2:] - step_costs])
        came.append(ways.argmax(0) - 1)
        total = row + ways.max(0)
    path = [int(total.argmax())]
    for steps in reversed(came):
        path.append(path[-1] + int(steps[path[-1]]))
    return np.array(path[::-1])


@dataclass(frozen=True, eq=False)
class Places:
    """Every lens that is tried: superellipses, of the side where x is positive."""

    values: Floats  # (n, 5) middle, half width and height, exponent
    xy: Floats  # (n, LENS_POINTS, 2)
    normals: Floats


@lru_cache(maxsize=1)
def _places() -> Places:
    values = [
        each
        for each in product(
            np.arange(2.4, 4.7, 0.15), np.arange(-3.2, -1.5, 0.2), np.arange(2.2, 3.2, 0.15),
            np.arange(1.3, 2.6, 0.15), (2.2, 3.0, 4.5),
        )
        if 1.0 <= each[2] / each[3] <= 2.3
        and each[0] - each[2] > 0.1
        and each[0] + each[2] < 6.3
        and each[1] - each[3] < -3.3  # above the upper lid
        and each[1] + each[3] > -1.25  # below the bag of the lower
    ]  # fmt: skip
    table = np.float32(values)
    return Places(table, *_outline(table))


def _outline(values: Floats) -> tuple[Floats, Floats]:
    """Points and outward normals (n, LENS_POINTS, 2) of superellipses (n, 5), from x on."""
    angles = np.arange(LENS_POINTS) * (2 * np.pi / LENS_POINTS)
    ray = np.stack([np.cos(angles), np.sin(angles)], -1)
    exponent, half = values[:, 4, None, None], values[:, None, 2:4]
    unit = ray * (np.abs(ray) ** exponent).sum(-1, keepdims=True) ** (-1 / exponent)
    normals = np.sign(unit) * np.abs(unit) ** (exponent - 1) / half
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    xy = values[:, None, :2] + half * unit
    return xy.astype(np.float32), normals.astype(np.float32)


def _best_place(lines: Lines, bridge_y: float, yaw_deg: float) -> tuple[float, Floats]:
    """The pair of lenses with the strongest outlines: their score, and the place (6,) with how
    far the pair lies beside the head's middle."""
    places = _places()
    near = _near_side(yaw_deg)
    rise = bridge_y - (places.values[:, 1] - places.values[:, 3])
    misfit = np.where((rise > LENS_RISE[0]) & (rise < LENS_RISE[1]), 0, 1)[:, None]
    best, score, found = -np.inf, 0.0, np.zeros(6, np.float32)
    for aside in ASIDE_CM:
        total = np.zeros((len(places.values), 2), np.float32)
        for side in (-1, 1):
            share = (1 + side * near * FAR_DOUBT) / 2
            total += share * _sided_score(lines, places, side, aside)
        total -= ASIDE_COSTS * abs(aside) + misfit
        top = int(total[:, 1].argmax())
        if total[top, 1] > best:
            best, score = float(total[top, 1]), float(total[top, 0])
            found = np.float32([*places.values[top], aside])
    return score, found


def _near_side(yaw_deg: float) -> int:
    """-1 or 1: the side of the lens that a turned head shows; 0 where it shows both."""
    return -int(np.sign(yaw_deg)) if abs(yaw_deg) > TURNED_DEG else 0


def _sided_score(lines: Lines, places: Places, side: int, aside: float) -> Floats:
    """(n, 2) for one side: how clear each place's outline is, and the same with what is more
    than clear: a strong rim has weaker lines beside it, which are clear too."""
    mirror = np.float32([side, 1])
    gains = np.maximum.reduce(
        [
            _across(
                lines,
                (places.xy + off * places.normals) * mirror + [aside, 0],
                places.normals * mirror,
            )
            for off in (-0.1, 0.0, 0.1)
        ]
    )
    clear = np.minimum(gains, 1)
    parts = np.stack([clear[:, list(part)].mean(1) for part in OUTLINE_PARTS], 1)
    above = np.log(np.maximum(gains, 1))
    more = np.stack([above[:, list(part)].mean(1) for part in OUTLINE_PARTS[:3]], 1)
    # Above there is a brow on any face: what counts is the weakest of the other sides.
    score = 0.6 * parts[:, :3].min(1) + 0.35 * parts[:, :3].mean(1) + 0.05 * parts[:, 3]
    return np.stack([score, score + STRONGER * more.min(1)], 1)


def _refined(lines: Lines, place: Floats, side: int) -> Floats:
    """(LENS_POINTS, 2) the outline of one lens, drawn to the lines nearby."""
    xy, normals = (each[0] for each in _outline(place[None, :5]))
    mirror, offsets = np.float32([side, 1]), np.arange(-REFINED, REFINED + 0.01, 0.06)
    ways = xy[:, None] + offsets[:, None] * normals[:, None]
    across = np.broadcast_to(normals[:, None], ways.shape)
    gains = _across(lines, ways * mirror + [place[5], 0], across * mirror)
    gains = np.minimum(gains, 1) + STRONGER * np.log(np.maximum(gains, 1))
    gains = gains - 0.15 * np.abs(offsets) / REFINED
    path = _best_path(np.concatenate([gains] * 3), 0.05)[LENS_POINTS : 2 * LENS_POINTS]
    off = offsets[path]
    off = (np.roll(off, 1) + off + np.roll(off, -1)) / 3
    return ((xy + off[:, None] * normals) * mirror + [place[5], 0]).astype(np.float32)


def _opacity(plates: Floats, lenses: Sequence[Floats]) -> float:
    """0..1 of plates (n, h, w) in log luma: whether the lenses are dark, or mirror their
    surroundings and so look different from frame to frame. Eyes and brows are left out."""
    middle = np.median(plates, axis=0)
    change = np.median(np.abs(plates - middle), axis=0)
    x, y = _plate()[..., 0], _plate()[..., 1]
    is_eye = ((np.abs(x) - 3.15) / 2.0) ** 2 + ((y + 2.6) / 1.0) ** 2 < 1
    inside, around = np.zeros(middle.shape, np.uint8), np.zeros(middle.shape, np.uint8)
    for lens in lenses:
        cv2.fillPoly(inside, [_texels(lens)], 1)
    around = cv2.dilate(inside, np.ones((15, 15))) - cv2.dilate(inside, np.ones((5, 5)))
    glass = cv2.erode(inside, np.ones((5, 5))).astype(bool) & ~is_eye & (y > -3.8)
    skin = around.astype(bool) & (y > -1.5)
    if glass.sum() < 40 or skin.sum() < 40:
        return 0.0
    darker = float(np.median(middle[skin]) - np.median(middle[glass]))
    livelier = float(np.mean(change[glass]) - np.mean(change[skin]))
    return float(max(smoothstep(darker, *DARK), smoothstep(livelier, *LIVELY)))


def _texels(points: Floats) -> Array:
    return np.rint((points - [LEFT, TOP]) * PER_CM).astype(np.int32)


def _offset(lines: Lines, glasses: Glasses) -> Floats:
    """(2,) centimetres by which this frame's lines lie beside where they usually are."""
    points = np.concatenate([glasses.bridge, *glasses.lenses])
    steps = np.arange(-ALIGN, ALIGN + 1) / PER_CM
    moves = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 1, 2)
    at = (points + moves - [LEFT, TOP]) * PER_CM
    gains = cv2.remap(
        _strength(lines), at[..., 0].astype(np.float32), at[..., 1].astype(np.float32),
        cv2.INTER_LINEAR,
    ).mean(1)  # fmt: skip
    gains -= OFFSET_COSTS * np.linalg.norm(moves[:, 0], axis=1)
    weight = np.maximum(gains - (gains.max() - OFFSET_NEAR), 0)  # its middle, so it moves smoothly
    return (weight[:, None] * moves[:, 0]).sum(0) / max(float(weight.sum()), 1e-9)


def _drawn(
    glasses: Glasses, shift: Floats, pose: Pose, size: tuple[int, ...]
) -> tuple[Floats, Floats, Floats]:
    """Rims with the bridge, arms, and the inside of the lenses, (h, w) 0..1 each."""
    rims, arms, inside = (np.zeros(size, np.uint8) for _ in range(3))
    width = max(1, round(RIM * pose.scale))

    def pixels(line: Floats) -> Array:
        places = line + shift
        points = np.concatenate([places, _depth(places[:, :1])], 1)
        return np.rint(_project(points, pose) * 16).astype(np.int32)

    for lens in glasses.lenses:
        cv2.polylines(rims, [pixels(lens)], True, 255, width, cv2.LINE_AA, 4)
        cv2.fillPoly(inside, [pixels(lens)], 255, cv2.LINE_AA, 4)
        cv2.polylines(arms, [_arm(lens + shift, pose)], False, 255, width, cv2.LINE_AA, 4)
    ends = [lens[np.linalg.norm(lens - end, axis=1).argmin()] for lens, end in
            zip(glasses.lenses, (glasses.bridge[0], glasses.bridge[-1]), strict=True)]  # fmt: skip
    bridge = np.concatenate([ends[:1], glasses.bridge, ends[1:]])
    cv2.polylines(rims, [pixels(bridge)], False, 255, width, cv2.LINE_AA, 4)
    return tuple(np.float32(mask) / 255 for mask in (rims, arms, inside))


def _arm(lens: Floats, pose: Pose) -> Array:
    """From the outer upper part of a lens to the ear, pixels * 16."""
    side = np.sign(lens[:, 0].mean())
    top, bottom = lens[:, 1].min(), lens[:, 1].max()
    hinge_y = top + 0.3 * (bottom - top)
    outer = side * np.abs(lens[:, 0]).max()
    points = np.float32([[outer, hinge_y, _depth(outer)], [side * EAR[0], EAR[1], EAR[2]]])
    return np.rint(_project(points, pose) * 16).astype(np.int32)


def _evidence(luma: Floats, band: Floats, scale: float) -> Floats:
    """(h, w) 0..1: how far a pixel is off the skin beside the band, log luma."""
    around, sigma = 1 - band, 0.35 * scale
    near = cv2.GaussianBlur(luma * around, (0, 0), sigma)
    skin = near / (cv2.GaussianBlur(around, (0, 0), sigma) + 1e-3)
    off = smoothstep(np.abs(luma - skin), *EVIDENCE)
    return cv2.GaussianBlur(cv2.dilate(off, np.ones((3, 3))), (0, 0), 0.6)
