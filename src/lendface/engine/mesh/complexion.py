"""What of a face's detail belongs to how dark its skin is, and changes where that does.

The detail of a texture is log colour less the light. On darker skin the same face has more of it:
what is reflected at the surface is as bright on any skin, and what comes out of it is less. Taken
over as it is, the detail of dark skin looks painted on fair skin: grey stubble, black eye sockets,
blue corners of the mouth. How much it grows was measured on photos (``SLOPES``). Brows, lashes and
beards are no darker on dark skin than on fair skin and are left alone; lips grow greyer.

Levels are log colours (``light.LOG_OFFSET``); how fair a picture shows skin is a matter of its
exposure, too, and there is no telling them apart. So small differences do nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..types import Floats
from .pixelwise import LUMA, luma_of, smoothstep
from .surface import Surface, wide_blur

MIDDLE = slice(5, 9), slice(4, 12)  # cells of the light's grid that lie on nose and cheeks
ALIKE = (0.10, 0.40)  # log luma; photos of one person differ by less in exposure alone
MOST = 0.9  # log luma; beyond it more is exposure than complexion
CLEARLY = (0.1, 0.5)  # log luma, from where on skin is told from hair, and wholly
BAND_EDGES = (0.06, 0.16)  # sigmas in eye distances that part pores, creases and slow shading
# How much less log contrast a log luma of fairer skin has, from fine to slow: regression over 102
# people of all levels, and nearly the same over 29 of them in one studio. Pores (.6) keep theirs:
# they are the likeness.
SLOPES, COLOUR_SLOPE = (0.0, 0.2, 0.9), 0.8
HAIR = (1.0, 0.5, 0.0)  # share of each band that is hair's own: what is broad there is its shade
SHADOW = 1.2  # likewise, of shaved or sparse hair: what is broad and dark where beards grow
BROAD = 0.10  # sigma in eye distances: a mole is narrower
BEARDS_FROM = (0.40, 0.55)  # heights, eye line 0 and chin 1
LIPS_REDDER = np.float32([0.150, -0.070, -0.031])  # log, for a log luma fairer; of no luma
LIPS_DARKER = 0.27  # log luma, likewise ...
LIPS_LUMA = (-0.25, 0.0)  # ... but within what most lips have, of fair skin and of dark skin
LIDS = (0.03, 0.10)  # eye distances from the opening of the eye
LIDS_LIMIT = 0.15  # log
COLD = 0.5  # of what is bluer than skin that goes, but for lips; all of it costs more likeness
WARMER = np.float32([0.4075, -0.0925, -0.5925])  # red against blue by 1, of no luma


@dataclass(frozen=True, eq=False)
class Suited:
    """A detail as skin of another level would show it."""

    detail: Floats  # (side, side, 3) log
    hair: tuple[Floats, ...]  # (side, side) 0..1, of each band what is hair or lips and not skin
    coloured: Floats  # (side, side) 0..1, what has colours other than skin's


def bands_of(surface: Surface, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Fine, middle and slow part of (side, side) or (side, side, k), which add up to it."""
    fine, slow = (_soft(surface, values, edge) for edge in BAND_EDGES)
    return values - fine, fine - slow, slow


def _soft(surface: Surface, values: Floats, eye_distances: float) -> Floats:
    """A mean over the face alone: what lies outside of it is no skin."""
    sigma = surface.sigma_px(eye_distances)
    face = surface.is_face.astype(np.float32)
    support = np.maximum(wide_blur(face, sigma), 1e-3)
    if values.ndim == 3:
        face, support = face[..., None], support[..., None]
    return wide_blur(values * face, sigma) / support


def skin_level(light: Floats) -> Floats:
    """(3,) log colour of the skin in the middle of a face, from its light (16, 16, 3)."""
    return np.median(light[MIDDLE].reshape(-1, 3), axis=0).astype(np.float32)


def fairer_by(source: Floats | None, target: Floats | None) -> float:
    """Log luma by which the target's skin is fairer, below 0 darker; 0 where they are about alike.

    Both (3,) are of ``skin_level``.

    >>> dark, fair = np.float32([4.4, 4.2, 4.1]), np.float32([5.2, 5.0, 4.9])
    >>> round(fairer_by(dark, fair), 2), fairer_by(dark, dark + np.float32(0.1))
    (0.8, 0.0)
    """
    if source is None or target is None:
        return 0.0
    off = float(np.clip(LUMA @ (target - source), -MOST, MOST))
    return off * float(smoothstep(abs(off), *ALIKE))


