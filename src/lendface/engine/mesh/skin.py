"""The source's detail under the target's light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .. import kernels
from ..style import SkinTone
from ..types import Array, Floats
from .adapt import OwnSkin
from .light import LOG_OFFSET, from_log, spread_light, to_log
from .pixelwise import LUMA, largest_channel, luma_of, smoothstep
from .sheet import Sheet
from .surface import EYE_DISTANCE_UV
from .texture import Texture

GLANCE_FROM_PX = 50.0  # eye distance; in a smaller face every pixel counts
PALEST = 0.2  # of the colour of what is told against skin that stays under the palest light
BRIGHT_LIMIT = (2.0, 0.25)  # times the target's own bright detail; never less than, log
DARK_LIMIT = 4.0  # times the bright limit
TONE_SHARE = {"target": 0.0, "mix": 0.5, "source": 1.0}
TONE_BRIGHTNESS = 0.6  # of a difference in brightness is complexion
TONE_LIMIT = 0.7  # log
SKIN_HUE = np.float32([0.22, -0.055, -0.28])  # log, off its own luma: median of many portraits
HUE_LIMIT = 0.15
PASSING_SIGMA = 0.05  # eye distances
PASSING_SHARE, PASSING_LIMIT = 0.75, 0.5  # the limit in log
RIM_DEPTH = (0.05, 0.20)  # eye distances from the rim that are compared with the target
RIM_SIGMA = 0.16
RIM_BRIGHTER, RIM_DARKER = 0.55, 0.45  # log; a difference like this is hair or a beard, not tone
RIM_PRIOR = 0.12
WHITE = float(np.log(252 + LOG_OFFSET))
KNEE = 0.15  # log below white from which channels are held back


def tone_shift(tone: Floats, slow: Floats, skin_tone: SkinTone) -> Floats:
    """(3,) log to add to the target's light so that skin takes the source's complexion.

    ``tone`` (3,) is the source's skin in its own photo's light, ``slow`` (n, 3) the target's light
    on the face. Light and complexion cannot be told apart in either: of the hue only what sets
    the source off from people at large is taken, so that a coloured light stays, and a part of
    the difference in brightness is left to the light.
    """
    share = TONE_SHARE[skin_tone]
    if not share or not len(slow):
        return np.zeros(3, np.float32)
    brighter = float(LUMA @ (tone - slow.mean(0)))
    kept = TONE_LIMIT * np.tanh(TONE_BRIGHTNESS * brighter / TONE_LIMIT)
    hue = np.clip(tone - float(LUMA @ tone) - SKIN_HUE, -HUE_LIMIT, HUE_LIMIT)
    return (share * (_saturation(slow, tone) * hue + kept)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Glance:
    """The target's face at every ``step``-th pixel of the patch, across and down.

    That is enough for all that is smooth or counted over the whole face.
    """

    step: int
    is_inner: Array
    uv: Floats
    facing: Floats
    depth: Floats  # (h, w) eye distances from the rim
    own: Floats  # (h, w, 3) log colours of its pixels ...
    slow: Floats  # ... and of its light

    @property
    def inside(self) -> Array:
        return self.is_inner & (self.depth > 0.1)

    def on_all_pixels(self, values: Floats, shape: tuple[int, ...]) -> Floats:
        """(h, w) for the whole patch of values at the glance's pixels."""
        if self.step == 1:
            return values
        to_glance = np.float32([[1 / self.step, 0, 0], [0, 1 / self.step, 0]])
        flags, border = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
        return cv2.warpAffine(values, to_glance, shape[::-1], flags=flags, borderMode=border)

    def grid_for(self, cells: Floats) -> Floats:
        """How the patch's pixels lie on ``cells`` (h, w, ...) that cover all of it, for kernels."""
        down, across = (
            np.float32(few) / many
            for few, many in zip(cells.shape[:2], self.depth.shape, strict=True)
        )
        shifts = 0.5 * across - 0.5, 0.5 * down - 0.5
        return np.float32([across / self.step, shifts[0], down / self.step, shifts[1]])


def glance_at(target: Floats, light: Floats, sheet: Sheet, depth: Floats, eye_px: float) -> Glance:
    """``target`` (h, w, 3) RGB with the face laid straight, ``light`` (g, g, 3) log over the
    texture square, ``depth`` (h, w) eye distances from the rim."""
    step = 2 if eye_px > GLANCE_FROM_PX else 1
    some = (slice(None, None, step),) * 2
    uv = np.ascontiguousarray(sheet.uv[some])
    return Glance(
        step,
        sheet.is_inner[some],
        uv,
        sheet.facing[some],
        depth[some],
        to_log(target[some]),
        spread_light(light, uv),
    )


def paint_skin(
    texture: Texture,
    light: Floats,
    sheet: Sheet,
    glance: Glance,
    eye_px: float,
    skin: OwnSkin | None = None,
    tone: Floats | float = 0.0,
) -> Floats:
    """(h, w, 3) RGB of the source's face as the target's light shows it.

    ``light`` (g, g, 3) log colours: the target's, over the texture square; ``tone`` (3,) log, see
    ``tone_shift``. Off the face it is plain skin, so that a blur of the rim meets no edge.
    """
    inside, own_detail = glance.inside, glance.own - glance.slow
    limit = _bright_limit(luma_of(own_detail), inside)
    saturation = _saturation(glance.slow[inside], texture.tone)
    manner = np.float32([limit, DARK_LIMIT * limit, saturation])
    passing = _quads(_passing(own_detail, skin, glance, eye_px))
    painted = np.empty((*sheet.is_face.shape, 4), np.float32)
    kernels.skin.paint(
        sheet.ids, sheet.affines, sheet.is_face, sheet.uv, _mip_for(texture, sheet, eye_px),
        _quads(light + tone), passing, glance.grid_for(passing), manner, painted,
    )  # fmt: skip
    seen = painted[:: glance.step, :: glance.step]
    # A beard or a lip of the source is no skin that could be off in tone.
    rim = _quads(_rim_tone(glance.own - seen[..., :3], seen[..., 3], glance, eye_px))
    white = np.float32(_brightest(glance.own, inside))
    logs = np.empty((*sheet.is_face.shape, 3), np.float32)
    kernels.skin.tone_and_hold(
        painted, rim, sheet.is_face, glance.grid_for(rim), white, np.float32(KNEE),
        light[0, 0] + np.float32(tone), logs,
    )  # fmt: skip
    return from_log(logs)


