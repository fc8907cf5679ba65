"""The source's detail under the target's light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .. import kernels
from ..style import SkinTone
from ..types import Array, Floats
from .adapt import OwnSkin
from .light import LOG_OFFSET
from .pixelwise import LUMA, blurred_cells
from .sheet import Sheet
from .surface import EYE_DISTANCE_UV
from .texture import PackedTexture

GLANCE_FROM_PX = 50.0  # eye distance; in a smaller face every pixel counts
BINS = 3072
RANGES = np.float32([-3, 512, 1.5, 640])  # of luma detail and of channels, log: from, bins a 1
PALEST = 0.2  # of the colour of what is told against skin that stays under the palest light
BRIGHT_LIMIT = (2.0, 0.25)  # times the target's own bright detail; never less than, log
DARK_LIMIT = 4.0  # times the bright limit
TONE_SHARE = {"target": 0.0, "mix": 0.5, "source": 1.0}
TONE_BRIGHTNESS = 0.6  # of a difference in brightness is complexion
TONE_LIMIT = 0.7  # log
# Log, off its own luma: what 313 portraits have at this log luma, and for each log luma above it.
SKIN_HUE, HUE_LEVEL = np.float32([0.22, -0.055, -0.28]), 4.9
HUE_SLOPE = np.float32([-0.12, 0.03, 0.16])
HUE_LIMIT = 0.04  # spread over people in one studio; what is more is the light of a photo
PASSING_SIGMA = 0.05  # eye distances
PASSING_CELL = 1.5  # cells at least so many times as narrow as that are enough
PASSING_SHARE, PASSING_LIMIT = 0.6, 0.5  # the limit in log
RIM_DEPTH = (0.05, 0.20)  # eye distances from the rim that are compared with the target
RIM_SIGMA = 0.10
RIM_BRIGHTER, RIM_DARKER = 0.55, 0.45  # log; a difference like this is hair or a beard, not tone
RIM_PRIOR = 0.6  # weight of no change: a wide one would take the tone far into the face
WHITE = float(np.log(252 + LOG_OFFSET))
KNEE = 0.15  # log below white from which channels are held back


def tone_shift(tone: Floats, light: Floats, skin_tone: SkinTone) -> Floats:
    """(3,) log to add to the target's light so that skin takes the source's complexion.

    ``tone`` (3,) is the source's skin in its own photo's light, ``light`` (3,) the target's light
    on the face. Light and complexion cannot be told apart in either: of the hue only what sets
    the source off from people as dark is taken, so that a coloured light stays, and a part of
    the difference in brightness is left to the light.
    """
    share = TONE_SHARE[skin_tone]
    if not share:
        return np.zeros(3, np.float32)
    brighter = float(LUMA @ (tone - light))
    kept = TONE_LIMIT * np.tanh(TONE_BRIGHTNESS * brighter / TONE_LIMIT)
    luma = float(LUMA @ tone)
    usual = SKIN_HUE + (luma - HUE_LEVEL) * HUE_SLOPE
    hue = np.clip(tone - luma - usual, -HUE_LIMIT, HUE_LIMIT) + min(kept, 0.0) * HUE_SLOPE
    return (share * (_saturation(light, tone) * hue + kept)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Glance:
    """The target's face at every ``step``-th pixel of the patch, across and down.

    That is enough for all that is smooth or counted over the whole face.
    """

    step: int
    uv: Floats
    own: Floats  # (h, w, 3) log colours of its pixels
    slow: Floats  # (h, w, 4) log colours of its light, and 1; all 0 off the face
    luma: Floats  # (h, w) log, how far off the light the pixels are
    passing: Floats  # (at least h, w, 3) log, what the skin shows now and not always
    light: Floats  # (3,) mean of ``slow`` over the face ...
    light_inside: Floats  # (3,) ... and without its rim
    bright_detail: float  # log luma that few pixels are above
    brightest: float  # log; hardly a pixel has a brighter channel


def glance_at(
    picture: Floats, corner: tuple[int, int], light: Floats, sheet: Sheet, depth: Floats,
    skin: OwnSkin | None, eye_px: float,
) -> Glance:  # fmt: skip
    """``picture`` (.., .., 3) RGB has the face laid straight, the patch's first row and column
    are at ``corner``; ``light`` (g, g, 3) log over the texture square, ``depth`` (h, w) eye
    distances from the rim."""
    step = 2 if eye_px > GLANCE_FROM_PX else 1
    some = (slice(None, None, step),) * 2
    height, width = (-(-side // step) for side in depth.shape)
    own = np.empty((height, width, 3), np.float32)
    sigma = max(PASSING_SIGMA * eye_px, 0.8) / step
    few = max(1, int(sigma / PASSING_CELL))
    slow, luma = np.empty((height, width, 4), np.float32), np.empty((height, width), np.float32)
    off = np.zeros((-(-height // few), -(-width // few), 3), np.float32)
    counts, sums = np.zeros((2, BINS), np.int32), np.zeros((2, 4))
    kernels.skin.compare(
        picture, *corner, sheet.uv, sheet.is_face, sheet.eyes, sheet.mouth, depth, _quads(light),
        _usual(skin), step, few, RANGES, own, slow, luma, off, counts, sums,
    )  # fmt: skip
    return Glance(
        step=step,
        uv=sheet.uv[some],
        own=own,
        slow=slow,
        luma=luma,
        passing=_passing(off, sigma, few),
        light=(sums[0, :3] / max(sums[0, 3], 1)).astype(np.float32),
        light_inside=(sums[1, :3] / max(sums[1, 3], 1)).astype(np.float32),
        bright_detail=_percentile(counts[0], 96, RANGES[:2]),
        brightest=_percentile(counts[1], 99.5, RANGES[2:]),
    )


def paint_skin(
    texture: PackedTexture, sheet: Sheet, glance: Glance, depth: Floats, eye_px: float, tone: Floats
) -> Floats:
    """(h, w, 3) RGB of the source's face as the target's light shows it.

    ``depth`` (h, w) eye distances from the rim; ``tone`` (3,) log, see ``tone_shift``. Off the
    face it is plain skin, so that a blur of the rim meets no edge.
    """
    limit = max(BRIGHT_LIMIT[0] * glance.bright_detail, BRIGHT_LIMIT[1])
    saturation = _saturation(glance.light_inside, texture.tone)
    manner = np.float32([limit, DARK_LIMIT * limit, saturation])
    height, width = glance.luma.shape
    light = np.empty((4, height + 1, width + kernels.skin.TILE), np.float32)
    kernels.skin.light_up(glance.slow, glance.passing, tone, light)
    mip = _mip_for(texture, sheet, eye_px)
    laid = (sheet.is_face, _texels(mip, sheet), light, glance.step, manner)
    sketch = np.empty((height, width, 4), np.float32)
    kernels.skin.sketch(*laid, depth, np.float32(RIM_DEPTH[1]), sketch)
    rim, grid = _rim_tone(sketch, sheet, glance, depth, eye_px)
    # In an HDR film the view of what is brighter than white is steep: a highlight would leap.
    white = np.float32(min(glance.brightest + 0.03, WHITE))
    beyond = np.exp(glance.light + tone) - np.float32(LOG_OFFSET)
    painted = np.empty((*sheet.is_face.shape, 3), np.float32)
    kernels.skin.paint(*laid, rim, grid, white, np.float32(KNEE), beyond, painted)
    return painted


def _texels(mip: Array, sheet: Sheet) -> Floats:
    """(h, w, 4): the texture under each pixel."""
    texels = np.empty((*sheet.is_face.shape, 4), np.float32)
    if sheet.finer == 1:
        kernels.skin.sample(sheet.is_face, sheet.uv, mip, texels)
    else:
        kernels.skin.sample_finer(sheet.ids, sheet.affines, sheet.is_face, mip, texels)
    return texels


def _quads(grid: Floats) -> Floats:
    """(h, w, 3) as (h, w, 4), as kernels take it."""
    quads = np.empty((*grid.shape[:2], 4), np.float32)
    quads[..., :3], quads[..., 3] = grid, 1
    return quads


def _usual(skin: OwnSkin | None) -> Floats:
    """(side, side, 4): the target's usual detail, and how far it may be trusted."""
    if skin is None:
        return np.zeros((2, 2, 4), np.float32)
    return np.dstack([skin.detail, skin.trust]).astype(np.float32)


