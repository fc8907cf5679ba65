"""The source's skin and features as a texture from which the light has been taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from ..geometry import eye_distance_px
from ..types import Array, Box, Floats, Mesh, Picture, Portrait
from .acts import Acts
from .complexion import skin_level
from .folds import is_mouth_open, looks_like, relax, smile_of
from .forehead import forehead_of, raised
from .foreign import (
    find_brows,
    find_foreign,
    find_glints,
    find_strands,
    find_teeth,
    glasses_in,
    whole_rims,
)
from .gaps import completed, shown_texels, softened, unseen_features
from .hair import beard_of
from .light import LightMeter, to_log, upsampled
from .pixelwise import luma_of, smoothstep
from .raster import fit_affines, map_pixels, paint_ids, point_normals
from .residue import (
    even_out,
    flatten_oblique,
    press_extremes,
    push_pull,
    soften_middle,
    without_colour_noise,
)
from .shape import pose_of
from .surface import EYE_DISTANCE_UV, Surface, wide_blur
from .topology import POINTS, Topology

SMALL_SIDE, LARGE_SIDE = 512, 1024
LARGE_FACE_PX = 600
SMALL_SHOWN_PX = 480  # height of a face up to which the mip of 512 texels is the finest one used
CROP_SIDE = 256
SEEN = (0.35, 0.70)  # cosine to the camera between which a texel becomes worth using
HIDDEN_SIDE = 192  # pixels; the face as the photo sees it, to find what hides what
HIDDEN_BEHIND = 0.06  # of the face's width
SHARED = 0.02  # eye distances: photos are averaged where broader; what is finer is from one
FINEST_FROM_BEST = 6.0  # power of the weights
FIRST_COUNTS = 1.5  # how much more the photo counts that shows most
GUESS, GUESS_FADES = 0.05, 0.15  # log, and eye distances from what is seen
LAUGH_COUNTS = 0.5  # how much less a laughing one does


@dataclass(frozen=True, eq=False)
class Texture:
    """Log colour of each texel minus the light on it; 0 is plain skin."""

    mips: tuple[Floats, ...]  # (side, side, 4), each half as large as the one before; the fourth
    # says what a texel is: 0 skin, 0.5 brow, lash or beard, 1 lip, soft between
    tone: Floats  # (3,) mean log colour of the light that was taken out: skin in its own light
    unseen: Floats | None = None  # (s, s) 0..1, features that no photo shows; None: there are none
    level: Floats | None = None  # (3,) log colour of skin in the middle of the face

    @property
    def side(self) -> int:
        return self.mips[0].shape[0]

    def packed(self) -> PackedTexture:
        packed = (np.rint(np.clip(8192 * mip, -32767, 32767)) for mip in self.mips)
        return PackedTexture(tuple(mip.astype(np.int16) for mip in packed), self.tone, self.unseen)


@dataclass(frozen=True, eq=False)
class PackedTexture:
    """A texture for painting, in half the bytes: all that is kept while a film is rendered."""

    mips: tuple[Array, ...]  # as those of ``Texture``, int16 in 1/8192
    tone: Floats  # (3,)
    unseen: Floats | None = None  # (s, s)

    @property
    def side(self) -> int:
        return self.mips[0].shape[0]


@dataclass(frozen=True, eq=False)
class _Layer:
    """What one photo knows of the texture."""

    detail: Floats  # (side, side, 3)
    weight: Floats  # (side, side) 0..1; 0 where it shows no skin of this person
    tone: Floats  # (3,) mean log colour of its light
    level: Floats  # (3,) the same in the middle of the face alone
    worth: float  # against other photos
    shown: Array | None  # (side, side) bool: what the photo shows of the face; None: all


def texture_side(portraits: tuple[Portrait, ...], shown_px: float) -> int:
    """Texels that are worth having, of photos for a face that is shown at most so high.

    A large texture costs four times as much and shows no more on a small face.
    """
    highest = max(float(np.ptp(p.mesh.landmarks_xyz[:POINTS, 1])) for p in portraits)
    is_large = highest > LARGE_FACE_PX and shown_px > SMALL_SHOWN_PX
    return LARGE_SIDE if is_large else SMALL_SIDE


@lru_cache(maxsize=1)
def build_texture(
    topology: Topology,
    portraits: tuple[Portrait, ...],
    side: int,
    acts: tuple[Acts, ...] | None = None,
) -> Texture:
    """One texture, ``side`` texels wide, from all photos of a person; a part that no photo shows
    is filled softly. The last one is kept, for a source may be meant for several people.

    ``acts``: what the face does in each photo; by default it smiles as far as it looks like it.
    """
    surface = surface_of(topology, side)
    acts = acts or tuple(looks_like(topology, each.mesh.landmarks_xyz) for each in portraits)
    layers = [_read_layer(surface, *each) for each in zip(portraits, acts, strict=True)]
    unseen = _unseen(surface, layers)
    detail, sure = _fused(surface, layers)
    if unseen.any():
        sure = sure * ~unseen
    filled = _fill(surface, detail, sure)
    tone = np.mean([layer.tone for layer in layers], axis=0).astype(np.float32)
    level = np.mean([layer.level for layer in layers], axis=0).astype(np.float32)
    mips = make_mips(np.dstack([filled, _features(surface, filled, level)]))
    return Texture(mips, tone, softened(surface, unseen), level)


def _unseen(surface: Surface, layers: Sequence[_Layer]) -> Array:
    """(side, side) bool: the features that none of the photos shows."""
    shown = [layer.shown for layer in layers if layer.shown is not None]
    if len(shown) < len(layers):  # one of them shows all
        return np.zeros((surface.size, surface.size), bool)
    return unseen_features(surface, np.any(shown, axis=0))


@lru_cache(maxsize=4)
def surface_of(topology: Topology, side: int) -> Surface:
    """The surface of a size; kept, because painting it takes longer than using it."""
    return Surface(topology, side)


def _read_layer(surface: Surface, portrait: Portrait, acts: Acts) -> _Layer:
    topology, found = surface.topology, portrait.mesh.landmarks_xyz
    heights = forehead_of(topology, portrait)
    landmarks = raised(topology, found, pose_of(topology, found), heights)
    colours = to_log(unwrap(surface, portrait.picture, landmarks))
    raised_mesh = Mesh(landmarks, portrait.mesh.score)
    shown = shown_texels(surface, replace(portrait, mesh=raised_mesh), colours)
    meter = LightMeter(topology)
    light = meter.measure_in(portrait.picture, landmarks, CROP_SIDE, shown)
    raw = colours - upsampled(light, surface.size)
    if shown is not None:
        raw = completed(surface, raw, shown)
    raw = _without_glasses(surface, portrait, raw, landmarks)
    facing = surface.spread(_facing(surface, landmarks)[:, None])[..., 0]
    seen = smoothstep(facing, *SEEN)
    own = surface.is_face & ~find_foreign(surface, raw) & ~find_strands(surface, raw)
    if is_mouth_open(landmarks):
        own &= ~find_teeth(surface, raw)
    own &= ~hidden_texels(surface, landmarks)
    if shown is not None:
        own &= shown
    near = wide_blur(own.astype(np.float32), surface.sigma_px(0.06))
    sure = (smoothstep(near, 0.5, 1.0) * own * seen).astype(np.float32)
    smile = smile_of(topology, found)
    level = skin_level(light)
    detail = _without_residue(surface, raw, sure, facing, acts, beard_of(surface, raw, level))
    worth = float(sure.mean()) * (1 - LAUGH_COUNTS * smile) * _sharpness(surface, landmarks)
    return _Layer(detail, sure, light.mean((0, 1)), level, worth, shown)


def _without_residue(
    surface: Surface, raw: Floats, sure: Floats, facing: Floats, acts: Acts, beard: Array
) -> Floats:
    """What is left of the photo's light and of its expression, taken out."""
    detail = even_out(surface, raw, sure)
    detail = flatten_oblique(surface, detail, facing, sure, beard)
    detail = soften_middle(surface, detail, sure)
    detail = press_extremes(surface, detail, beard)
    detail = relax(surface, detail, acts, beard)
    return without_colour_noise(surface, detail)


