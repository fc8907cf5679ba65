"""A beard that grows beyond the face's outline: whether there is one, and where it ends.

The mesh ends at the jaw, the hair does not. Brightness is read along rays that leave the outline
from ear to ear. Behind dark hair comes a step up to the skin of the neck, a collar or what is
behind the head; half-way up that step the beard ends. Where a face nods, turns or opens its mouth
that lies elsewhere, so it is kept for several views of a person, in eye distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry import crop_of, eye_distance_px, invert, move_points, next_face_roi
from ..pose import Pose
from ..types import Appearance, Array, Beard, Floats, Picture, SourceFace
from .appearance import read
from .light import LOG_OFFSET, LightMeter, to_log
from .pixelwise import LUMA, luma_of, smoothstep
from .shape import pose_of
from .surface import Surface
from .texture import surface_of
from .topology import OVAL, Topology

JAW = list(OVAL[8:29])  # the outline from ear to ear, by the chin
RAYS = 41
LOWEST, HIGHEST, STEP = -0.10, 0.95, 0.025  # eye distances out from the outline that are read
HEIGHTS = np.arange(LOWEST, HIGHEST + 1e-6, STEP, dtype=np.float32)  # (43,)
CROP_PX, CROP_WIDER = 144, 1.6  # the landmarker's crop ends too near the chin
LIPS_MIDDLE = (13, 14)
ALIKE = np.float32([8.0, 6.0, 0.08])  # yaw and pitch in degrees, mouth opening in eye distances
TOGETHER = 9  # views whose median is taken, so that a passing thing does not count
DARKEST_TO = 0.20  # eye distances out; farther out a dark row is a collar
ENDS_TO = 0.80
IS_HAIR = (0.18, 0.34)  # log luma below the light of the skin
LEAST_STEP = 0.35  # log luma between a beard and what is beyond it
SOFT_EDGE = 0.07  # eye distances from half-way up that step to nearly all the way
BEYOND = 0.07  # eye distances farther out: there single hairs end
FADES_AT_EARS = (0.03, 0.16)  # of the way along the jaw: there it is the hair of the head
FINE = 0.06  # eye distances: the sigma of a blur that leaves no strand
UNEVEN = (1.0, 1.6)  # times as uneven as the cheeks
REDDER = (0.16, 0.30)  # log red over blue, against the cheeks
# Eye distances that a beard may reach out, by the way along the jaw: what is dark beside a cheek
# for longer is a dark background.
MOST = ((0.0, 0.15, 0.30, 0.50, 0.70, 0.85, 1.0), (0.15, 0.25, 0.40, 0.80, 0.40, 0.25, 0.15))
MOST_VIEWS = 24
LEAST_VIEWS = 4
# How dark hair makes chin and jaw, see ``depth_of``. Of about 240 portraits 12 had 0.20 or more,
# all of men, most with a beard to be seen, and no woman more than 0.19.
BEARDED = (0.18, 0.28)  # darker than the cheeks
DARKER = (0.12, 0.24)  # ... and than the source's


@dataclass(frozen=True, slots=True, eq=False)
class JawLook:
    """What one frame shows along the rays."""

    view: Floats  # (3,) see ``view_of``
    luma: Array  # (43, 41) log, off the light on the skin; NaN off the picture; half floats


def rays_of(points_xy: Floats) -> tuple[Floats, Floats]:
    """(41, 2) places on the outline from ear to ear, pixels, and (41, 2) unit ways out there.

    All lead away from one point of the forehead (``centre_of``).
    """
    at = np.linspace(0, len(JAW) - 1, RAYS)
    corners = points_xy[JAW]
    outline = np.stack([np.interp(at, range(len(JAW)), corners[:, k]) for k in (0, 1)], 1)
    soft = np.pad(outline, ((1, 1), (0, 0)), mode="edge")
    outline = (soft[:-2] + 2 * soft[1:-1] + soft[2:]) / 4  # the outline has corners, a jaw has none
    away = outline - centre_of(points_xy)
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
    return outline.astype(np.float32), away.astype(np.float32)


def centre_of(points_xy: Floats) -> Floats:
    """(2,) pixels: the middle of the forehead, below what may be raised for painting."""
    return (points_xy[168] + points_xy[151]) / 2


def view_of(pose: Pose, landmarks_xyz: Floats) -> Floats:
    """(3,) yaw and pitch in degrees, and how far the mouth is open, eye distances."""
    yaw, pitch, _ = pose.yaw_pitch_roll_deg
    upper, lower = landmarks_xyz[list(LIPS_MIDDLE)]
    gap = float(np.linalg.norm(upper - lower)) / max(eye_distance_px(landmarks_xyz), 1e-6)
    return np.float32([yaw, pitch, gap])


def read_jaw(picture: Picture, landmarks_xyz: Floats, light: Floats, topology: Topology) -> JawLook:
    """``light`` (g, g, 3) log, over the texture square."""
    roi = next_face_roi(landmarks_xyz)
    crop_to_frame = crop_of(roi._replace(side=CROP_WIDER * roi.side), CROP_PX)
    outline, away = rays_of(landmarks_xyz[:, :2])
    reach = eye_distance_px(landmarks_xyz) * HEIGHTS[:, None, None]
    places = outline + reach * away
    width, height = picture.size_wh
    x, y = places[..., 0], places[..., 1]
    is_off = (x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)
    at = move_points(places, invert(crop_to_frame))
    crop = picture.warped_gray(crop_to_frame, CROP_PX)
    luma = cv2.remap(crop, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    shown = np.log(luma.astype(np.float32) + LOG_OFFSET) - _light_at_jaw(light, topology)
    shown[is_off] = np.nan
    view = view_of(pose_of(topology, landmarks_xyz), landmarks_xyz)
    return JawLook(view, shown.astype(np.float16))


def _light_at_jaw(light: Floats, topology: Topology) -> Floats:
    """(41,) log luma of the light on the skin a little inside the outline."""
    uv = topology.uv
    at = (0.85 * uv[JAW] + 0.15 * uv[4]) * light.shape[0] - 0.5
    grid = (light @ LUMA).astype(np.float32)
    places = np.ascontiguousarray(at[:, None], np.float32)
    values = cv2.remap(grid, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.interp(np.linspace(0, len(JAW) - 1, RAYS), range(len(JAW)), values[:, 0])


def depth_of(topology: Topology, appearance: Appearance | None) -> float:
    """How much darker than the cheeks hair makes chin and jaw of a person, log luma; 0: no hair."""
    if appearance is None:
        return 0.0
    return _depth_in(topology, appearance.middle.astype(np.float32))


def depth_of_source(topology: Topology, source: SourceFace) -> float:
    """The same in a source's photos; the mean."""
    readings = [read(p.picture, p.mesh.landmarks_xyz, topology) for p in source.portraits]
    colours = [to_log(reading.colours.astype(np.float32)) for reading in readings]
    return float(np.mean([_depth_in(topology, each) for each in colours]))


