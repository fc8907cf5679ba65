"""The source's skin and features as a texture from which the light has been taken out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from ..geometry import eye_distance_px
from ..types import Array, Box, Floats, Picture, Portrait
from .light import LightMeter, to_log, upsampled
from .pixelwise import luma_of, smoothstep
from .raster import fit_affines, map_pixels, point_normals
from .surface import EYE_DISTANCE_UV, Surface
from .topology import POINTS, Topology

SMALL_SIDE, LARGE_SIDE = 512, 1024
LARGE_FACE_PX = 600
CROP_SIDE = 256
SEEN = (0.35, 0.70)  # cosine to the camera between which a texel becomes worth using
TOO_DARK, TOO_BRIGHT, TOO_COLOURED = -0.45, 0.55, 0.30  # log; hair, glasses, scarf, glare
HIGH_FOREHEAD = (0.24, 0.40)  # above the eye line, in eye-to-chin heights
FRINGE_DARK = -0.20
FRINGE_SHADOW = 0.12  # eye distances below a fringe
BEARD = -0.30  # log luma
TEETH_BRIGHTER, TEETH_PALER = 0.15, 0.05  # log, against the median of the lips
FACE_LOWER_HALF = 0.40  # below this a dark part is a beard, which belongs to the person


@dataclass(frozen=True, eq=False)
class Texture:
    """Log colour of each texel minus the light on it; 0 is plain skin."""

    mips: tuple[Floats, ...]  # (side, side, 4), each half as large as the one before; the fourth
    # says what a texel is: 0 skin, 0.5 brow, lash or beard, 1 lip, soft between
    tone: Floats  # (3,) mean log colour of the light that was taken out: skin in its own light

    @property
    def side(self) -> int:
        return self.mips[0].shape[0]


@dataclass(frozen=True, eq=False)
class _Layer:
    """What one photo knows of the texture."""

    detail: Floats  # (side, side, 3)
    weight: Floats  # (side, side) 0 where it shows no skin of this person
    tone: Floats  # (3,) mean log colour of its light


def build_texture(topology: Topology, portraits: tuple[Portrait, ...]) -> Texture:
    """One texture from all photos of a person; a part that no photo shows is filled softly."""
    widest = max(float(np.ptp(p.mesh.landmarks_xyz[:POINTS, 1])) for p in portraits)
    surface = surface_of(topology, LARGE_SIDE if widest > LARGE_FACE_PX else SMALL_SIDE)
    layers = [_read_layer(surface, portrait) for portrait in portraits]
    total = sum(layer.weight for layer in layers)
    detail = sum(layer.detail * layer.weight[..., None] for layer in layers)
    detail = detail / np.maximum(total, 1e-6)[..., None]
    filled = _fill(surface, detail.astype(np.float32), np.clip(total, 0, 1))
    tone = np.mean([layer.tone for layer in layers], axis=0).astype(np.float32)
    return Texture(make_mips(np.dstack([filled, _features(surface, filled)])), tone)


@lru_cache(maxsize=4)
def surface_of(topology: Topology, side: int) -> Surface:
    """The surface of a size; kept, because painting it takes longer than using it."""
    return Surface(topology, side)


def _read_layer(surface: Surface, portrait: Portrait) -> _Layer:
    landmarks = portrait.mesh.landmarks_xyz
    light = LightMeter(surface.topology).measure_in(portrait.picture, landmarks, CROP_SIDE)
    colours = _unwrap(surface, portrait.picture, landmarks)
    detail = to_log(colours) - upsampled(light, surface.size)
    _, facing = point_normals(landmarks[:POINTS], surface.topology.triangles)
    seen = smoothstep(surface.spread(facing[:, None])[..., 0], *SEEN)
    own = surface.is_face & ~_foreign(surface, detail) & ~_teeth(surface, detail)
    near = cv2.GaussianBlur(own.astype(np.float32), (0, 0), surface.sigma_px(0.06))
    sure = smoothstep(near, 0.5, 1.0) * own * seen
    return _Layer(detail, sure.astype(np.float32), light.mean((0, 1)))


def _unwrap(surface: Surface, picture: Picture, landmarks_xyz: Floats) -> Floats:
    """(side, side, 3) RGB: the photo's pixels laid out over the texture square."""
    points = landmarks_xyz[:POINTS, :2]
    low, high = np.floor(points.min(0)) - 4, np.ceil(points.max(0)) + 5
    box = Box(*low.astype(int), *high.astype(int)).clipped(picture.size_wh)
    pixels, origin = picture.region(box), np.float32([box.x0, box.y0])
    # A photo finer than the texture is shrunk first: remap alone would skip pixels.
    ratio = EYE_DISTANCE_UV * surface.size / max(eye_distance_px(points), 1.0)
    if ratio < 0.9:
        size = [max(1, round(side * ratio)) for side in (box.width, box.height)]
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    scale = np.float32([pixels.shape[1] / box.width, pixels.shape[0] / box.height])
    at = (points - origin + 0.5) * scale - 0.5
    uv_px = surface.topology.uv * surface.size - 0.5
    places = map_pixels(surface.ids, fit_affines(uv_px, at, surface.topology.triangles))
    border = cv2.BORDER_REPLICATE
    return np.clip(cv2.remap(pixels, places, None, cv2.INTER_CUBIC, borderMode=border), 0, 255)