def _facing(surface: Surface, landmarks_xyz: Floats) -> Floats:
    return point_normals(landmarks_xyz[:POINTS], surface.topology.triangles)[1]


def _sharpness(surface: Surface, landmarks_xyz: Floats) -> float:
    """0..1: how much of the texture's own fineness a photo has."""
    return min(1.0, eye_distance_px(landmarks_xyz) / surface.sigma_px(1.0))


def _without_glasses(
    surface: Surface, portrait: Portrait, raw: Floats, landmarks_xyz: Floats
) -> Floats:
    """Rims, arms and what mirrors in the lenses replaced by the skin around; brows stay."""
    seen = glasses_in(surface, portrait)
    if seen is None:
        return raw
    box, cover = seen
    covered = _laid_out(surface, cover, box, landmarks_xyz) > 0.2
    hole = whole_rims(surface, raw, covered) | find_glints(surface, raw)
    brows = find_brows(surface, raw)
    hole &= ~(brows & surface.grown(surface.brows, 0.03))
    no_skin = hole | surface.grown(surface.eyes, 0.03) | brows
    skin = push_pull(raw, (surface.is_face & ~no_skin).astype(np.float32))
    share = wide_blur(hole.astype(np.float32), surface.sigma_px(0.01))[..., None]
    return raw + share * (skin - raw)