def _depth_in(topology: Topology, colours: Floats) -> float:
    """``colours`` (side, side, 3) log, over the texture square.

    Chin and jaw must both be dark, for long hair hangs beside a jaw only. A shadow is as smooth as
    skin and makes it redder, hair is neither.
    """
    surface = surface_of(topology, colours.shape[0])
    detail = LightMeter(topology).detail_of(colours)
    luma, redness = luma_of(detail), detail[..., 0] - detail[..., 2]
    fine = np.abs(luma - surface.soft(luma, FINE))
    chin, jaw, cheeks = _places_of_a_beard(surface)
    darker = np.median(luma[cheeks]) - max(np.median(luma[chin]), np.median(luma[jaw]))
    redder = np.median(redness[chin]) - np.median(redness[cheeks])
    uneven = np.median(fine[chin]) / max(float(np.median(fine[cheeks])), 1e-3)
    is_hair = smoothstep(uneven, *UNEVEN) * (1 - smoothstep(redder, *REDDER))
    return float(max(darker, 0.0) * is_hair)


def _places_of_a_beard(surface: Surface) -> tuple[Array, Array, Array]:
    """(side, side) bool each: the chin, the jaw on both sides, and the cheeks."""
    heights = surface.heights
    inside = surface.grown(surface.polygon(OVAL), -0.04) & ~surface.grown(surface.lips, 0.10)
    aside = np.abs((np.arange(surface.size) + 0.5) / surface.size - 0.5)[None]
    chin = inside & (heights > 0.72) & (aside < 0.16)
    jaw = inside & (heights > 0.45) & (aside > 0.22)
    return chin, jaw, surface.skin & surface.is_face & (heights > 0.1) & (heights < 0.4)


