"""Light that the slow estimate leaves in a photo's detail, and what of it can be taken out.

A face is much the same on both halves, its light is not: what differs between the halves and is
coarser than wrinkles and freckles is a shadow or a lamp, with an edge as sharp as the light was
hard. What both halves share stays, for sockets, nose and cheeks are read from it; only highlights
and shadows far beyond what a soft light draws are pressed.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..types import Array, Floats
from .pixelwise import luma_of, smoothstep
from .surface import EYE_DISTANCE_UV, Surface, wide_blur
from .topology import NOSTRILS

SIDE = 128  # texels at which shadows are looked for: wrinkles and freckles are gone there
SPECK_PX = 5  # median; a mole is no shadow
EDGE = 0.07  # log; a step this large between lit and unlit is followed, not blurred
REACH, COLOUR_REACH = 0.07, 0.06  # eye distances
COLOUR_NOISE = 0.012  # eye distances
BROAD = 0.03  # eye distances; finer than this a highlight or a shadow is a pore or a wrinkle
BRIGHT, DARK = (0.15, 0.32), (0.25, 0.50)  # log: from where on pressed, and never beyond
OBLIQUE = (0.45, 0.75)  # cosine to the camera; less, and shading tells of the turn alone
OBLIQUE_BAND = 0.04  # eye distances
MIDDLE = (0.20, 0.50)  # eye distances from the middle of the face
MIDDLE_BAND = 0.03
TURNED = (0.15, 0.40)  # share of texels seen on one half only: a head turned a little
ALONE, ALONE_AROUND = (0.30, 0.60), 0.35  # share of texels seen on one half only, and eye distances
NEAR_MOUTH = 0.25  # eye distances that a moustache may reach


def even_out(surface: Surface, detail: Floats, trust: Floats) -> Floats:
    """(side, side, 3) the detail without the difference in light between the two halves.

    ``trust`` (side, side) 0..1 is how well a texel shows this person's skin.
    """
    size = (SIDE, SIDE)
    small = cv2.resize(detail, size, interpolation=cv2.INTER_AREA)
    off = (small - small[:, ::-1]) / 2
    luma = luma_of(off)
    openings = surface.grown(surface.eyes | surface.mouth, 0.02)
    apart = surface.grown(surface.brows | surface.eyes | surface.lips, 0.04)
    apart |= surface.grown(surface.hull(NOSTRILS), 0.03)
    known = _known_twice(trust * ~apart)
    brightness = _followed(surface, _gathered(luma, known), detail, known)
    colours = _gathered(off - luma[..., None], _known_twice(trust * ~openings))
    sigma = COLOUR_REACH * surface.sigma_px(1.0) * SIDE / surface.size
    colours = cv2.resize(wide_blur(colours, sigma), (surface.size, surface.size))
    return detail - brightness[..., None] - colours


def _known_twice(trust: Floats) -> Floats:
    """(SIDE, SIDE) 0..1: where both halves show skin."""
    small = cv2.resize(trust.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.minimum(small, small[:, ::-1])


def _gathered(values: Floats, known: Floats) -> Floats:
    """(SIDE, SIDE[, 3]) without specks, and with what is not known taken from around it."""
    filled = push_pull(values, known)
    return cv2.merge([cv2.medianBlur(np.ascontiguousarray(each), SPECK_PX)
                      for each in cv2.split(filled)])  # fmt: skip


def _followed(surface: Surface, off: Floats, detail: Floats, known: Floats) -> Floats:
    """(side, side): ``off`` (SIDE, SIDE) smooth but for its edges, which the detail shows sharp.

    He et al., Guided image filtering (2013), with the difference as its own guide.
    """
    sigma = REACH * surface.sigma_px(1.0) * SIDE / surface.size
    whole = (surface.size, surface.size)

    def mean(values: Floats) -> Floats:
        return wide_blur(values, sigma)

    middle = mean(off)
    spread = np.maximum(mean(off * off) - middle**2, 0)
    slope = spread / (spread + EDGE**2)
    start = mean(middle * (1 - slope))
    slope, start, coarse, seen = (cv2.resize(v, whole) for v in (mean(slope), start, off, known))
    mirrored = luma_of(detail - detail[:, ::-1]) / 2
    sharp = wide_blur(mirrored, surface.sigma_px(0.015))
    return slope * (coarse + seen * (sharp - coarse)) + start


def press_extremes(surface: Surface, detail: Floats, beard: Array) -> Floats:
    """Broad highlights and deep shadows on skin brought near to what a soft light draws."""
    own = surface.features | beard | _moustache(surface)
    broad = surface.soft(detail, BROAD, surface.is_face & ~own)  # a nostril darkens no cheek
    luma = luma_of(broad)
    bright, dark = np.maximum(luma, 0), np.minimum(luma, 0)
    is_skin = wide_blur((~own).astype(np.float32), surface.sigma_px(0.05))
    shine, shade = _beyond(bright, *BRIGHT), -_beyond(-dark, *DARK)
    # A highlight has the lamp's colour and not the skin's.
    share = is_skin * shine / np.maximum(bright, 1e-3)
    pale = (broad - luma[..., None]) * share[..., None]
    return detail - (is_skin * (shine + shade))[..., None] - pale


def _beyond(values: Floats, knee: float, most: float) -> Floats:
    """What of values from 0 up to take off so that they bend at the knee and end at the most."""
    above = np.maximum(values - knee, 0)
    return above - (most - knee) * np.tanh(above / (most - knee))


def _moustache(surface: Surface) -> Array:
    """(side, side) bool: where one may grow, which is darker than any shadow there."""
    rows = np.nonzero(surface.lips.any(1))[0]
    below = np.arange(surface.size)[:, None] > rows.mean()
    return surface.grown(surface.lips, NEAR_MOUTH) & ~below


def without_colour_noise(surface: Surface, detail: Floats) -> Floats:
    """Skin has no fine colours; a dark or small photo's noise and its compression have."""
    luma = luma_of(detail)[..., None]
    colours = detail - luma
    soft = wide_blur(colours, surface.sigma_px(COLOUR_NOISE))
    keep = surface.grown(surface.eyes, 0.06) | surface.lips
    share = wide_blur(keep.astype(np.float32), surface.sigma_px(0.02))[..., None]
    return luma + soft + share * (colours - soft)


