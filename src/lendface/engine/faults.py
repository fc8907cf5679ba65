"""What a source photo does not show well of a face, in words for whoever chose it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .beyond import is_within
from .geometry import crop_of, invert, move_landmarks, next_face_roi
from .mesh.gaps import EDGE_PX, features_of, find_cover, unseen_features
from .mesh.light import to_log
from .mesh.pixelwise import luma_of
from .mesh.shape import pose_of
from .mesh.surface import Surface
from .mesh.texture import surface_of, unwrap
from .mesh.topology import OVAL, POINTS, Topology
from .types import Array, Floats, Portrait

SIDE = 128  # texels; enough to tell what is hidden
LEAST = 0.02  # of the face's surface; less is the fringe of its outline
MISSED = 0.5  # of a part that is named
MISSED_BESIDE = 0.75  # ... where a whole side is, with half of all that lies in the middle
TURNED_DEG = 40.0  # farther turned, a photo hardly shows more than one half
CROP_PX = 256  # of one and a half faces
BLURRED = 0.35  # 160 portraits have 0.37 and more; blurred by a 270th of the face's height, 0.34
SIDES = ("left side", "right side")  # as the photo shows them


@dataclass(frozen=True)
class Faults:
    """What is wrong with a photo; empty, 0 or False where nothing is."""

    cut: tuple[str, ...] = ()  # parts of the face that lie outside of the photo
    covered: tuple[str, ...] = ()  # parts before which a hand, a mask or dark glasses are
    kept: tuple[str, ...] = ()  # features that it shows on neither half of the face
    turned_deg: float = 0.0
    is_blurred: bool = False

    def told(self, name: str) -> list[str]:
        """A sentence for each fault; ``name`` is what the user calls the photo."""
        face = f"the face in {name} is"
        filled = "what is missing is filled from the rest of the face"
        if self.kept:
            filled += f", but {_listed(self.kept)} the target's own"
        told = []
        if self.cut:
            told.append(f"{face} cut: the photo ends before the {_and(self.cut)}; {filled}")
        if self.covered:
            told.append(f"{face} covered: something is before the {_and(self.covered)}; {filled}")
        if self.turned_deg:
            told.append(
                f"{face} turned by {self.turned_deg:.0f} degrees; the half that it hides is filled "
                "from the other one (use a photo that is taken from the front)"
            )
        if self.is_blurred:
            told.append(f"{face} blurred; the result will lack detail (use a sharper photo)")
        return told


def _and(parts: Sequence[str]) -> str:
    """
    >>> _and(["brows", "eyes", "nose"])
    'brows, eyes and nose'
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _listed(parts: Sequence[str]) -> str:
    is_one = len(parts) == 1 and not parts[0].endswith("s")
    return f"the {_and(parts)} {'stays' if is_one else 'stay'}"


def find_faults(topology: Topology, portrait: Portrait) -> Faults:
    """What a photo lacks of the face that it was chosen for."""
    surface, landmarks = surface_of(topology, SIDE), portrait.mesh.landmarks_xyz
    places = surface.spread(landmarks[:POINTS, :2])
    inside = is_within(places, portrait.picture.size_wh, EDGE_PX)
    colours = to_log(unwrap(surface, portrait.picture, landmarks))
    covered = find_cover(surface, portrait, colours, places, inside)
    unseen = unseen_features(surface, inside & ~covered)
    kept = [name for name, (own, _) in features_of(surface).items() if unseen[own].mean() > MISSED]
    ahead = float(np.clip(pose_of(topology, landmarks).rotation[2, 2], -1, 1))
    turned_deg = math.degrees(math.acos(ahead))
    return Faults(
        cut=_parts(surface, ~inside),
        covered=_parts(surface, covered),
        kept=tuple(kept),
        turned_deg=turned_deg if turned_deg > TURNED_DEG else 0.0,
        is_blurred=_sharpness(portrait) < BLURRED,
    )


def _parts(surface: Surface, missing: Array) -> tuple[str, ...]:
    """The parts of which most is missing; "edge" where it is a part of none."""
    if missing[surface.is_face].mean() < LEAST:
        return ()
    parts = _parts_of(surface)
    shares = {name: float(missing[where].mean()) for name, where in parts.items()}
    sides = [name for name in SIDES if shares[name] > MISSED]
    least = MISSED_BESIDE if sides else MISSED
    return tuple(name for name in parts if name in sides or shares[name] > least) or ("edge",)


@lru_cache(maxsize=2)
def _parts_of(surface: Surface) -> dict[str, Array]:
    """(side, side) bool each, by the name that users have for it."""
    across = np.broadcast_to((np.arange(surface.size) + 0.5) / surface.size, surface.heights.shape)
    return {
        "forehead": surface.is_face & (surface.heights < -0.4),
        **{name: own for name, (own, _) in features_of(surface).items()},
        "chin": surface.is_face & (surface.heights > 0.8),
        SIDES[0]: surface.is_face & (across < 0.4),
        SIDES[1]: surface.is_face & (across > 0.6),
    }


def _sharpness(portrait: Portrait) -> float:
    """0..1: the share of the squared steps between neighbours that a small blur takes away."""
    landmarks = portrait.mesh.landmarks_xyz
    crop_to_frame = crop_of(next_face_roi(landmarks), CROP_PX)
    luma = luma_of(portrait.picture.warped(crop_to_frame, CROP_PX).astype(np.float32))
    outline = move_landmarks(landmarks, invert(crop_to_frame))[list(OVAL), :2]
    face = cv2.fillPoly(np.zeros(luma.shape, np.uint8), [np.rint(outline).astype(np.int32)], 1) > 0
    sharp, soft = (_steps(each, face) for each in (luma, cv2.GaussianBlur(luma, (0, 0), 1.0)))
    return 1 - soft / max(sharp, 1e-6)


def _steps(luma: Floats, where: Array) -> float:
    across, down = np.diff(luma, axis=1)[:-1], np.diff(luma, axis=0)[:, :-1]
    return float((across**2 + down**2)[where[:-1, :-1]].sum())
