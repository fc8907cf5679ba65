"""What a detection found, as Akool's clients read it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .envelopes import Body
from .landmarks import older_points, six_points, write_opts
from .links import crop_url

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Sighting:
    """Somebody in a frame: its place among those that were looked at, and the face there."""

    frame: int
    face: Row


def sightings(frames: Sequence[Sequence[Row]]) -> list[list[Sighting]]:
    """Of each person in the order of the frames; people in the order in which they come."""
    people: dict[int, list[Sighting]] = defaultdict(list)
    for number, faces in enumerate(frames):
        for face in faces:
            people[face["person"]].append(Sighting(number, face))
    return list(people.values())


def faces_obj(job: Row, with_urls: bool) -> dict[str, Body]:
    """By the number of each frame that was looked at, as text."""
    [target] = job["result"]["targets"]
    frames = target["frames"]
    gone = boxes_gone([frame["faces"] for frame in frames])
    return {
        str(frame["index"]): frame_faces(job, frame, removed, with_urls)
        for frame, removed in zip(frames, gone, strict=True)
    }


def frame_faces(job: Row, frame: Row, removed: list[list[int]], with_urls: bool) -> Body:
    """Lists side by side, one entry for each face."""
    faces = frame["faces"]
    points = [six_points(face["points_xy"]) for face in faces]
    crops: Body = {"face_urls": None, "crop_region": None, "crop_landmarks": None}
    if with_urls:
        crops = {
            "face_urls": [crop_url(job, face["crop_key"]) for face in faces],
            "crop_region": [face["crop_xywh"] for face in faces],
            "crop_landmarks": [
                write_opts(within(face["crop_xywh"], six[:4]))
                for face, six in zip(faces, points, strict=True)
            ],
        }
    return {
        "landmarks": points,
        "landmarks_str": [write_opts(six[:4]) for six in points],
        "region": [face["box_xywh"] for face in faces],
        "removed": removed,
        "frame_time": frame["time_s"],
        **crops,
    }


def within(crop_xywh: Sequence[int], points: Sequence[Sequence[int]]) -> list[list[int]]:
    """Points of the whole picture as points of the crop.

    >>> within([307, 120, 316, 450], [[410, 300], [520, 304]])
    [[103, 180], [213, 184]]
    """
    left, top = crop_xywh[:2]
    return [[x - left, y - top] for x, y in points]


def boxes_gone(frames: Sequence[Sequence[Row]]) -> list[list[list[int]]]:
    """For each frame the boxes, in the frame before, of people who are not in it any more."""
    gone: list[list[list[int]]] = [[] for _ in frames]
    for person in sightings(frames):
        seen_in = {seen.frame for seen in person}
        for seen in person:
            after = seen.frame + 1
            if after < len(frames) and after not in seen_in:
                gone[after].append(list(seen.face["box_xywh"]))
    return gone


def older_faces(job: Row, *, is_flat: bool) -> Body:
    """As the older detection tells them: of one face without the list around it."""
    [target] = job["result"]["targets"]
    faces = target["frames"][0]["faces"]
    points = [older_points(face["points_xy"]) for face in faces]
    texts = [write_opts(rows[:4]) for rows in points]
    regions = [face["box_xywh"] for face in faces]
    if not is_flat:
        return {"landmarks": points, "landmarks_str": texts, "region": regions}
    return {
        "landmarks": points[0] if points else [],
        "landmarks_str": texts[0] if texts else "",
        "region": regions[0] if regions else [],
    }


def persons(job: Row, timestamps: Sequence[float]) -> list[Body]:
    """The people of several pictures, from left to right by where each is first seen."""
    frames = [target["frames"][0]["faces"] for target in job["result"]["targets"]]
    people = sorted(sightings(frames), key=lambda person: _left(person[0].face))
    return [_person(job, number, person, timestamps) for number, person in enumerate(people)]


def _person(job: Row, number: int, person: list[Sighting], timestamps: Sequence[float]) -> Body:
    first = person[0].face
    appearances = [_appearance(seen, timestamps) for seen in person]
    times = [appearance["timestamp"] for appearance in appearances]
    return {
        "person_id": f"person_{number}",
        "index": number,
        "face_url": crop_url(job, first["crop_key"]),
        "bbox": corners(first["box_xywh"]),
        "confidence": round(min(1.0, max(0.0, first["score"])), 3),
        "appearances": appearances,
        "first_seen": min(times),
        "last_seen": max(times),
    }


def _appearance(seen: Sighting, timestamps: Sequence[float]) -> Body:
    return {
        "timestamp": timestamps[seen.frame],
        "frame_idx": seen.frame,
        "bbox": corners(seen.face["box_xywh"]),
    }


def corners(box_xywh: Sequence[int]) -> list[int]:
    """
    >>> corners([370, 210, 190, 270])
    [370, 210, 560, 480]
    """
    x, y, width, height = box_xywh
    return [x, y, x + width, y + height]


def _left(face: Row) -> float:
    x, _, width, _ = face["box_xywh"]
    return x + width / 2
