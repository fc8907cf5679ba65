"""The animated portrait: what it shows is what its truth says, by the eyes of the real models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from lendface.demo import Script, Truth, animate, demo_target_photo, write_demo_clip
from lendface.demo.expression import eye_opening, opening
from lendface.demo.script import GAPS_TICKS, TIME_BASE, frame_ticks
from lendface.engine.enrol import Photo
from lendface.engine.geometry import five_points
from lendface.engine.mesh.shape import pose_of
from lendface.engine.mesh.topology import Topology
from lendface.engine.types import Array, Box, Floats, Picture, Pixels, Portrait
from lendface.media import open_video, read_image
from lendface.pipeline.parts import Parts
from lendface.pipeline.scans import scan_target
from lendface.pipeline.targets import Trim, open_target

pytestmark = pytest.mark.slow

SHORT = Script(seconds=3.0, size_px=480)
STILL = Script(seconds=0.3, size_px=480, light=0, noise=0, yaw_deg=0, pitch_deg=0, roll_deg=0)


@dataclass(frozen=True, eq=False)
class Seen:
    """What the models make of the clip, frame by frame."""

    detections: list[int]
    landmarks: list[Floats]
    embeddings: Floats  # (frames, 128)
    times: list[Fraction]


@pytest.fixture(scope="module")
def portrait(parts: Parts) -> Portrait:
    photo = demo_target_photo()
    return parts.enroller.portrait(Photo(photo.name, read_image(photo)[0]))


@pytest.fixture(scope="module")
def clip(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Truth]]:
    path = tmp_path_factory.mktemp("demo") / "clip.mp4"
    return path, write_demo_clip(path, parts.enroller, SHORT)


@pytest.fixture(scope="module")
def seen(clip: tuple[Path, list[Truth]], parts: Parts) -> Seen:
    detections, landmarks, embeddings, times = [], [], [], []
    with open_video(clip[0]) as reader:
        for frame in reader.frames():
            detections.append(len(parts.enroller.detector.detect(frame.picture)))
            (mesh,) = parts.enroller.find_meshes(frame.picture)
            landmarks.append(mesh.landmarks_xyz)
            points = five_points(mesh.landmarks_xyz)
            embeddings.append(parts.recognizer.embed(frame.picture, points))
            times.append(frame.time)
    return Seen(detections, landmarks, np.stack(embeddings), times)


def correlation(a: Sequence[float], b: Sequence[float]) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def test_every_frame_shows_one_face_at_the_time_that_the_truth_says(
    clip: tuple[Path, list[Truth]], seen: Seen
) -> None:
    assert seen.times == [truth.time for truth in clip[1]]
    assert seen.detections == [1] * len(frame_ticks(SHORT))


def test_the_landmarks_of_the_truth_are_where_the_models_see_them(
    clip: tuple[Path, list[Truth]], seen: Seen
) -> None:
    for truth, found in zip(clip[1], seen.landmarks, strict=True):
        away = np.linalg.norm((truth.landmarks_xyz - found)[:468, :2], axis=1)
        assert away.mean() < 0.03 * np.linalg.norm(found[33] - found[263])


def test_the_mouth_opens_as_far_as_the_truth_says(
    clip: tuple[Path, list[Truth]], seen: Seen
) -> None:
    asked = [truth.mouth_open for truth in clip[1]]
    assert min(asked) < 0.02
    assert max(asked) > 0.12
    assert correlation(asked, [opening(found) for found in seen.landmarks]) > 0.95


def test_the_eyes_blink_when_the_truth_says(clip: tuple[Path, list[Truth]], seen: Seen) -> None:
    asked = [truth.eyes_open for truth in clip[1]]
    assert min(asked) < 0.3 * max(asked)
    assert correlation(asked, [eye_opening(found) for found in seen.landmarks]) > 0.9


def test_the_head_turns_25_degrees_to_each_side(
    clip: tuple[Path, list[Truth]], seen: Seen, topology: Topology
) -> None:
    asked = [truth.yaw_pitch_roll_deg[0] for truth in clip[1]]
    found = [pose_of(topology, mesh).yaw_pitch_roll_deg[0] for mesh in seen.landmarks]
    assert min(asked) == pytest.approx(-25, abs=2)
    assert max(asked) == pytest.approx(25, abs=2)
    assert correlation(asked, found) > 0.99


def test_the_person_stays_the_one_of_the_portrait(seen: Seen, portrait: Portrait) -> None:
    assert (seen.embeddings @ portrait.embedding).min() > 0.7


def test_a_scan_tracks_one_person_through_the_whole_clip(
    clip: tuple[Path, list[Truth]], parts: Parts
) -> None:
    found = scan_target(open_target(clip[0], Trim()).as_target(), parts)
    (person,) = found.people
    assert person.spans == ((0, len(clip[1])),)
    assert person.face_count == len(clip[1])


def test_the_same_script_makes_the_same_frames(portrait: Portrait, topology: Topology) -> None:
    script = Script(seconds=0.2, size_px=240)
    first, again = (list(animate(portrait, topology, script)) for _ in range(2))
    assert len(first) == len(frame_ticks(script))
    for (frame, truth), (same_frame, same_truth) in zip(first, again, strict=True):
        assert (rgb(frame.picture) == rgb(same_frame.picture)).all()
        assert (truth.landmarks_xyz == same_truth.landmarks_xyz).all()
        assert (truth.time, truth.moves) == (same_truth.time, same_truth.moves)


def test_another_seed_moves_otherwise(portrait: Portrait, topology: Topology) -> None:
    (_, one), (_, other) = (
        list(animate(portrait, topology, Script(seed=seed, seconds=0.8, size_px=128)))[-1]
        for seed in (1, 2)
    )
    assert one.moves.jaw_cm != other.moves.jaw_cm


def test_at_rest_it_is_the_portrait_itself(portrait: Portrait, topology: Topology) -> None:
    frame, truth = next(animate(portrait, topology, STILL))
    still = cv2.resize(rgb(portrait.picture), frame.picture.size_wh, interpolation=cv2.INTER_AREA)
    scale = 480 / portrait.picture.size_wh[0]
    own = (portrait.mesh.landmarks_xyz[:, :2] + 0.5) * scale - 0.5
    drift = truth.landmarks_xyz[:, :2] - own
    assert np.ptp(drift, axis=0).max() < 0.01  # nothing but the drift of the whole head
    shift = np.float32([[1, 0, drift[0, 0]], [0, 1, drift[0, 1]]])
    moved = cv2.warpAffine(still, shift, frame.picture.size_wh)
    face = cv2.fillConvexPoly(np.zeros((480, 480), np.uint8), hull(truth.landmarks_xyz), 1) > 0
    difference = np.abs(rgb(frame.picture)[face].astype(int) - moved[face].astype(int))
    assert difference.mean() < 2.5


def test_the_edge_of_the_picture_never_moves(portrait: Portrait, topology: Topology) -> None:
    script = Script(seconds=1.0, size_px=240, light=0, noise=0)
    edges = [edge(rgb(frame.picture)) for frame, _ in animate(portrait, topology, script)]
    # The middle of the outermost pixel lies a hair inside the edge; a shirt that slid would
    # change it by tens.
    assert max(np.abs(edges[0] - other).max() for other in edges[1:]) <= 4


def test_the_gaps_between_frames_are_uneven() -> None:
    gaps = np.diff(frame_ticks(Script()))
    assert set(gaps.tolist()) == set(GAPS_TICKS)
    assert [float(1 / (gap * TIME_BASE)) for gap in GAPS_TICKS] == [30, 24, 20, 15]


def rgb(picture: Picture) -> Pixels:
    return picture.region(Box(0, 0, *picture.size_wh)).astype(np.uint8)


def hull(landmarks_xyz: Floats) -> Array:
    return cv2.convexHull(np.rint(landmarks_xyz[:468, :2]).astype(np.int32))


def edge(pixels: Pixels) -> Array:
    sides = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
    return np.concatenate(sides).astype(int)
