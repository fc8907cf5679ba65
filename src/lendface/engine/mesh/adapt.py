"""The source's detail held to what the target's own skin shows.

Light on dark or old skin, on hard-lit or glossy skin, leaves far more contrast and colour in the
detail than the target's face has under its light: painted on as it is it looks like make-up. So
each band of the detail is weakened, never strengthened, until skin is about as uneven as the
target's. Brows, lashes, beard and lips keep theirs, but nothing gets darker than what is darkest
in the target's face: in a hazy or low-contrast film black brows would float before it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..types import Appearance, Array, Floats
from .complexion import Suited, bands_of, suited
from .light import LightMeter
from .pixelwise import largest_channel, luma_of, smoothstep
from .texture import Texture, make_mips, surface_of
from .topology import Topology

MEASURED_SIDE = 64
BEARD = 0.3  # log luma off plain skin, from which on it is none
SLACK = 1.2  # times the target's own unevenness that looks natural
SHALLOWEST = 0.4  # log
DARKEST = 0.5  # percentile of the target's own detail that shows how dark its film gets
RESTLESS = (0.15, 0.4)  # log spread over the frames
DEEPER = 1.7  # times that, for a lash is finer than what is known of the target
LEAST_LUMA = (0.75, 0.6, 0.5)  # of a band that always stays: what makes the person
COLOUR_LIMIT, LEAST_COLOUR_LIMIT = 2.5, 0.03  # times the film's own; log
LEAST_FEATURE_COLOUR = 0.35  # in a film whose skin has no colours, lips and beards have few
LEAST_COLOUR = (0.4, 0.25, 0.2)
USUAL = ((0.018, 0.037, 0.060), (0.004, 0.006, 0.010))  # median over people; luma, colour


@dataclass(frozen=True)
class Unevenness:
    """How far skin is from plain, for each band from fine to slow: mean sizes, log units."""

    luma: tuple[float, ...]
    colour: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class OwnSkin:
    """What the target's own face looks like over the texture square, on most frames."""

    detail: Floats  # (side, side, 3) log colours less their slow light
    trust: Floats  # (side, side) 0..1 where a frame may be compared with it: skin that keeps still


def own_skin(topology: Topology, appearance: Appearance | None) -> OwnSkin | None:
    if appearance is None:
        return None
    detail = LightMeter(topology).detail_of(appearance.middle.astype(np.float32))
    surface = surface_of(topology, detail.shape[0])
    still = 1 - smoothstep(appearance.spread.astype(np.float32), *RESTLESS)
    plain = 1 - smoothstep(np.abs(luma_of(detail)), 0.5 * BEARD, BEARD)
    trust = surface.skin * still * plain
    return OwnSkin(detail, cv2.GaussianBlur(trust.astype(np.float32), (0, 0), 1.0))


def adapt_texture(
    topology: Topology, texture: Texture, own: Floats | None, fairer: float = 0.0
) -> Texture:
    """The texture as the target's skin can bear it.

    ``own`` (side, side, 3): the target's own log detail over the texture square, or None where
    nothing of it is known; then what it shows holds nothing back. ``fairer``: see
    ``complexion.fairer_by``.
    """
    if own is None and not fairer:
        return texture
    marks = texture.mips[0][..., 3]
    to = suited(surface_of(topology, texture.side), texture.mips[0][..., :3], marks, fairer)
    detail = to.detail if own is None else _held(topology, to, marks, own)
    return replace(texture, mips=make_mips(np.dstack([detail, marks])))


def _held(topology: Topology, given: Suited, marks: Floats, own: Floats) -> Floats:
    """The detail (side, side, 3), no more uneven than ``own`` and no darker."""
    detail, is_feature = given.detail, np.clip(2 * marks, 0, 1)
    wanted = unevenness_of(topology, own)
    found = unevenness_of(topology, detail, is_feature)
    pale = float(np.clip(sum(wanted.colour) / sum(USUAL[1]), LEAST_FEATURE_COLOUR, 1))
    luma = luma_of(detail)
    new_luma, new_colour = np.zeros_like(luma), np.zeros_like(detail)
    both = np.dstack([luma, detail - luma[..., None]])
    for k, each in enumerate(bands_of(surface_of(topology, len(luma)), both)):
        band, colour = each[..., 0], each[..., 1:]
        share = _share(wanted.luma[k], found.luma[k], LEAST_LUMA[k])
        colour_share = min(_share(wanted.colour[k], found.colour[k], LEAST_COLOUR[k]), share)
        new_luma += band * (share + (1 - share) * given.hair[k])
        kept = max(pale, colour_share)
        new_colour += colour * (colour_share + (kept - colour_share) * given.coloured)[..., None]
    skin = 1 - given.coloured[..., None]
    new_colour += skin * (_pressed(new_colour, wanted) - new_colour)
    new_luma = np.maximum(new_luma, 0) + _above(np.minimum(new_luma, 0), _depth_of(topology, own))
    return new_luma[..., None] + new_colour


def _pressed(colour: Floats, wanted: Unevenness) -> Floats:
    """Log colours (side, side, 3), none farther off than skin in the target's film ever is."""
    limit = max(COLOUR_LIMIT * sum(wanted.colour), LEAST_COLOUR_LIMIT)
    size = largest_channel(np.abs(colour))[..., None]
    return colour * (limit * np.tanh(size / limit) / np.maximum(size, 1e-6))


def _above(shade: Floats, depth: float) -> Floats:
    """Shades (log, not above 0) pressed so that none gets deeper than ``depth``."""
    return -depth * np.tanh(-shade / depth)


def _depth_of(topology: Topology, own: Floats) -> float:
    """Log: how far below plain skin the darkest parts of the target's face are."""
    face = surface_of(topology, own.shape[0]).is_face
    return max(-DEEPER * float(np.percentile(luma_of(own)[face], DARKEST)), SHALLOWEST)


def unevenness_of(
    topology: Topology, detail: Floats, is_feature: Floats | None = None
) -> Unevenness:
    """Of a log detail (side, side, 3); ``is_feature`` (side, side) 0..1 is left out."""
    size = (MEASURED_SIDE, MEASURED_SIDE)
    small = cv2.resize(detail.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    surface, luma = surface_of(topology, MEASURED_SIDE), luma_of(small)
    if is_feature is None:
        skin = surface.skin & (np.abs(luma) < BEARD)
    else:
        skin = surface.skin & (cv2.resize(is_feature, size, interpolation=cv2.INTER_AREA) < 0.2)
    if not skin.any():
        return Unevenness(*USUAL)
    colour = small - luma[..., None]
    return Unevenness(
        tuple(_mean_size(band, skin) for band in bands_of(surface, luma)),
        tuple(_mean_size(band, skin) for band in bands_of(surface, colour)),
    )


def _mean_size(band: Floats, where: Array) -> float:
    return float(np.mean(np.abs(band[where])))


def _share(wanted: float, given: float, least: float) -> float:
    return float(np.clip(SLACK * wanted / max(given, 1e-4), least, 1))
