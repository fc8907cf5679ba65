"""How far bare skin goes on above the mesh, whose upper outline crosses most foreheads.

The upper outline is moved up, in the photos and in the film alike, to where the skin ends, so that
the swap has no edge across a bare forehead. Where hair or a hat begins at once nothing moves.

A strip of the picture along the upper outline is read from calm looks of a person; its median over
them tells column by column where the picture stops being like the skin inside the mesh.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from ..beyond import shown_part, value_at
from ..geometry import crop_of, eye_distance_px, invert, move_landmarks, next_face_roi
from ..pose import Pose
from ..types import Array, Floats, Picture, Portrait
from .light import to_log
from .pixelwise import luma_of
from .shape import pose_of
from .topology import Topology

UPPER_OUTLINE = (21, 54, 103, 67, 109, 10, 338, 297, 332, 284, 251)  # from temple to temple
MOST = np.float32([0.09, 0.22, 0.30, 0.30, 0.30, 0.30, 0.30, 0.30, 0.30, 0.22, 0.09])
NONE = np.zeros(len(UPPER_OUTLINE), np.float32)

CROP_PX = 128  # as the appearance's
LOWEST, HIGHEST, STEP = -0.24, 0.44, 0.02  # eye distances above the outline
HEIGHTS = np.arange(LOWEST, HIGHEST + STEP / 2, STEP, dtype=np.float32)
BETWEEN = 4  # columns from one point of the outline to the next
COLUMNS = BETWEEN * (len(UPPER_OUTLINE) - 1) + 1
MIDDLE = slice(3 * BETWEEN, 7 * BETWEEN + 1)  # columns between the points 67 and 297
INSIDE = HEIGHTS < -0.03  # rows that show skin, if any do
SEARCHED = HEIGHTS > -0.12
SOFT, FINE = 0.012, 0.03  # eye distances, sigmas: of what is compared, and below what is fine

# Where the skin ends, by trials on 8 pairs of films and photos:
DARKER, BRIGHTER = -0.25, 0.6  # log luma, hair and hats
SLOPE = 0.35  # log luma; a column farther off the middle is judged by the middle
LIT = (
    -0.1
)  # log luma; a column that is not darker than the middle may differ in colour by its light
OTHER_COLOUR, COLOUR_OF_LIGHT = 0.14, 0.5  # log; a highlight is paler than the skin beside it
FINER, FINER_FLOOR = 2.2, 0.006  # times the skin's fine detail: strands
MARGIN = 0.07  # eye distances that stay free below the end
TURNED_DEG = 25.0  # yaw; what is turned farther shows one side too narrow


def read_strip(picture: Picture, landmarks_xyz: Floats, topology: Topology) -> Array:
    """(len(HEIGHTS), COLUMNS, 4) float16: log RGB and the share of fine detail along the upper
    outline of one face (>= 468, 3), the lowest row first; NaN beyond the picture."""
    crop_to_frame = crop_of(next_face_roi(landmarks_xyz), CROP_PX)
    crop = picture.warped(crop_to_frame, CROP_PX).astype(np.float32)
    points = move_landmarks(landmarks_xyz, invert(crop_to_frame))
    shown = shown_part(crop_to_frame, CROP_PX, picture.size_wh)
    at = _places(topology, points)
    eye_px = eye_distance_px(points)
    soft = cv2.GaussianBlur(crop, (0, 0), max(0.3, SOFT * eye_px))
    colours = to_log(cv2.remap(soft, at, None, cv2.INTER_LINEAR))
    fine = np.abs(luma_of(crop - cv2.GaussianBlur(crop, (0, 0), max(0.8, FINE * eye_px))))
    fine = cv2.remap(cv2.blur(fine, (3, 3)), at, None, cv2.INTER_LINEAR)
    strip = np.dstack([colours, fine / np.maximum(np.exp(luma_of(colours)), 1)])
    inside = (at >= 0).all(-1) & (at <= CROP_PX - 1).all(-1)
    if shown is not None:
        inside &= value_at(shown, at[..., 0], at[..., 1])
    strip[~inside] = np.nan
    return strip.astype(np.float16)


def _places(topology: Topology, landmarks_xyz: Floats) -> Floats:
    """(len(HEIGHTS), COLUMNS, 2): where the strip lies in the landmarks' picture."""
    pose, outline = pose_of(topology, landmarks_xyz), landmarks_xyz[list(UPPER_OUTLINE), :2]
    columns, known = np.linspace(0, len(outline) - 1, COLUMNS), np.arange(len(outline))
    ring = np.stack([np.interp(columns, known, outline[:, k]) for k in (0, 1)], -1)
    up = pose.turned(_up(topology)[None])[0, :2]
    return (ring + HEIGHTS[:, None, None] * up).astype(np.float32)


