"""What a photo shows on a face that is not the person's own skin, and must not be carried over."""

from __future__ import annotations

import cv2
import numpy as np

from ..types import Array, Box, Floats, Portrait
from .glasses import SEVERAL, find_glasses, glasses_cover, read_plate
from .pixelwise import luma_of, smoothstep
from .shape import pose_of
from .surface import EYE_DISTANCE_UV, Surface, wide_blur
from .topology import POINTS

TOO_DARK, TOO_BRIGHT, TOO_COLOURED = -0.45, 0.55, 0.30  # log; hair, scarf, background, glare
HIGH_FOREHEAD = (0.24, 0.40)  # above the eye line, in eye-to-chin heights
FRINGE_DARK = -0.20
FRINGE_SHADOW = 0.12  # eye distances below a fringe
BEARD = -0.30  # log luma
BROW = -0.15  # log luma
FACE_LOWER_HALF = 0.40  # below this a dark part is a beard, which belongs to the person
TEETH_BRIGHTER, TEETH_PALER = 0.15, 0.05  # log, against the median of the lips
TEETH_BESIDE = 0.35  # log; so much brighter, and beside a pale part, is a tooth, however red
SURE_OF_GLASSES = 0.58  # deep wrinkles around the eyes reach 0.52
THICKEST_RIM, RIM_DARK = 0.15, -0.35  # eye distances on either side; log
GLASSES_AROUND = 0.02  # eye distances: the shade that a rim throws
LINE_ANGLES = (-35, -17, 0, 17, 35)  # degrees off the vertical
STRANDS, STRANDS_TIMES = 0.045, 1.6  # log; and times the other side's
CHEEKS_END = 0.75  # eye line 0, chin 1
STRANDS_AROUND, BESIDE = 0.08, 0.35  # eye distances; from the middle of the face
GLINT = (0.18, 0.15)  # log: brighter or more coloured than the other eye's surroundings


def find_foreign(surface: Surface, detail: Floats) -> Array:
    """(side, side) bool: hair, scarf and background at the rim.

    ``detail`` (side, side, 3) log colours less the light. A strange part counts only where it
    reaches the rim: a shadow beside the nose or a mole is the person's own. On the lower half a
    dark part is hair or a scarf unless the chin is dark too: then it is a beard.
    """
    soft = wide_blur(detail, surface.sigma_px(0.015))
    luma = luma_of(soft)
    colour = np.abs(soft - luma[..., None]).max(-1)
    # High on the forehead a fringe is the rule, and fair hair is hardly darker than skin.
    high = smoothstep(-surface.heights, *HIGH_FOREHEAD)
    dark = TOO_DARK + (FRINGE_DARK - TOO_DARK) * high
    strange = (luma < dark) | (luma > TOO_BRIGHT) | (colour > TOO_COLOURED - 0.1 * high)
    own = surface.grown(surface.brows | surface.eyes, 0.12) | surface.grown(surface.lips, 0.2)
    if has_beard(surface, luma):
        own |= surface.heights > FACE_LOWER_HALF
    strange &= ~own & surface.is_face
    sound = surface.grown(surface.grown(strange, -0.02), 0.05)
    foreign = _reaching(sound, surface.is_face & ~surface.grown(surface.is_face, -0.12))
    fringe = surface.grown(foreign & (high > 0.5), FRINGE_SHADOW) & (high > 0)
    return (foreign | fringe) & ~own


def find_strands(surface: Surface, detail: Floats) -> Array:
    """(side, side) bool: loose hair that hangs before one temple, cheek or side of the forehead.

    Its lines run down the face, where wrinkles run across it, and the other side has none.
    """
    luma = luma_of(detail)
    lines = _hanging_lines(surface, luma)
    busy = surface.soft(lines, STRANDS_AROUND)
    other = busy[:, ::-1]
    across = np.abs((np.arange(surface.size, dtype=np.float32) + 0.5) / surface.size - 0.5)
    # The hairs of a beard hang, too.
    end = FACE_LOWER_HALF if has_beard(surface, luma) else CHEEKS_END
    beside = (across / EYE_DISTANCE_UV > BESIDE) & (surface.heights < end)
    odd = (busy > STRANDS) & (busy > STRANDS_TIMES * other) & beside
    odd &= surface.is_face & ~surface.grown(surface.brows | surface.eyes, 0.05)
    return _reaching(odd, surface.is_face & ~surface.grown(surface.is_face, -0.2))