def flatten_oblique(
    surface: Surface, detail: Floats, facing: Floats, trust: Floats, beard: Array
) -> Floats:
    """Where a photo sees the face from aside, its shading goes and only what is fine stays.

    ``facing`` (side, side) is the cosine to the camera.
    """
    broad = wide_blur(facing, surface.sigma_px(0.12))  # not the side of the nose
    aside = (1 - smoothstep(broad, *OBLIQUE)) * ~(surface.features | beard)
    # In a face seen from the front both sides are alike oblique, and their shading is its shape.
    aside *= smoothstep(_alone(surface, trust), *TURNED)
    aside = wide_blur(aside.astype(np.float32), surface.sigma_px(0.05))
    shading = surface.soft(detail, OBLIQUE_BAND, trust * ~surface.features)
    return detail - aside[..., None] * shading


def soften_middle(surface: Surface, detail: Floats, sure: Floats) -> Floats:
    """Without the shading along the middle of the face where the photo shows one half alone.

    What light does from one half to the other cannot be seen there, and mirrored it is a ridge.
    ``sure`` (side, side) 0..1 is how well the photo shows each texel.
    """
    across = np.abs((np.arange(surface.size, dtype=np.float32) + 0.5) / surface.size - 0.5)
    middle = 1 - smoothstep(across / EYE_DISTANCE_UV, *MIDDLE)
    openings = surface.grown(surface.eyes | surface.lips | surface.hull(NOSTRILS), 0.04)
    share = smoothstep(_alone(surface, sure), *ALONE) * middle * ~openings
    share = wide_blur(share.astype(np.float32), surface.sigma_px(0.03))
    return detail - share[..., None] * surface.soft(detail, MIDDLE_BAND, sure * ~openings)


def _alone(surface: Surface, sure: Floats) -> Floats:
    """(side, side) 0..1: how much is seen on one half of the face only, around a texel."""
    return surface.soft(np.abs(sure - sure[:, ::-1]), ALONE_AROUND)


def push_pull(values: Floats, weight: Floats) -> Floats:
    """Holes filled from ever coarser levels (Gortler et al., The Lumigraph, 1996).

    ``values`` (h, w) or (h, w, k); ``weight`` (h, w) 0..1 says how far each is known.
    """
    share = weight[..., None] if values.ndim == 3 else weight
    if min(weight.shape) <= 4:
        mean = (values * share).sum((0, 1)) / max(float(weight.sum()), 1e-6)
        return values * share + mean * (1 - share)
    small_weight = cv2.pyrDown(weight)
    small_share = small_weight[..., None] if values.ndim == 3 else small_weight
    small = cv2.pyrDown(values * share) / np.maximum(small_share, 1e-6)
    coarse = push_pull(small, np.clip(small_weight * 2, 0, 1))
    behind = cv2.pyrUp(coarse, dstsize=weight.shape[::-1])
    return values * share + behind * (1 - share)