def learn_beard(looks: Sequence[JawLook], depth: float) -> Beard | None:
    """Where the beard of a person ends; None where the usual look shows none.

    ``depth`` is that of ``depth_of``.
    """
    if depth <= BEARDED[0] or len(looks) < LEAST_VIEWS:
        return None
    kept = np.linspace(0, len(looks) - 1, min(len(looks), MOST_VIEWS)).round().astype(int)
    views = np.stack([look.view for look in looks])
    straps = np.stack([look.luma for look in looks]).astype(np.float32)
    found = []
    for k in kept:
        near = np.argsort((((views - views[k]) / ALIKE) ** 2).sum(1), kind="stable")[:TOGETHER]
        found.append(_settled(*_ends_in(_median(straps[near]))))
    reaches, ended = zip(*found, strict=True)
    half = np.float16
    return Beard(views[kept].astype(half), half(np.stack(reaches)), half(ended), depth)


def _median(straps: Floats) -> Floats:
    """(43, 41) of (n, 43, 41), NaN only where all are."""
    is_off = np.isnan(straps).all(0)
    middle = np.nanmedian(np.where(is_off, 0, straps), axis=0)
    middle[is_off] = np.nan
    return middle


def _ends_in(luma: Floats) -> tuple[Floats, Floats]:
    """(41,) eye distances out to where hair ends, NaN where it does not; (41,) 0..1 if it is hair.

    ``luma`` (43, 41) log, off the light on the skin.
    """
    is_off = np.isnan(luma)
    luma = cv2.blur(np.where(is_off, -9, luma).astype(np.float32), (1, 3))
    near = HEIGHTS < DARKEST_TO
    darkest = np.argmin(np.where(near[:, None] & (luma > -5), luma, np.inf), axis=0)
    columns = np.arange(RAYS)
    hair = luma[darkest, columns]
    is_behind = (np.arange(len(HEIGHTS))[:, None] >= darkest) & (HEIGHTS < ENDS_TO)[:, None]
    is_behind &= luma > -5
    top = np.minimum(np.where(is_behind, luma, -np.inf).max(0), 0)
    step = top - hair
    half, most = (is_behind & (luma > hair + part * step) for part in (0.5, 0.8))
    has_end = half.any(0) & (step >= LEAST_STEP)
    # A soft edge goes on past its half, but a second step behind is another thing's.
    ends = HEIGHTS[half.argmax(0)]
    ends = ends + np.clip(HEIGHTS[most.argmax(0)] - ends, 0, SOFT_EDGE)
    ends = np.where(has_end, ends, np.nan)
    return ends.astype(np.float32), smoothstep(-hair, *IS_HAIR)


def _settled(ends: Floats, is_hair: Floats) -> tuple[Floats, float]:
    """(41,) eye distances by which the beard reaches out, smooth along the jaw and 0 at the ears;
    and 0..1 the share of the hair along the jaw of which the end is seen."""
    middle = slice(RAYS // 6, RAYS - RAYS // 6)
    is_known = ~np.isnan(ends)
    hair = float(is_hair[middle].sum())
    ended = float((is_hair * is_known)[middle].sum()) / max(hair, 1e-6)
    if hair < 1 or is_known.sum() < RAYS // 4:
        return np.zeros(RAYS, np.float32), 0.0
    every = np.arange(RAYS)
    filled = np.interp(every, every[is_known], ends[is_known])
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(filled, 2, mode="edge"), 5)
    reach = np.maximum(np.median(windows, axis=1), 0) + BEYOND
    along = np.linspace(0, 1, RAYS)
    reach = np.minimum(reach, np.interp(along, *MOST))
    reach *= is_hair * smoothstep(np.minimum(along, 1 - along), *FADES_AT_EARS)
    soft = cv2.GaussianBlur(reach[None].astype(np.float32), (0, 0), 1.5)
    return soft[0], ended
