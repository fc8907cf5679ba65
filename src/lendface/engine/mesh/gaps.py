"""What photos of a source do not show of a face: it ends at their edge, or something is before it.

The colours that are laid out there are no skin of this person. The other half of the face stands in
where that is shown. A feature that is shown on neither stays the target's own: plain skin in its
place would be a face without a mouth.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from ..beyond import is_within
from ..types import Array, Box, Floats, Portrait
from .occlusion import hands_cover
from .pixelwise import luma_of
from .raster import point_normals
from .residue import push_pull
from .surface import Surface, wide_blur
from .topology import NOSE, NOSE_TIP, NOSTRILS, POINTS

EDGE_PX = 1.0  # of the photo; its outermost pixels are half of what lies beyond
MISSING = 0.15  # of a feature; more, and all of it stays the target's
SIDE = 128  # texels
SOFT = 0.04  # eye distances
BROW_LINE = (-0.4, 0.12)  # heights between which skin tells what this person's is like
FACING = 0.35  # cosine to the camera; beside a nose in profile lies what is behind it
LEAST_SEEN = 0.6  # of a feature that is judged
LEAST_COLOUR = 0.15  # log red over blue of that skin; less, and the photo has no colours
LOST = 0.5  # of the skin's colour; lips, noses and lids of 100 portraits lose at most 0.4
DARK_LENS = -0.8  # log luma below the skin; lids with make-up reach -0.6
AS_BESIDE = np.float32([0.03, 0.05, 0.08])  # log; lips differ from the skin beside them by more
UNLIKE_SKIN = 0.20  # log
THING_GROWN = 0.06  # eye distances
SHADE_COUNTS = 0.5  # of a difference in luma, beside those in colour


def shown_texels(surface: Surface, portrait: Portrait, colours: Floats) -> Array | None:
    """(side, side) bool: where the photo shows the face's surface; None where it shows all.

    ``colours`` (side, side, 3) log are the photo's, laid out. What is turned away counts as shown.
    """
    places = surface.spread(portrait.mesh.landmarks_xyz[:POINTS, :2])
    inside = is_within(places, portrait.picture.size_wh, EDGE_PX)
    shown = inside & ~find_cover(surface, portrait, colours, places, inside)
    return None if shown[surface.is_face].all() else shown


def find_cover(
    surface: Surface, portrait: Portrait, colours: Floats, places: Floats, inside: Array
) -> Array:
    """(side, side) bool: texels before which a hand or a thing is.

    ``colours`` (side, side, 3) log, ``places`` (side, side, 2) pixels of the photo, and ``inside``
    says which of them are on it.
    """
    cover = np.zeros(inside.shape, bool)
    if portrait.hands:
        cover |= hands_at(portrait, places) > 0.5
    points = portrait.mesh.landmarks_xyz[:POINTS]
    facing = surface.spread(point_normals(points, surface.topology.triangles)[1][:, None])[..., 0]
    thing = find_thing(surface, colours, inside & ~cover & (facing > FACING))
    return (cover if thing is None else cover | thing) & inside


def hands_at(portrait: Portrait, places: Floats) -> Floats:
    """(h, w) 0..1: how much hands hide of the photo at some places (h, w, 2), pixels of it."""
    points = portrait.mesh.landmarks_xyz[:POINTS, :2]
    low, high = np.floor(points.min(0)), np.ceil(points.max(0)) + 1
    box = Box(*low.astype(int).tolist(), *high.astype(int).tolist())
    box = box.clipped(portrait.picture.size_wh)
    origin = np.float32(box[:2])
    eye_px = max(float(np.linalg.norm(points[33] - points[263])), 1.0)
    cover = hands_cover(portrait.hands, portrait.picture.region(box), origin, eye_px)
    return cv2.remap(cover, (places - origin).astype(np.float32), None, cv2.INTER_LINEAR)


def find_thing(surface: Surface, colours: Floats, shown: Array) -> Array | None:
    """(side, side) bool: a mask, a scarf or dark glasses before mouth, nose or eyes, or None.

    ``colours`` (side, side, 3) log; ``shown`` (side, side) bool says where they are the photo's.
    """
    tint = tint_of(colours)
    known = surface.skin & shown & _between(surface.heights, *BROW_LINE)
    if known.sum() < 0.1 * surface.skin.sum():
        return None
    skin = np.median(tint[known], axis=0)
    hidden = [
        core
        for core, is_eyes in cores_of(surface)
        if shown[core].mean() > LEAST_SEEN and _is_hidden(tint[core & shown], skin, is_eyes)
    ]
    lips, beside = lips_of(surface)
    is_seen = shown[lips | beside].mean() > LEAST_SEEN
    if is_seen and _is_one_with(tint[lips & shown], tint[beside & shown], skin):
        hidden.append(lips)
    if not hidden:
        return None
    core = np.any(hidden, axis=0) & shown
    return _region(surface, tint, skin, core)


def tint_of(colours: Floats) -> Floats:
    """(h, w, 3): red over green, red over blue, and luma of log colours."""
    red, green, blue = (colours[..., k] for k in range(3))
    return np.stack([red - green, red - blue, luma_of(colours)], -1)


def _is_hidden(tints: Floats, skin: Floats, is_eyes: bool) -> bool:
    """Whether a feature (n, 3) has lost the skin's colour; lids must be dark, too."""
    if skin[1] < LEAST_COLOUR:
        return False
    off = np.median(tints, axis=0) - skin
    is_pale = bool((off[:2] < -LOST * skin[:2]).all())
    return is_pale and (not is_eyes or off[2] < DARK_LENS)


