"""Which faces are in a picture, or in a few frames of a film; no tracks, nothing kept."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.enrol import face_height_px
from ..engine.geometry import five_points
from ..engine.mesh.topology import POINTS
from ..engine.types import Box, Floats, Frame, Mesh, Picture, Pixels
from ..errors import MediaTooMuchWorkError, UnreadableMediaError
from ..media import encode_image, list_packets, open_video
from .parts import Parts
from .targets import ImageTarget, Trim, VideoTarget, open_target

MOST_GIGAPIXELS = 50  # decoded for one look at a film, on the way from keyframes to its frames


@dataclass(frozen=True, eq=False)
class FoundFace:
    """One face of one frame."""

    box: Box  # whole pixels, from brow to chin and cheek to cheek
    points_xy: Floats  # (5, 2) image-left eye, image-right eye, nose, left and right mouth corner
    score: float  # 0..1
    embedding: Floats  # (128,) unit length


@dataclass(frozen=True, eq=False)
class LookedAt:
    """One frame, with its faces from left to right."""

    index: int
    time: Fraction | None  # seconds; None for a still
    picture: Picture
    faces: tuple[FoundFace, ...]


@dataclass(frozen=True, eq=False)
class Detected:
    """What was found in one file."""

    kind: str  # image or video
    size_wh: tuple[int, int]
    frames: tuple[LookedAt, ...]


def detect(path: Path, parts: Parts, frames: int, *, largest_only: bool = False) -> Detected:
    """Look at a picture, or at ``frames`` frames of a film, evenly spaced from the first one on.

    Raises the errors of reading, and MediaTooMuchWorkError where its keyframes are so far apart
    that most of a long film would have to be decoded.
    """
    target = open_target(path, Trim())
    is_video = isinstance(target, VideoTarget)
    looked = tuple(
        LookedAt(
            frame.index,
            frame.time if is_video else None,
            frame.picture,
            find_faces(frame.picture, parts, largest_only=largest_only),
        )
        for frame in _frames(target, frames)
    )
    if not looked:
        raise UnreadableMediaError(path.name, "no frame of its video decodes")
    return Detected("video" if is_video else "image", looked[0].picture.size_wh, looked)


def find_faces(
    picture: Picture, parts: Parts, *, largest_only: bool = False
) -> tuple[FoundFace, ...]:
    """Faces worth naming, from left to right."""
    meshes = parts.enroller.find_meshes(picture)
    if largest_only and meshes:
        meshes = [max(meshes, key=face_height_px)]
    return tuple(_found(picture, mesh, parts) for mesh in meshes)


def cut_out(picture: Picture, box: Box, margin: float) -> tuple[Box, bytes]:
    """A face with ``margin`` of its size around, as far as the picture goes, and its JPEG."""
    room = Box(
        round(box.x0 - margin * box.width),
        round(box.y0 - margin * box.height),
        round(box.x1 + margin * box.width),
        round(box.y1 + margin * box.height),
    ).clipped(picture.size_wh)
    pixels: Pixels = np.rint(picture.region(room)).astype(np.uint8)
    return room, encode_image(pixels)


def describe_face(face: FoundFace) -> dict[str, Any]:
    """A face as plain values; no picture of it and no embedding."""
    return {
        "box_xywh": xywh(face.box),
        "points_xy": np.round(face.points_xy, 1).tolist(),
        "score": round(face.score, 3),
        "crop_key": None,
        "crop_xywh": None,
    }


def xywh(box: Box) -> list[int]:
    """Corner and size, as the vendors' APIs have boxes.

    >>> xywh(Box(10, 20, 30, 50))
    [10, 20, 20, 30]
    """
    return [box.x0, box.y0, box.width, box.height]


def _found(picture: Picture, mesh: Mesh, parts: Parts) -> FoundFace:
    points = five_points(mesh.landmarks_xyz)
    low, high = mesh.landmarks_xyz[:POINTS, :2].min(0), mesh.landmarks_xyz[:POINTS, :2].max(0)
    box = Box(*np.floor(low).astype(int).tolist(), *(np.ceil(high).astype(int) + 1).tolist())
    return FoundFace(
        box.clipped(picture.size_wh),
        points,
        mesh.score,
        parts.recognizer.embed(picture, points),
    )


def _frames(target: VideoTarget | ImageTarget, count: int) -> Iterator[Frame]:
    if isinstance(target, ImageTarget):
        yield target.frame
        return
    times, decoded = _times(target, count), 0
    check_reach(target, times)
    for time_s in times:
        check_decoded(target, decoded)  # a file may call every frame a keyframe
        with open_video(target.info.path, start_s=time_s) as reader:
            # Counted anew after a seek; the film's own number follows from its rate.
            frame = next(iter(reader.frames()), None)
            decoded += reader.damage.packets_read
        if frame is not None:
            index = round(frame.time * target.info.frame_rate) if time_s is not None else 0
            yield Frame(index, frame.time, frame.picture)


def check_reach(target: VideoTarget, times: Sequence[Fraction | None]) -> None:
    """How many frames lie between these times and the keyframes before them, by the packets."""
    packets, base = list_packets(target.info.path)
    sought, _ = list_packets(target.info.path, to_seek=True)
    shown = sorted(pts for pts, _ in packets if pts is not None)
    keys = sorted(pts for pts, is_key in sought if is_key and pts is not None)
    wanted = [time_s / base for time_s in times if time_s is not None]
    check_decoded(target, sum(_way_to(pts, shown, keys) for pts in wanted))


def _way_to(pts: Fraction, shown: Sequence[int], keys: Sequence[int]) -> int:
    place = bisect_right(keys, pts)
    start = bisect_left(shown, keys[place - 1]) if place else 0
    return max(1, bisect_right(shown, pts) - start)


def check_decoded(target: VideoTarget, frames: int) -> None:
    """Raises MediaTooMuchWorkError."""
    width, height = target.info.coded_wh
    if frames * width * height > MOST_GIGAPIXELS * 1e9:
        name, size_wh = target.info.path.name, target.info.coded_wh
        raise MediaTooMuchWorkError(name, MOST_GIGAPIXELS, frames, size_wh)


def _times(target: VideoTarget, count: int) -> Sequence[Fraction | None]:
    """None stands for the first frame, wherever its time begins."""
    duration = target.info.duration
    if duration is None or count == 1:
        return [None]
    return [None, *(duration * number / count for number in range(1, count))]