def _foreign(surface: Surface, detail: Floats) -> Array:
    """(side, side) bool: hair, scarf and background at the rim, which must not be carried over.

    A strange part counts only where it reaches the rim: a shadow beside the nose, a mole or a
    pair of glasses is the person's own. On the lower half a dark part is hair or a scarf unless
    the chin is dark too: then it is a beard.
    """
    soft = cv2.GaussianBlur(detail, (0, 0), surface.sigma_px(0.015))
    luma = luma_of(soft)
    colour = np.abs(soft - luma[..., None]).max(-1)
    # High on the forehead a fringe is the rule, and fair hair is hardly darker than skin.
    high = smoothstep(-surface.heights, *HIGH_FOREHEAD)
    dark = TOO_DARK + (FRINGE_DARK - TOO_DARK) * high
    strange = (luma < dark) | (luma > TOO_BRIGHT) | (colour > TOO_COLOURED - 0.1 * high)
    own = surface.grown(surface.brows | surface.eyes, 0.12) | surface.grown(surface.lips, 0.2)
    if _has_beard(surface, luma):
        own |= surface.heights > FACE_LOWER_HALF
    strange &= ~own & surface.is_face
    sound = surface.grown(surface.grown(strange, -0.02), 0.05)
    foreign = _reaching(sound, surface.is_face & ~surface.grown(surface.is_face, -0.12))
    fringe = surface.grown(foreign & (high > 0.5), FRINGE_SHADOW) & (high > 0)
    return (foreign | fringe) & ~own


def _teeth(surface: Surface, detail: Floats) -> Array:
    """(side, side) bool: beside the mouth opening, brighter and paler than these lips are."""
    soft = cv2.GaussianBlur(detail, (0, 0), surface.sigma_px(0.01))
    luma, redness = luma_of(soft), soft[..., 0] - soft[..., 1]
    lips = surface.lips & ~surface.mouth
    beside = surface.grown(surface.mouth, 0.09) & surface.lips
    pale = beside & (luma > np.median(luma[lips]) + TEETH_BRIGHTER)
    pale &= redness < np.median(redness[lips]) - TEETH_PALER
    return surface.grown(pale, 0.02) & surface.lips if pale.any() else pale


def _has_beard(surface: Surface, luma: Floats) -> bool:
    chin = surface.is_face & (surface.heights > 0.78) & (surface.heights < 0.92)
    columns = slice(round(0.42 * surface.size), round(0.58 * surface.size))
    return bool(np.median(luma[:, columns][chin[:, columns]]) < BEARD)


def _reaching(mask: Array, rim: Array) -> Array:
    """The connected parts of a mask that touch the rim."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8))
    return mask & np.isin(labels, np.unique(labels[rim & mask]))


def _features(surface: Surface, detail: Floats) -> Floats:
    """(side, side): 1 on lips, 0.5 on brows, lashes and beard, 0 on skin, soft between."""
    near = surface.grown(surface.brows, 0.04) | surface.grown(surface.eyes, 0.05)
    luma = cv2.GaussianBlur(luma_of(detail), (0, 0), surface.sigma_px(0.02))
    beard = surface.is_face & (surface.heights > FACE_LOWER_HALF) & (luma < BEARD)
    beard &= _has_beard(surface, luma)
    marks = np.maximum(0.5 * (near | beard), surface.lips).astype(np.float32)
    return cv2.GaussianBlur(marks, (0, 0), surface.sigma_px(0.03))


def _fill(surface: Surface, detail: Floats, sure: Floats) -> Floats:
    """Unseen texels from the other half of the face, else from their surroundings."""
    half_sure = np.where(surface.is_face, sure, 0).astype(np.float32)
    mirrored, mirror_sure = detail[:, ::-1], half_sure[:, ::-1]
    mixed = half_sure + (1 - half_sure) * mirror_sure * 0.999
    blended = detail * half_sure[..., None] + mirrored * ((1 - half_sure) * mirror_sure)[..., None]
    known = mixed[..., None]
    values = np.where(known > 1e-3, blended / np.maximum(known, 1e-3), 0).astype(np.float32)
    return _push_pull(values, mixed.astype(np.float32))


def _push_pull(values: Floats, weight: Floats) -> Floats:
    """Holes filled from ever coarser levels (Gortler et al., The Lumigraph, 1996)."""
    if min(weight.shape) <= 4:
        total = max(float(weight.sum()), 1e-6)
        mean = (values * weight[..., None]).sum((0, 1)) / total
        return values * weight[..., None] + mean * (1 - weight[..., None])
    small_weight = cv2.pyrDown(weight)
    small = cv2.pyrDown(values * weight[..., None]) / np.maximum(small_weight, 1e-6)[..., None]
    coarse = _push_pull(small, np.clip(small_weight * 2, 0, 1))
    behind = cv2.pyrUp(coarse, dstsize=weight.shape[::-1])
    return values * weight[..., None] + behind * (1 - weight[..., None])


def make_mips(detail: Floats) -> tuple[Floats, ...]:
    """Each half as large as the one before, down to 32 texels."""
    mips = [np.ascontiguousarray(detail, np.float32)]
    while mips[-1].shape[0] > 32:
        mips.append(cv2.pyrDown(mips[-1]))
    return tuple(mips)