def _hanging_lines(surface: Surface, luma: Floats) -> Floats:
    """(side, side) log: how clear a thin line, light or dark, runs down through each texel."""
    reach = round(surface.sigma_px(0.13))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    clearest = np.zeros_like(luma)
    for angle in np.radians(LINE_ANGLES):
        off, along = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        thin, wide = surface.sigma_px(0.0105), surface.sigma_px(0.026)
        line = np.exp(-((off / thin) ** 2) / 2) / thin - np.exp(-((off / wide) ** 2) / 2) / wide
        line *= np.exp(-((along / surface.sigma_px(0.052)) ** 2) / 2)
        found = cv2.filter2D(luma, cv2.CV_32F, line / (np.abs(line).sum() / 2))
        clearest = np.maximum(clearest, np.abs(found))
    return np.where(surface.grown(surface.is_face, -0.08), clearest, 0).astype(np.float32)


def has_beard(surface: Surface, luma: Floats) -> bool:
    """``luma`` (side, side) log, less the light."""
    chin = surface.is_face & (surface.heights > 0.78) & (surface.heights < 0.92)
    columns = slice(round(0.42 * surface.size), round(0.58 * surface.size))
    return bool(np.median(luma[:, columns][chin[:, columns]]) < BEARD)


def find_beard(surface: Surface, detail: Floats) -> Array:
    """(side, side) bool: the dark parts of the lower half of a face with a dark chin."""
    luma = wide_blur(luma_of(detail), surface.sigma_px(0.02))
    if not has_beard(surface, luma):
        return np.zeros(luma.shape, bool)
    return surface.is_face & (surface.heights > FACE_LOWER_HALF) & (luma < BEARD)


def find_brows(surface: Surface, detail: Floats) -> Array:
    """(side, side) bool: what is dark where brows are."""
    luma = wide_blur(luma_of(detail), surface.sigma_px(0.02))
    return surface.grown(surface.brows, 0.08) & (luma < BROW)


def find_teeth(surface: Surface, detail: Floats) -> Array:
    """(side, side) bool: beside the mouth opening, brighter and paler than these lips are."""
    soft = wide_blur(detail, surface.sigma_px(0.01))
    luma, redness = luma_of(soft), soft[..., 0] - soft[..., 1]
    lips = surface.lips & ~surface.mouth
    beside = surface.grown(surface.mouth, 0.09) & surface.lips
    brighter = luma - np.median(luma[lips])
    pale = (brighter > TEETH_BRIGHTER) & (redness < np.median(redness[lips]) - TEETH_PALER)
    pale &= beside
    pale |= _reaching(beside & (brighter > TEETH_BESIDE), pale)
    return surface.grown(pale, 0.02) & surface.lips if pale.any() else pale


def glasses_in(surface: Surface, portrait: Portrait) -> tuple[Box, Floats] | None:
    """The part of a photo around a face and how much of it glasses cover (h, w) 0..1, or None."""
    landmarks, topology = portrait.mesh.landmarks_xyz, surface.topology
    pose = pose_of(topology, landmarks)
    plate = read_plate(portrait.picture, landmarks, topology)
    # One photo is as clear as several looks of a film; how sure it must be is decided here.
    found = find_glasses([plate] * SEVERAL, pose.yaw_pitch_roll_deg[0])
    if found is None or found.sure < SURE_OF_GLASSES:
        return None
    points = landmarks[:POINTS, :2]
    low, high = np.floor(points.min(0)) - 8, np.ceil(points.max(0)) + 9
    box = Box(*low.astype(int), *high.astype(int)).clipped(portrait.picture.size_wh)
    pixels, origin = portrait.picture.region(box), np.float32([box.x0, box.y0])
    return box, glasses_cover(found, pose, pixels, origin)


def whole_rims(surface: Surface, detail: Floats, covered: Array) -> Array:
    """(side, side) bool: what is found of the rims, with all that is as dark and part of them."""
    luma = wide_blur(luma_of(detail), surface.sigma_px(0.01))
    reach = surface.grown(covered, THICKEST_RIM) & ~surface.grown(surface.eyes, 0.05)
    dark = (luma < RIM_DARK) & reach & ~surface.grown(surface.brows, 0.03)
    return surface.grown(covered | _reaching(dark, covered), GLASSES_AROUND)


def find_glints(surface: Surface, detail: Floats) -> Array:
    """(side, side) bool: what mirrors in one lens; beside the other eye it looks otherwise."""
    soft = surface.soft(detail, 0.025)
    soft = soft - surface.soft(detail, 0.25)
    off = soft - soft[:, ::-1]
    luma = luma_of(off)
    lens = surface.grown(surface.eyes, 0.3) & ~surface.grown(surface.eyes, 0.02)
    odd = (luma > GLINT[0]) | (off[..., 2] - off[..., 0] > GLINT[1])
    return surface.grown(odd & lens, 0.03)


def _reaching(mask: Array, rim: Array) -> Array:
    """The connected parts of a mask that touch the rim."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8))
    return mask & np.isin(labels, np.unique(labels[rim & mask]))