def _passing(off: Floats, sigma: float, few: int) -> Floats:
    """(h, w, 3) log: what the target's skin shows now and not always.

    Shadows and coloured lights that wander over a face, and the folds of a smile or a frown, are
    no part of who it is, and finer than the slow light. ``off`` (h, w, 3) log, on cells of ``few``
    steps, is how far the skin is off its usual look, which is known in coarse texels: what is
    finer than ``sigma`` steps cannot be compared with it.
    """
    soft = blurred_cells(off, sigma, few)
    size = (few * off.shape[1], few * off.shape[0])
    kernels.skin.press(soft, np.float32(PASSING_SHARE), np.float32(PASSING_LIMIT))
    return cv2.resize(soft, size)


def _percentile(counts: Array, share: float, scale: Floats) -> float:
    """Of values counted in bins that begin at ``scale[0]``, ``scale[1]`` of them for each 1."""
    below = np.cumsum(counts)
    wanted = share / 100 * float(below[-1])
    at = int(np.searchsorted(below, wanted))
    before = float(below[at - 1]) if at else 0.0
    inside = (wanted - before) / max(float(counts[min(at, BINS - 1)]), 1.0)
    return float(scale[0]) + (at + inside) / float(scale[1])


def _mip_for(texture: PackedTexture, sheet: Sheet, eye_px: float) -> Array:
    """The texture at the size that fits the picture."""
    texels_a_step = texture.side * EYE_DISTANCE_UV / max(eye_px * sheet.finer, 1.0)
    level = int(np.floor(np.log2(max(texels_a_step, 1.0)) + 0.3))
    return texture.mips[min(level, len(texture.mips) - 1)]