def _quads(grid: Floats) -> Floats:
    """(h, w, 3) as (h, w, 4), at least two cells each way, as kernels take it."""
    high, wide = (max(0, 2 - side) for side in grid.shape[:2])
    return np.pad(grid.astype(np.float32), ((0, high), (0, wide), (0, 1)), "edge")


def _passing(own_detail: Floats, skin: OwnSkin | None, glance: Glance, eye_px: float) -> Floats:
    """(h, w, 3) log, on few cells: what the target's skin shows now and not always.

    Shadows and coloured lights that wander over a face, and the folds of a smile or a frown, are
    no part of who it is, and finer than the slow light. ``own_detail`` (h, w, 3) log.
    """
    if skin is None:
        return np.zeros((2, 2, 3), np.float32)
    usual = spread_light(np.dstack([skin.detail, skin.trust]), glance.uv)
    trust = usual[..., 3] * glance.is_inner
    # The usual look is known in coarse texels: what is finer cannot be compared with it.
    sigma = max(PASSING_SIGMA * eye_px, 0.8) / glance.step
    off = (own_detail - usual[..., :3]) * trust[..., None]
    off = _blurred_on_fewer(off, sigma)
    return PASSING_LIMIT * np.tanh(PASSING_SHARE * off / PASSING_LIMIT)


def _blurred_on_fewer(values: Floats, sigma: float) -> Floats:
    """A Gaussian blur, on as few cells as show it; what they soften by themselves is left out."""
    few = max(1, int(sigma / 2))
    if few > 1:
        size = tuple(-(-side // few) for side in values.shape[1::-1])
        values = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    sigma = np.sqrt(max(sigma**2 - (few**2 - 1) / 4, 0.25)) / few
    return cv2.GaussianBlur(values, (0, 0), sigma)


def _mip_for(texture: Texture, sheet: Sheet, eye_px: float) -> Floats:
    """The texture at the size that fits the picture."""
    texels_a_step = texture.side * EYE_DISTANCE_UV / max(eye_px * sheet.finer, 1.0)
    level = int(np.floor(np.log2(max(texels_a_step, 1.0)) + 0.3))
    return texture.mips[min(level, len(texture.mips) - 1)]


def _bright_limit(luma_detail: Floats, where: Array) -> float:
    """How bright a spot the target's own skin shows, log above its slow light."""
    spots = luma_detail[where]
    return (
        max(BRIGHT_LIMIT[0] * float(np.percentile(spots, 96)), BRIGHT_LIMIT[1])
        if spots.size
        else 1.0
    )


def _saturation(slow: Floats, tone: Floats) -> float:
    """How much of the detail's colour, which is told against skin, is left in this film.

    Where skin itself has lost its colour, in a graded or dim picture, a brow as far from it in
    colour as in the photo would be blue, lips magenta and a blush orange. ``slow`` (n, 3) and
    ``tone`` (3,) are log colours.
    """
    if not len(slow):
        return 1.0
    now, then = (float(np.ptp(colour)) for colour in (slow.mean(0), tone))
    return float(np.clip(now / max(then, 1e-3), PALEST, 1))


def _brightest(own: Floats, where: Array) -> float:
    """Log of the brightest channel that the face may have: little above the target's own.

    In an HDR film the view of what is brighter than white is steep, and a highlight would leap.
    """
    peaks = largest_channel(own)[where] if where.any() else largest_channel(own)
    return min(float(np.percentile(peaks, 99.5)) + 0.03, WHITE)


def _rim_tone(difference: Floats, is_feature: Floats, glance: Glance, eye_px: float) -> Floats:
    """(h, w, 3) log, on few cells, to add so that the rim meets the target's tone; it fades
    inwards. ``difference`` (h, w, 3) log and ``is_feature`` (h, w) are as fine as the glance."""
    near_rim = (1 - smoothstep(glance.depth, *RIM_DEPTH)) * (glance.depth > 0.01)
    off = largest_channel(np.maximum(difference / RIM_BRIGHTER, -difference / RIM_DARKER))
    weight = near_rim * np.clip(2 - off, 0, 1) * np.clip(glance.facing * 3, 0, 1)
    weight *= 1 - is_feature
    small = max(1, int(eye_px / 12)) / glance.step
    size = tuple(int(np.ceil(side / small)) for side in weight.shape[::-1])
    weighted = np.dstack([difference * weight[..., None], weight]).astype(np.float32)
    coarse = cv2.resize(weighted, size, interpolation=cv2.INTER_AREA)
    coarse = cv2.GaussianBlur(coarse, (0, 0), RIM_SIGMA * eye_px / (small * glance.step))
    return coarse[..., :3] / (coarse[..., 3:] + RIM_PRIOR * (1 - coarse[..., 3:]) * 0.5 + 1e-3)