def suited(surface: Surface, detail: Floats, marks: Floats, fairer: float) -> Suited:
    """The detail as skin would show it that is ``fairer`` (log luma) than where it is from.

    ``marks`` (side, side): 0 skin, 0.5 brow, lash or beard, 1 lip. Darker skin changes the lips
    alone: what it would show more of the photo has not got.
    """
    is_feature, lips = np.clip(2 * marks, 0, 1), np.clip(2 * marks - 1, 0, 1)
    if not fairer:
        return Suited(detail, (is_feature,) * len(HAIR), is_feature)
    lift = float(smoothstep(fairer, *CLEARLY))
    loose = lift * (1 - lips)  # how far what is no lip has to be hair, or is skin
    hairs = is_feature * (1 - loose * _between_hairs(surface))
    hair = tuple(hairs * (1 - loose * (1 - share)) for share in HAIR)
    coloured = is_feature * (1 - loose)
    if fairer > 0:
        detail = _without_cold(detail, COLD * lift * (1 - hairs))
        detail = _faded(surface, detail, hair, coloured, fairer)
    detail = detail + lips[..., None] * _lips_more(surface, detail, fairer)
    detail = _without_cold(detail, lift * lips)  # grey lips would be lilac
    return Suited(detail.astype(np.float32), hair, coloured)


def _faded(
    surface: Surface, detail: Floats, hair: tuple[Floats, ...], coloured: Floats, fairer: float
) -> Floats:
    """With less contrast and colour in skin."""
    luma = luma_of(detail)
    faded = np.zeros_like(luma)
    for band, own, slope in zip(bands_of(surface, luma), hair, SLOPES, strict=True):
        share = np.exp(-fairer * slope)
        faded += band * (share + (1 - share) * own)
    faded += _unshadowed(surface, faded, hair[0], fairer)
    share = np.exp(-fairer * COLOUR_SLOPE)
    colour = (detail - luma[..., None]) * (share + (1 - share) * coloured)[..., None]
    return (faded[..., None] + colour).astype(np.float32)


def _unshadowed(surface: Surface, luma: Floats, hair: Floats, fairer: float) -> Floats:
    """(side, side) log luma that makes sparse hair less of a grey muzzle; single hairs stay."""
    sigma = surface.sigma_px(BROAD)
    skin = (1 - hair) * smoothstep(surface.heights, *BEARDS_FROM) * surface.is_face
    near = wide_blur(skin, sigma) + 1e-3
    dark = np.minimum(wide_blur(luma * skin, sigma) / near, 0)  # of skin, not of lips beside it
    return skin * dark * (np.exp(-fairer * SHADOW) - 1)


def _lips_more(surface: Surface, detail: Floats, fairer: float) -> Floats:
    """(side, side, 3) log to add to lips: on fairer skin they are redder, and darker than it; but
    what of them is darker yet in the photo is shade, as on skin."""
    where = surface.lips & ~surface.grown(surface.mouth, 0.02)
    luma = luma_of(detail)
    usual = float(np.median(luma[where]))
    low, high = min(LIPS_LUMA[0] - usual, 0.0), max(LIPS_LUMA[1] - usual, 0.0)
    more = luma + np.clip(-LIPS_DARKER * fairer, low, high)
    shade = np.minimum(more - LIPS_LUMA[0], 0) * (1 - np.exp(-max(fairer, 0) * SLOPES[-1]))
    return fairer * LIPS_REDDER + (more - shade - luma)[..., None]


def lids_more(surface: Surface, detail: Floats, own: Floats, fairer: float) -> Floats:
    """(3,) log to add to the target's own closed lids so that they fit the skin around them.

    ``detail`` is the source's as it is painted, ``own`` the target's, both (side, side, 3) log
    over the same square. Only the colour is taken: fair lids are pink and dark ones are not.
    """
    near, far = (surface.grown(surface.eyes, reach) for reach in LIDS)
    where = far & ~near & (surface.heights < 0)
    off = np.median(detail[where], axis=0) - np.median(own[where], axis=0)
    share = float(smoothstep(abs(fairer), *CLEARLY))
    return share * np.clip(off - LUMA @ off, -LIDS_LIMIT, LIDS_LIMIT).astype(np.float32)


def _between_hairs(surface: Surface) -> Floats:
    """(side, side) 0..1: the skin of sockets and lids, which is marked with brows and lashes."""
    near = surface.grown(surface.brows, 0.04) | surface.grown(surface.eyes, 0.05)
    hairs = surface.brows | surface.grown(surface.eyes, 0.02)
    sigma = surface.sigma_px(0.02)
    near, hairs = (wide_blur(each.astype(np.float32), sigma) for each in (near, hairs))
    return np.clip(near - hairs, 0, 1)


def _without_cold(detail: Floats, share: Floats) -> Floats:
    """Shade on skin is as red as skin; what is bluer mirrors the sky, or is black in the photo."""
    cold = np.minimum(detail[..., 0] - detail[..., 2], 0) * share
    return detail - cold[..., None] * WARMER
