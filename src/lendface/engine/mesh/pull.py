"""What lies beyond a beard pulled up to the jaw, under a source's face that has none.

Neck, collar and background are moved, not made: their grain, light and shadows stay the film's
own. What lies just beyond the beard's end comes to lie on the outline; farther out it moves less
and less. Inside the outline the picture is mirrored, for there it shows through the face's soft
edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .. import kernels
from ..geometry import eye_distance_px
from ..pose import Pose
from ..types import Beard, Box, Face, Floats, Hand
from .beard import ALIKE, BEARDED, DARKER, centre_of, rays_of, view_of
from .pixelwise import smoothstep
from .skin import Glance

ENDED = (0.55, 0.75)  # of a beard along the jaw: the rest would stay as a remnant
TURNED_DEG = (35.0, 48.0)  # to the side: there the far side of the outline is a guess
TIPPED_DEG = (18.0, 28.0)  # up or down
LONGEST = (0.52, 0.65)  # eye distances: what is pulled so far is stretched visibly
REACH = (0.35, 1.6)  # eye distances, and times the pull, from the outline to where it ends
POWER = 1.3  # of the curve by which a pull gets less
ROOM = ((0.05, 1.35), (0.15, 1.6))  # the same, for the least and for enough picture beyond the jaw
FITTING = (0.72, 0.95)  # of the pull that has that room: it fades before a chin has none left
HAND_NEAR = (0.10, 0.35)  # eye distances from a hand to the jaw
FREE = (0.35, 0.75)  # of the pull, away from hands: a beard that shows beside one must not be half
AT_JAW = np.float32([-0.2, -0.1, 0, 0.1])  # eye distances out from the outline
INSIDE, MIRRORED = 0.22, 1.4  # eye distances; a pixel inside shows one so much farther out
MIRRORS_FROM = 0.06  # eye distances of pull
SHADE, SHADE_REACH, SHADE_PULL = -0.16, 0.30, 0.15  # log luma under the chin, which a beard hides
UNDER = 0.80  # cosine to the way down from which a chin throws it
LEAST_PULL = 0.01  # eye distances; less is none
TURNS = 160  # rays
CURVE = (1 - np.linspace(0, 1, 65, dtype=np.float32)) ** np.float32(POWER)
OFF_TONE = 5.0  # log; farther off than any skin could be


@dataclass(frozen=True, eq=False)
class Pull:
    """How the picture around one face is pulled."""

    goes_to: Floats  # (n, 2) pixels of the frame to which anything changes
    rays: Floats  # (TURNS, 5) see ``kernels.pull.lay_ways``
    place: Floats  # (6,) the same, in pixels of the frame
    inside: Floats  # (3,)

    def ways(self, box: Box, cell: int) -> tuple[Floats, Floats]:
        """(gh, gw, 2) pixels from each cell of a box to what it shows, and (gh, gw) log shade."""
        size = (-(-box.height // cell), -(-box.width // cell))
        way, shade = np.empty((*size, 2), np.float32), np.empty(size, np.float32)
        place = self.place.copy()
        place[:2] -= box[:2]
        kernels.pull.lay_ways(self.rays, place, CURVE, self.inside, cell, way, shade)
        return way, shade


def share_of(beard: Beard | None, source_depth: float) -> float:
    """0..1: whether a person's beard goes, because the source has none, or one far lighter.

    ``source_depth`` is that of ``beard.depth_of_source``.
    """
    if beard is None:
        return 0.0
    worn = smoothstep(beard.depth, *BEARDED)
    return float(worn * smoothstep(beard.depth - source_depth, *DARKER))


def reach_in(beard: Beard, view: Floats) -> tuple[Floats, float]:
    """(41,) eye distances by which a beard reaches out in a view (3,), and 0..1 the share of it
    whose end is seen: the mean over all views that are known, by how alike they are.

    Views change smoothly, and so does it.
    """
    off = (((beard.views - view) / ALIKE) ** 2).sum(1)
    weight = np.exp(-0.5 * (off - off.min()))
    weight /= weight.sum()
    return (weight @ beard.reaches).astype(np.float32), float(weight @ beard.ended)


def pulls_for(
    beard: Beard, face: Face, pose: Pose, size_wh: tuple[int, int]
) -> tuple[Floats, float]:
    """(41,) eye distances by which the picture is pulled at each ray, and 0..1 how much of the
    beard that takes away; ``pose`` is the face's, ``size_wh`` the picture's.

    It fades before anything goes wrong: in turned and tipped heads, with long beards, where a hand
    holds the jaw, and where there is not picture enough between the beard and the frame's edge.
    """
    view = view_of(pose, face.landmarks_xyz)
    reach, ended = reach_in(beard, view)
    share = smoothstep(ended, *ENDED)
    for value, limits in ((abs(view[0]), TURNED_DEG), (abs(view[1]), TIPPED_DEG)):
        share *= 1 - smoothstep(value, *limits)
    share *= 1 - smoothstep(np.sort(reach)[-4], *LONGEST)
    if face.hands:
        clear = (reach * _clear_of(face.hands, face.landmarks_xyz)).sum()
        share *= smoothstep(float(clear) / max(float(reach.sum()), 1e-6), *FREE)
    share = float(share)
    if share <= 0:
        return np.zeros_like(reach), 0.0
    eye_px = eye_distance_px(face.landmarks_xyz)
    room = _room_of(face.landmarks_xyz[:, :2], size_wh, eye_px)
    (least, times), (enough, enough_times) = ROOM
    lacks = enough + enough_times * reach - room
    fits = 1 - smoothstep(lacks / (enough - least + (enough_times - times) * reach), 0, 1)
    # Where the jaw itself lies outside of the picture there is nothing to pull.
    weight = reach * smoothstep(room, 0, 0.05)
    share *= float(smoothstep((weight * fits).sum() / max(float(weight.sum()), 1e-6), *FITTING))
    return (share * reach).astype(np.float32), share


def _clear_of(hands: tuple[Hand, ...], landmarks_xyz: Floats) -> Floats:
    """(41,) 0..1 how far each ray's place on the jaw is from all hands."""
    outline, away = rays_of(landmarks_xyz[:, :2])
    eye_px = eye_distance_px(landmarks_xyz)
    places = outline + (eye_px * AT_JAW)[:, None, None] * away
    points = np.concatenate([hand.points_xy for hand in hands])
    off = np.linalg.norm(places[:, :, None] - points, axis=-1).min((0, 2))
    return smoothstep(off / max(eye_px, 1e-6), *HAND_NEAR)


