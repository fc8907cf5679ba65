"""A target and an output side by side: each frame of one with its counterpart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np

from lendface.engine.geometry import next_face_roi, roi_from_points
from lendface.engine.mesh.topology import OVAL
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Array, Box, Floats, Frame, Picture
from lendface.pipeline.targets import Target

AROUND_GROWN = 1.25  # of the outline; what lies further out is the picture around the face
SEEN_CHANGE = 2.0  # times what the picture around changed, by being encoded again
LEAST_CHANGE = 1.0  # levels of 255 beyond that


@contextmanager
def side_by_side(
    target: Target, output: Target, index_by_target: Mapping[int, int] | None
) -> Iterator[Iterator[tuple[Frame, Picture]]]:
    """Each frame of the target with the output's picture, in its size; those without are left out.

    ``index_by_target`` rises with the target's index; None where both count the same.
    """
    with target.open() as frames, output.open() as others:
        yield _matched(frames, others, index_by_target)


def _matched(
    frames: Iterator[Frame], others: Iterator[Frame], index_by_target: Mapping[int, int] | None
) -> Iterator[tuple[Frame, Picture]]:
    other = next(others, None)
    for frame in frames:
        wanted = frame.index if index_by_target is None else index_by_target.get(frame.index)
        if wanted is None:
            continue
        while other is not None and other.index < wanted:
            other = next(others, None)
        if other is None:
            return
        if other.index == wanted:
            yield frame, in_size(other.picture, frame.picture.size_wh)


def in_size(picture: Picture, size_wh: tuple[int, int]) -> Picture:
    """The picture itself, or a resized copy where a tool made it larger or smaller."""
    if picture.size_wh == size_wh:
        return picture
    whole = np.rint(picture.region(Box(0, 0, *picture.size_wh))).astype(np.uint8)
    is_shrunk = size_wh[0] < picture.size_wh[0]
    how = cv2.INTER_AREA if is_shrunk else cv2.INTER_CUBIC
    return ArrayPicture(cv2.resize(whole, size_wh, interpolation=how))


@dataclass(frozen=True, eq=False)
class Cut:
    """The same part of both pictures around a face."""

    target: Floats  # (h, w, 3) RGB 0..255
    output: Floats  # (h, w, 3)
    origin: Floats  # (3,) the part's corner in the frame, and no depth

    def moved(self, landmarks_xyz: Floats) -> Floats:
        """Landmarks of the frame in pixels of this part."""
        return landmarks_xyz - self.origin


def cut_out(target: Picture, output: Picture, landmarks_xyz: Floats) -> Cut | None:
    """Half again as much as the face; None where nothing of it lies in the picture."""
    roi = next_face_roi(landmarks_xyz)
    half = roi.side / 2
    box = Box(
        round(roi.x - half), round(roi.y - half), round(roi.x + half) + 1, round(roi.y + half) + 1
    ).clipped(target.size_wh)
    if box.is_empty:
        return None
    return Cut(target.region(box), output.region(box), np.float32([box.x0, box.y0, 0]))


def is_changed(cut: Cut, landmarks_xyz: Floats) -> bool:
    """Whether the face (landmarks in pixels of the cut) differs from the target's.

    The mean difference inside the outline is compared to that of the picture around it, which a
    second encoding changes too.
    """
    inside = inside_of(landmarks_xyz, cut.target.shape[:2], 1.0)
    around = ~inside_of(landmarks_xyz, cut.target.shape[:2], AROUND_GROWN)
    if not inside.any():
        return False
    difference = np.abs(cut.output - cut.target).mean(axis=2)
    noise = float(difference[around].mean()) if around.any() else 0.0
    return float(difference[inside].mean()) > SEEN_CHANGE * noise + LEAST_CHANGE


def inside_of(landmarks_xyz: Floats, shape_hw: tuple[int, ...], grown: float) -> Array:
    """(h, w) bool: the face's outline, grown around its middle."""
    oval_xy = landmarks_xyz[list(OVAL), :2]
    middle = roi_from_points(oval_xy, 0.0)
    centre = np.float32([middle.x, middle.y])
    mask = np.zeros(shape_hw, np.uint8)
    cv2.fillPoly(mask, [np.rint(centre + grown * (oval_xy - centre)).astype(np.int32)], 1)
    return mask > 0
