"""The source's detail under the target's light."""

from __future__ import annotations

import cv2
import numpy as np

from ..style import SkinTone
from ..types import Array, Floats
from .adapt import OwnSkin
from .light import LOG_OFFSET, from_log, spread_light
from .pixelwise import LUMA, largest_channel, luma_of, smoothstep
from .sheet import Sheet
from .surface import EYE_DISTANCE_UV
from .texture import Texture

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


def paint_skin(
    texture: Texture,
    slow: Floats,
    own: Floats,
    sheet: Sheet,
    depth: Floats,
    eye_px: float,
    skin: OwnSkin | None = None,
    tone: Floats | float = 0.0,
) -> Floats:
    """(h, w, 3) RGB of the source's face as the target's light shows it.

    ``slow`` and ``own`` (h, w, 3) log colours: the target's light, and its pixels;
    ``depth`` (h, w) eye distances from the rim; ``tone`` (3,) log, see ``tone_shift``.
    """
    texels = _sample(texture, sheet, eye_px)
    is_feature = np.clip(2 * texels[..., 3:], 0, 1)
    inside = sheet.is_inner & (depth > 0.1)
    limit = _bright_limit(luma_of(own - slow), inside)
    saturation = _saturation(slow[inside], texture.tone)
    painted = slow + tone
    painted += _calmed(texels[..., :3], limit, is_feature, saturation)
    if skin is not None:
        painted += _passing(own - slow, skin, sheet, eye_px)
    # A beard or a lip of the source is no skin that could be off in tone.
    painted += (1 - is_feature) * _rim_tone(own - painted, is_feature, sheet, depth, eye_px)
    return from_log(painted - _burnt(painted, _brightest(own, inside)))


def _passing(own_detail: Floats, skin: OwnSkin, sheet: Sheet, eye_px: float) -> Floats:
    """(h, w, 3) log: what the target's skin shows now and not always.

    Shadows and coloured lights that wander over a face, and the folds of a smile or a frown, are
    no part of who it is, and finer than the slow light. ``own_detail`` (h, w, 3) log.
    """
    usual = spread_light(np.dstack([skin.detail, skin.trust]), np.ascontiguousarray(sheet.uv))
    trust = usual[..., 3] * sheet.is_inner
    # The usual look is known in coarse texels: what is finer cannot be compared with it.
    sigma = max(PASSING_SIGMA * eye_px, 0.8)
    off = cv2.GaussianBlur((own_detail - usual[..., :3]) * trust[..., None], (0, 0), sigma)
    return PASSING_LIMIT * np.tanh(PASSING_SHARE * off / PASSING_LIMIT)


def _sample(texture: Texture, sheet: Sheet, eye_px: float) -> Floats:
    """(h, w, 4) of the texture at the size that fits the picture."""
    finer = sheet.fine_uv.shape[0] // sheet.uv.shape[0]
    texels_a_step = texture.side * EYE_DISTANCE_UV / max(eye_px * finer, 1.0)
    level = int(np.floor(np.log2(max(texels_a_step, 1.0)) + 0.3))
    mip = texture.mips[min(level, len(texture.mips) - 1)]
    places = sheet.fine_uv * mip.shape[0] - 0.5
    fine = cv2.remap(mip, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if finer == 1:
        return fine
    # The mean over those fine steps that lie on the face: the others know nothing.
    on_face = (sheet.fine_uv[..., 0] >= 0).astype(np.float32)
    size = sheet.uv.shape[1::-1]
    total = cv2.resize(fine * on_face[..., None], size, interpolation=cv2.INTER_AREA)
    share = cv2.resize(on_face, size, interpolation=cv2.INTER_AREA)
    return total / np.maximum(share, 1e-3)[..., None]


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


def _calmed(detail: Floats, limit: float, is_feature: Floats, saturation: float) -> Floats:
    """Highlights and shadows of the source's own light pressed to what the target shows.

    Features stay as dark as they are; a highlight is pressed everywhere.
    """
    luma = luma_of(detail)[..., None]
    shade = np.minimum(luma, 0)
    bright = limit * np.tanh(np.maximum(luma, 0) / limit)
    dark = DARK_LIMIT * limit * np.tanh(shade / (DARK_LIMIT * limit))
    dark += is_feature * (shade - dark)
    return bright + dark + saturation * (detail - luma)


def _brightest(own: Floats, where: Array) -> float:
    """Log of the brightest channel that the face may have: little above the target's own.

    In an HDR film the view of what is brighter than white is steep, and a highlight would leap.
    """
    peaks = largest_channel(own)[where] if where.any() else largest_channel(own)
    return min(float(np.percentile(peaks, 99.5)) + 0.03, WHITE)


def _burnt(painted: Floats, white: float) -> Floats:
    """(h, w, 1) log to take off where a channel nears white: all of them go down, hue stays."""
    above = np.maximum(largest_channel(painted)[..., None] - (white - KNEE), 0)
    return above - KNEE * np.tanh(above / KNEE)


def _rim_tone(
    difference: Floats, is_feature: Floats, sheet: Sheet, depth: Floats, eye_px: float
) -> Floats:
    """(h, w, 3) log to add so that the rim meets the target's tone; it fades inwards."""
    near_rim = (1 - smoothstep(depth, *RIM_DEPTH)) * (depth > 0.01)
    off = largest_channel(np.maximum(difference / RIM_BRIGHTER, -difference / RIM_DARKER))
    weight = near_rim * np.clip(2 - off, 0, 1) * np.clip(sheet.facing * 3, 0, 1)
    weight *= 1 - is_feature[..., 0]
    small = max(1, int(eye_px / 12))
    size = tuple(-(-side // small) for side in weight.shape[::-1])
    weighted = np.dstack([difference * weight[..., None], weight]).astype(np.float32)
    coarse = cv2.resize(weighted, size, interpolation=cv2.INTER_AREA)
    coarse = cv2.GaussianBlur(coarse, (0, 0), RIM_SIGMA * eye_px / small)
    tone = coarse[..., :3] / (coarse[..., 3:] + RIM_PRIOR * (1 - coarse[..., 3:]) * 0.5 + 1e-3)
    return cv2.resize(tone, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