def _saturation(light: Floats, tone: Floats) -> float:
    """How much of the detail's colour, which is told against skin, is left in this film.

    Where skin itself has lost its colour, in a graded or dim picture, a brow as far from it in
    colour as in the photo would be blue, lips magenta and a blush orange. ``light`` and ``tone``
    (3,) are log colours.
    """
    now, then = float(np.ptp(light)), float(np.ptp(tone))
    return float(np.clip(now / max(then, 1e-3), PALEST, 1))


def _rim_tone(
    painted: Floats, sheet: Sheet, glance: Glance, depth: Floats, eye_px: float
) -> tuple[Floats, Floats]:
    """(gh, gw, 4) log to add so that the rim meets the target's tone, and how the patch's pixels
    lie on these cells; it fades inwards."""
    small = max(1, int(eye_px / 12))
    height, width = depth.shape
    coarse = np.zeros((max(2, -(-height // small)), max(2, -(-width // small)), 4), np.float32)
    manner = np.float32([*RIM_DEPTH, RIM_BRIGHTER, RIM_DARKER])
    kernels.skin.compare_rim(
        glance.own, painted, depth, sheet.facing, glance.step, small, manner, coarse
    )
    coarse = cv2.GaussianBlur(coarse, (0, 0), RIM_SIGMA * eye_px / small)
    weight = coarse[..., 3:]
    tone = coarse / (weight + RIM_PRIOR * (1 - weight) * 0.5 + 1e-3)
    return tone, np.float32([1 / small, 0.5 / small - 0.5] * 2)