def _is_one_with(lips: Floats, beside: Floats, skin: Floats) -> bool:
    """Whether lips (n, 3) look just as what is beside them (m, 3) does, and that is no skin."""
    inner, outer = np.median(lips, axis=0), np.median(beside, axis=0)
    is_even = bool((np.abs(inner - outer) < AS_BESIDE).all())
    return is_even and float(np.abs(outer - skin)[:2].max()) > UNLIKE_SKIN


def _region(surface: Surface, tint: Floats, skin: Floats, core: Array) -> Array:
    """All that looks rather like what is at ``core`` than like skin, and is joined to it."""
    weight = np.float32([1, 1, SHADE_COUNTS])
    soft = surface.soft(tint, 0.03)
    thing = np.median(tint[core], axis=0)
    far, near = (np.linalg.norm((soft - each) * weight, axis=-1) for each in (skin, thing))
    alike = (near < far) & surface.is_face | core
    _, labels = cv2.connectedComponents(alike.astype(np.uint8))
    return surface.grown(np.isin(labels, np.unique(labels[core])), THING_GROWN)


def _between(values: Floats, low: float, high: float) -> Array:
    return (values > low) & (values < high)


@lru_cache(maxsize=4)
def cores_of(surface: Surface) -> tuple[tuple[Array, bool], ...]:
    """(side, side) bool each: what tells whether mouth, nose and eyes are hidden, and whether it
    is the eyes."""
    lids = surface.grown(surface.eyes, 0.10) & ~surface.grown(surface.eyes, 0.02)
    return (lips_of(surface)[0], False), (surface.hull(NOSE_TIP), False), (lids, True)


@lru_cache(maxsize=4)
def lips_of(surface: Surface) -> tuple[Array, Array]:
    """(side, side) bool each: the lips, and the skin beside them."""
    lips = surface.lips & ~surface.grown(surface.mouth, 0.02)
    return lips, surface.grown(surface.lips, 0.14) & ~surface.grown(surface.lips, 0.03)


def completed(surface: Surface, detail: Floats, shown: Array) -> Floats:
    """(side, side, 3): ``detail`` with the face's other half in its gaps, else what is around."""
    known = (shown | shown[:, ::-1]) & surface.is_face
    both = np.where(shown[..., None], detail, detail[:, ::-1])
    return np.where(shown[..., None], detail, push_pull(both, known.astype(np.float32)))


def unseen_features(surface: Surface, shown: Array) -> Array:
    """(side, side) bool: features of which ``shown`` has too little on both halves of the face."""
    missing = ~(shown | shown[:, ::-1])
    unseen = np.zeros(shown.shape, bool)
    for feature, around in features_of(surface).values():
        if missing[feature].mean() > MISSING:
            unseen |= around
    return unseen


def softened(surface: Surface, unseen: Array) -> Floats | None:
    """(SIDE, SIDE) 0..1 of a mask over the texture square; None where it is empty."""
    if not unseen.any():
        return None
    soft = wide_blur(unseen.astype(np.float32), surface.sigma_px(SOFT))
    return cv2.resize(soft, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


@lru_cache(maxsize=4)
def features_of(surface: Surface) -> dict[str, tuple[Array, Array]]:
    """What makes a face, by name: the feature itself, and with some skin around; (side, side) bool
    each."""
    nose = surface.hull(NOSE)
    return {
        "brows": (surface.brows, surface.grown(surface.brows, 0.08)),
        "eyes": (surface.eyes, surface.grown(surface.eyes, 0.14)),
        "nose": (nose, surface.grown(nose | surface.grown(surface.hull(NOSTRILS), 0.10), 0.04)),
        "mouth": (surface.lips, surface.grown(surface.lips, 0.14)),
    }