def hidden_texels(surface: Surface, landmarks_xyz: Floats) -> Array:
    """(side, side) bool: texels that another part of the face, the nose, hides from the camera."""
    points = landmarks_xyz[:POINTS]
    low, width = points[:, :2].min(0), float(np.ptp(points[:, :2], axis=0).max())
    small = (points - [*low, 0]) * (HIDDEN_SIDE / width)
    triangles = surface.topology.triangles
    far_to_near = np.argsort(-small[triangles][..., 2].mean(1))
    at = np.ascontiguousarray(small[:, :2], np.float32)
    ids = paint_ids(at, triangles, far_to_near, (HIDDEN_SIDE + 2, HIDDEN_SIDE + 2))
    depth = map_pixels(ids, fit_affines(at, small[:, 2:].astype(np.float32), triangles))[..., 0]
    depth[ids < 0] = np.inf
    own = surface.spread(small.astype(np.float32))
    nearest = cv2.remap(depth, own[..., :2], None, cv2.INTER_NEAREST, borderValue=np.inf)
    hidden = surface.is_face & (own[..., 2] > nearest + HIDDEN_BEHIND * HIDDEN_SIDE)
    return surface.grown(hidden, 0.04)


def unwrap(surface: Surface, picture: Picture, landmarks_xyz: Floats) -> Floats:
    """(side, side, 3) RGB: the photo's pixels laid out over the texture square."""
    points = landmarks_xyz[:POINTS, :2]
    low, high = np.floor(points.min(0)) - 4, np.ceil(points.max(0)) + 5
    box = Box(*low.astype(int), *high.astype(int)).clipped(picture.size_wh)
    return np.clip(_laid_out(surface, picture.region(box), box, landmarks_xyz), 0, 255)