@lru_cache(maxsize=2)
def _up(topology: Topology) -> Floats:
    """(3,) centimetres: one eye distance up a forehead, as seen from the front."""
    way = topology.vertices[10] - topology.vertices[151]
    return way / np.linalg.norm(way[:2]) * eye_distance_px(topology.vertices[:, :2])


def forehead_heights(strips: Sequence[Array]) -> Floats:
    """(11,) eye distances, 0..0.3: how far each point of the upper outline may move up.

    ``strips`` are what ``read_strip`` gave of one person; none of them: 0.
    """
    if not strips:
        return NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a place that no strip shows stays NaN
        strip = np.nanmedian(np.stack(strips).astype(np.float32), axis=0)
        ended = _is_no_skin(strip) & SEARCHED[:, None]
    first = np.where(ended.any(0), HEIGHTS[ended.argmax(0)], HIGHEST)
    free = np.clip(first - MARGIN, 0, MOST.max()).astype(np.float32)
    free = cv2.GaussianBlur(cv2.erode(free[None], np.ones((1, 5), np.uint8)), (0, 0), 2)[0]
    return np.minimum(free[::BETWEEN], MOST)


def _is_no_skin(strip: Floats) -> Array:
    """(rows, columns) bool of a strip (rows, columns, 4); called where NaN may be compared."""
    luma, fine = luma_of(strip[..., :3]), strip[..., 3]
    colour = np.stack([strip[..., 0] - strip[..., 1], strip[..., 1] - strip[..., 2]], -1)
    of_column = np.nanmedian(luma[INSIDE], axis=0)
    of_middle = np.nanmedian(of_column[MIDDLE])
    is_near = np.abs(of_column - of_middle) < SLOPE  # light falls off along a forehead
    lighter = luma - np.where(is_near, of_column, of_middle)
    usual = np.nanmedian(colour[INSIDE][:, MIDDLE], axis=(0, 1))
    off = np.abs(colour - usual).max(-1)
    off_column = np.abs(colour - np.nanmedian(colour[INSIDE], axis=0)).max(-1)
    off = np.where(of_column - of_middle > LIT, np.minimum(off, off_column), off)
    usual_fine = np.nanmedian(fine[INSIDE][:, MIDDLE])
    return (
        np.isnan(luma)
        | (lighter < DARKER)
        | (lighter > BRIGHTER)
        | (off > OTHER_COLOUR + COLOUR_OF_LIGHT * np.clip(lighter, 0, BRIGHTER))
        | (fine > FINER * usual_fine + FINER_FLOOR)
    )


def forehead_of(topology: Topology, portrait: Portrait) -> Floats:
    """(11,) eye distances: the same of a single photo; 0 where the face is turned away."""
    landmarks = portrait.mesh.landmarks_xyz
    if abs(pose_of(topology, landmarks).yaw_pitch_roll_deg[0]) > TURNED_DEG:
        return NONE
    return forehead_heights([read_strip(portrait.picture, landmarks, topology)])


def raised(topology: Topology, points_xyz: Floats, pose: Pose, heights: Floats) -> Floats:
    """The points (>= 468, 3) of a face with its upper outline moved up by (11,) eye distances.

    ``pose`` is that of the points as they were found: the outline takes part in it.
    """
    if not heights.any():
        return points_xyz
    moved = points_xyz.copy()
    moved[list(UPPER_OUTLINE)] += pose.turned(heights[:, None] * _up(topology))
    return moved