def _room_of(points_xy: Floats, size_wh: tuple[int, int], eye_px: float) -> Floats:
    """(41,) eye distances from the outline to the picture's edge; below 0 outside of it."""
    outline, away = rays_of(points_xy)
    last = np.float32(size_wh) - 1
    ahead = np.where(away > 0, last - outline, -outline)
    steps = ahead / np.where(np.abs(away) < 1e-3, np.copysign(1e-3, away), away)
    is_in = ((outline >= 0) & (outline <= last)).all(1)
    return np.where(is_in, steps.min(1), -1).astype(np.float32) / eye_px


def pull_around(
    points_xy: Floats, pulls: Floats, size_wh: tuple[int, int], eye_px: float
) -> Pull | None:
    """The pull towards an outline of points (468, 2), pixels of the frame.

    ``pulls`` (41,) eye distances, see ``pulls_for``; None where they are nothing.
    """
    if pulls.max() <= LEAST_PULL:
        return None
    outline, away = rays_of(points_xy)
    centre, down = centre_of(points_xy), points_xy[152] - points_xy[168]
    down = down / max(float(np.linalg.norm(down)), 1e-6)
    room = np.maximum(_room_of(points_xy, size_wh, eye_px), ROOM[0][0] + ROOM[0][1] * pulls)
    reach = np.minimum(REACH[0] + REACH[1] * pulls, room)
    under = np.clip((away @ down - UNDER) / (1 - UNDER), 0, 1)
    rays = np.stack(
        [
            np.linalg.norm(outline - centre, axis=1),
            eye_px * pulls,
            eye_px * reach,
            smoothstep(pulls, 0, MIRRORS_FROM),
            SHADE * under * np.minimum(pulls / SHADE_PULL, 1),
        ],
        axis=1,
    )
    turns = _turns_of(outline - centre, down)
    even = np.linspace(turns[0], turns[-1], TURNS)
    by_turn = np.stack([np.interp(even, turns, column) for column in rays.T], 1)
    goes = pulls > 0.3 * LEAST_PULL
    return Pull(
        goes_to=(outline + ((reach + 0.03) * eye_px)[:, None] * away)[goes],
        rays=np.ascontiguousarray(by_turn, np.float32),
        place=np.float32([*centre, *down, even[0], even[1] - even[0]]),
        inside=np.float32([INSIDE * eye_px, MIRRORED, SHADE_REACH * eye_px]),
    )


def _turns_of(ways: Floats, down: Floats) -> Floats:
    """(n,) growing: the turns, see ``kernels.pull.turn_of``, of ways (n, 2) from ear to ear."""
    ahead, aside = ways @ down, ways[:, 1] * down[0] - ways[:, 0] * down[1]
    total = np.maximum(np.abs(ahead) + np.abs(aside), 1e-6)
    rest = np.copysign(2 - np.abs(aside) / total, aside)
    turns = np.where(ahead >= 0, aside / total, rest)
    return np.maximum.accumulate(turns + 1e-4 * np.arange(len(turns)))


def set_pulled_apart(glance: Glance, way: Floats, cell: int, inner: tuple[slice, slice]) -> None:
    """Where the picture is pulled, a glance's ``own`` colours become those of no skin.

    What is under the rim there, beard or neck, is no measure of the face's tone. ``way`` is on
    cells of ``cell`` pixels, in which the face lies at ``inner``.
    """
    top, left = (part.start for part in inner)
    kernels.pull.set_apart(glance.own, way, cell, glance.step, top, left, np.float32(OFF_TONE))


def taken_along(covered: Floats, way: Floats, cell: int) -> Floats:
    """(h, w) 0..1: what is covered, and what would show something that covers (h, w)."""
    size = covered.shape[1::-1]
    full = cv2.resize(way, (way.shape[1] * cell, way.shape[0] * cell))[: size[1], : size[0]]
    places = full + np.dstack(np.meshgrid(*map(np.arange, size))).astype(np.float32)
    there = cv2.remap(covered, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.maximum(covered, there)
