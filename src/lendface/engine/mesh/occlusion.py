"""What lies in front of a face: hands first, then hair and whatever else is not its skin."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import cv2
import numpy as np

from .. import kernels
from ..pose import Pose
from ..types import Appearance, Face, Floats, Glasses, Hand
from .appearance import strange_places
from .glasses import glasses_cover
from .pixelwise import averaged, luma_of, smoothstep
from .topology import POINTS, Topology

PALM = (0, 1, 2, 5, 9, 13, 17)
FINGERS = ((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (17, 18, 19, 20))
STROKE = 0.38  # of the palm's width; a finger half missed shows more than a rim of skin kept
HEEL = 1.1  # of the same: the palm below the fingers, and the wrist
WRIST = 0.6  # of the palm's length, how far the arm goes on behind the wrist
EDGE_RADIUS = 0.10  # eye distances
EDGE_EPS = 0.0006  # of squared brightness 0..1; smaller follows weaker edges
HAIR_DARKER = (0.30, 0.65)  # log luma below the light of the skin
HAIR_BRIGHTER = (0.65, 1.00)
FOREHEAD = (0.20, 0.32)  # above the eyes, in eye-to-chin heights
BESIDE, BESIDE_FROM = (0.30, 0.38), (-0.50, -0.35)  # off the middle, texture; and how high
HAIR = np.float32([HAIR_DARKER, HAIR_BRIGHTER, FOREHEAD, BESIDE, BESIDE_FROM])
KNOWN_DEG = 44.0  # farther turned than the looks that taught the appearance: all is strange
THING_RADIUS = 0.07  # eye distances
TEXEL_SHARE = 0.055  # of the eye distance: the radius that a strange texel stands for
EYES, CHIN = np.float32(0.381), np.float32(0.954)  # of the canonical texture


@dataclass(frozen=True, eq=False)
class Occluders:
    """Finds what is before one person's face, with the help of what the scan learnt of them."""

    topology: Topology
    appearance: Appearance | None
    glasses: Glasses | None

    def cover(
        self, face: Face, pose: Pose, target: Floats, origin: Floats, eye_px: float
    ) -> Floats | None:
        """(h, w) 0..1: pixels of ``target`` (h, w, 3) RGB that stay as they are; None: not one.

        ``origin`` (2,) is the corner of ``target`` in the frame, ``pose`` the face's. Hair is
        another matter, see ``hair_cover``.
        """
        hands = hands_cover(face.hands, target, origin, eye_px)
        covers = [hands] if face.hands else []
        if self.appearance is not None and abs(pose.yaw_pitch_roll_deg[0]) < KNOWN_DEG:
            points = face.landmarks_xyz[:POINTS] - np.float32([*origin, 0])
            places = strange_places(self.appearance, target, points, self.topology, hands)
            if len(places):
                covers.append(things_cover(places, target, eye_px))
        if self.glasses is not None:
            covers.append(glasses_cover(self.glasses, pose, target, origin))
        return 1 - reduce(np.multiply, [1 - cover for cover in covers]) if covers else None


def things_cover(places: Floats, target: Floats, eye_px: float) -> Floats:
    """(h, w) 0..1: what lies at strange texels (n, 2), pixels, up to the picture's own edges."""
    drawn = np.zeros(target.shape[:2], np.uint8)
    if not len(places):
        return drawn.astype(np.float32)
    width = max(1, round(TEXEL_SHARE * eye_px))
    for point in np.rint(places * 16).astype(np.int32):
        cv2.circle(drawn, point.tolist(), width * 16, 1, cv2.FILLED, cv2.LINE_8, 4)
    radius = max(2, round(THING_RADIUS * eye_px))
    guided = _guided(luma_of(target) / 255, drawn.astype(np.float32), radius)
    return smoothstep(guided, 0.25, 0.75)


def hands_cover(hands: tuple[Hand, ...], target: Floats, origin: Floats, eye_px: float) -> Floats:
    """(h, w) 0..1: pixels of ``target`` (h, w, 3) RGB that show a hand.

    The skeleton is drawn as thick strokes, then a guided filter (He 2010) lets its edge snap to
    the picture's. ``origin`` (2,) is the patch's corner in the frame.
    """
    drawn = np.zeros(target.shape[:2], np.uint8)
    for hand in hands:
        _draw_hand(drawn, hand.points_xy - origin)
    if not drawn.any():
        return drawn.astype(np.float32)
    luma = luma_of(target) / 255
    radius = max(2, round(EDGE_RADIUS * eye_px))
    return smoothstep(_guided(luma, drawn.astype(np.float32), radius), 0.25, 0.75)


def hair_cover(luma: Floats, uv: Floats, eye_px: float, step: int = 1) -> Floats:
    """(h, w) 0..1: fringe, curls, a scarf or a hat on forehead, temples and cheeks.

    There, and only there, a pixel far from the skin's light counts as covered: elsewhere it may
    be a brow, a shadow or a beard. ``luma`` (h, w) is how far off its light the target is, log, at
    every ``step``-th pixel, ``uv`` (h, w, 2) the texture places there.
    """
    difference = averaged(luma, _odd(0.04 * eye_px), step)
    strange = np.empty_like(difference)
    kernels.look.tell_hair(difference, uv, EYES, CHIN, HAIR, strange)
    softened = (step**2 - 1) / step**2 / 6  # by going back to all pixels
    return averaged(strange, _odd(0.03 * eye_px), step, softened)


def _draw_hand(mask: Floats, points_xy: Floats) -> None:
    palm_width = float(np.linalg.norm(points_xy[5] - points_xy[17]))
    length = float(np.linalg.norm(points_xy[9] - points_xy[0]))
    # A hand seen from the side has a narrow palm, but its fingers are no thinner for that.
    breadth = max(palm_width, 0.55 * length, 1.0)
    width = max(1, round(STROKE * breadth))
    points = np.rint(points_xy).astype(np.int32)
    cv2.fillConvexPoly(mask, cv2.convexHull(points[list(PALM)]), 1)
    for finger in FINGERS:
        cv2.polylines(mask, [points[list(finger)]], False, 1, width)
    cv2.polylines(mask, [points[list(PALM)]], True, 1, width)
    middle = points_xy[list(PALM)].mean(0)
    stub = np.rint(points_xy[0] + WRIST * (points_xy[0] - middle)).astype(np.int32)
    start = np.rint(middle).astype(int).tolist()
    cv2.line(mask, start, stub.tolist(), 1, max(1, round(HEEL * breadth)))


def _guided(guide: Floats, mask: Floats, radius: int) -> Floats:
    size = (2 * radius + 1, 2 * radius + 1)
    mean, mean_mask = cv2.blur(guide, size), cv2.blur(mask, size)
    cross = cv2.blur(guide * mask, size) - mean * mean_mask
    spread = cv2.blur(guide * guide, size) - mean * mean
    slope = cross / (spread + EDGE_EPS)
    shift = mean_mask - slope * mean
    return np.clip(cv2.blur(slope, size) * guide + cv2.blur(shift, size), 0, 1)


def _odd(size: float) -> int:
    return 2 * int(size / 2) + 1