def _laid_out(surface: Surface, pixels: Floats, box: Box, landmarks_xyz: Floats) -> Floats:
    """(side, side, ...) of the pixels (h, w, ...) that a photo has in a box."""
    points = landmarks_xyz[:POINTS, :2]
    # A photo finer than the texture is shrunk first: remap alone would skip pixels.
    ratio = EYE_DISTANCE_UV * surface.size / max(eye_distance_px(points), 1.0)
    if ratio < 0.9:
        size = [max(1, round(side * ratio)) for side in (box.width, box.height)]
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    scale = np.float32([pixels.shape[1] / box.width, pixels.shape[0] / box.height])
    at = (points - [box.x0, box.y0] + 0.5) * scale - 0.5
    uv_px = surface.topology.uv * surface.size - 0.5
    places = map_pixels(surface.ids, fit_affines(uv_px, at, surface.topology.triangles))
    return cv2.remap(pixels, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _fused(surface: Surface, layers: Sequence[_Layer]) -> tuple[Floats, Floats]:
    """One detail (side, side, 3) from all photos, and how sure each texel is (side, side) 0..1.

    Broad colours are averaged, so that what light is left in each weighs less; what is fine is
    taken from the photo that shows it best: two photos never lie quite on one another.
    """
    best = max(layer.worth for layer in layers)
    shares = [layer.weight * (layer.worth / best) ** 2 for layer in layers]
    sure = np.max([layer.weight for layer in layers], axis=0)
    if len(layers) == 1:
        return layers[0].detail, sure
    first = int(np.argmax([layer.worth for layer in layers]))
    votes = [(FIRST_COUNTS if k == first else 1) * share for k, share in enumerate(shares)]
    votes = [surface.soft(vote, SHARED) ** FINEST_FROM_BEST * share.clip(1e-6)
             for vote, share in zip(votes, shares, strict=True)]  # fmt: skip
    total, most = (np.maximum(sum(each), 1e-12)[..., None] for each in (shares, votes))
    fused = np.zeros_like(layers[0].detail)
    for layer, share, vote in zip(layers, shares, votes, strict=True):
        broad = surface.soft(layer.detail, SHARED, layer.weight)
        fused += broad * share[..., None] / total
        fused += (layer.detail - broad) * vote[..., None] / most
    return fused.astype(np.float32), sure


def _features(surface: Surface, detail: Floats, level: Floats) -> Floats:
    """(side, side): 1 on lips, 0.5 on brows, lashes and beard, 0 on skin, soft between."""
    near = surface.grown(surface.brows, 0.04) | surface.grown(surface.eyes, 0.05)
    marks = np.maximum(0.5 * (near | beard_of(surface, detail, level)), surface.lips)
    return wide_blur(marks.astype(np.float32), surface.sigma_px(0.03))


def _fill(surface: Surface, detail: Floats, sure: Floats) -> Floats:
    """Unseen texels from the other half of the face, else from their surroundings."""
    half_sure = np.where(surface.is_face, sure, 0).astype(np.float32)
    mirrored, mirror_sure = detail[:, ::-1], half_sure[:, ::-1]
    mixed = half_sure + (1 - half_sure) * mirror_sure * 0.999
    blended = detail * half_sure[..., None] + mirrored * ((1 - half_sure) * mirror_sure)[..., None]
    known = mixed[..., None]
    values = np.where(known > 1e-3, blended / np.maximum(known, 1e-3), 0).astype(np.float32)
    guess = push_pull(values, mixed.astype(np.float32))
    far = 1 - np.clip(2 * surface.soft(mixed, GUESS_FADES), 0, 1)
    far *= ~surface.lips  # those know their own colour
    return guess + far[..., None] * (_plainer(guess) - guess)


def _plainer(guess: Floats) -> Floats:
    """What nobody saw is plain skin or a beard, and neither shines nor has colours of its own."""
    luma = luma_of(guess)[..., None]
    bright = GUESS * np.tanh(np.maximum(luma, 0) / GUESS)
    return bright + np.minimum(luma, 0) + GUESS * np.tanh((guess - luma) / GUESS)


def make_mips(detail: Floats) -> tuple[Floats, ...]:
    """Each half as large as the one before, down to 32 texels."""
    mips = [np.ascontiguousarray(detail, np.float32)]
    while mips[-1].shape[0] > 32:
        mips.append(cv2.pyrDown(mips[-1]))
    return tuple(mips)
