"""The reference rows: no swap, a hard paste, and the mean colour with a wide feather."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lendface.engine.enrol import Photo
from lendface.engine.geometry import eye_distance_px
from lendface.engine.mesh.topology import OVAL, Topology
from lendface.engine.picture import ArrayPicture
from lendface.engine.plan import SwapPlan, plan_most_present
from lendface.engine.tracks import Tracks
from lendface.engine.types import Face, Frame, Pixels, SourceFace
from lendface.pipeline.parts import Parts
from lendface.quality.references import (
    REFERENCE_NAMES,
    HardPaste,
    MeanColour,
    ReferenceName,
    reference_frames,
)
from lendface.quality.rim import edge_visibility, tone_step
from people import read_person


@pytest.fixture(scope="module")
def frame() -> Frame:
    return Frame(0, Fraction(0), ArrayPicture(read_person("P010")))


@pytest.fixture(scope="module")
def tracks(parts: Parts, frame: Frame) -> Tracks:
    return parts.scanner.scan([frame])


@pytest.fixture(scope="module")
def face(tracks: Tracks) -> Face:
    return tracks.faces_at(0)[0]


@pytest.fixture(scope="module")
def outputs(
    frame: Frame, tracks: Tracks, sources: dict[str, SourceFace], topology: Topology
) -> dict[ReferenceName, Pixels]:
    plan = plan_most_present(tracks, sources["P005"])
    done = {}
    for name in REFERENCE_NAMES:
        (output,) = reference_frames(name, [frame], tracks, plan, topology)
        assert isinstance(output.picture, ArrayPicture)
        done[name] = output.picture.pixels
    return done


def test_no_swap_is_the_target_itself(outputs: dict[ReferenceName, Pixels]) -> None:
    assert np.array_equal(outputs["no_swap"], read_person("P010"))


def test_a_source_pasted_on_its_own_portrait_gives_the_portrait(
    parts: Parts, topology: Topology
) -> None:
    picture = ArrayPicture(read_person("P005", side_px=720))
    source = parts.enroller.enrol([Photo("P005", picture)]).source
    tracks = parts.scanner.scan([Frame(0, Fraction(0), picture)])
    paste = HardPaste(topology)
    look = paste.prepare(source, tracks.people[0])
    # The scan steadies its landmarks, so the enrolled ones lie a pixel beside them.
    exact = replace(tracks.faces_at(0)[0], landmarks_xyz=look.mesh.landmarks_xyz)
    patch = paste.swap(picture, exact, look)
    assert patch is not None
    difference = np.abs(patch.pixels - picture.region(patch.box))[patch.alpha > 0]
    assert difference.mean() < 0.5


def test_the_rows_are_ranked_as_an_eye_does(
    face: Face, outputs: dict[ReferenceName, Pixels]
) -> None:
    target = read_person("P010").astype(np.float32)
    oval, eye_px = face.landmarks_xyz[list(OVAL), :2], eye_distance_px(face.landmarks_xyz)
    for figure in (edge_visibility, tone_step):
        values = [
            figure(target, outputs[name].astype(np.float32), oval, eye_px)
            for name in ("no_swap", "mean_colour", "hard_paste")
        ]
        assert None not in values
        assert values == sorted(values)  # pyrefly: ignore
        assert values[0] != values[1]


def test_the_mean_colour_of_the_face_is_the_targets(
    face: Face, frame: Frame, sources: dict[str, SourceFace], topology: Topology
) -> None:
    paste = MeanColour(topology)
    patch = paste.swap(frame.picture, face, sources["P005"].portraits[0])
    assert patch is not None
    inside = patch.alpha > 0
    target = frame.picture.region(patch.box)
    assert np.abs(patch.pixels[inside].mean(0) - target[inside].mean(0)).max() < 3
    assert 0 < patch.alpha[inside].min() < 0.2


def test_nobody_but_the_planned_person_changes(
    frame: Frame, tracks: Tracks, topology: Topology
) -> None:
    for name in REFERENCE_NAMES:
        (output,) = reference_frames(name, [frame], tracks, SwapPlan({}), topology)
        assert output.picture is frame.picture


def test_a_face_that_a_swap_leaves_alone_is_left_alone(
    face: Face, frame: Frame, sources: dict[str, SourceFace], topology: Topology
) -> None:
    weak = replace(face, strength=0.0)
    away = replace(face, landmarks_xyz=face.landmarks_xyz + np.float32(5000))
    for paste in (HardPaste(topology), MeanColour(topology)):
        for other in (weak, away):
            assert paste.swap(frame.picture, other, sources["P005"].portraits[0]) is None
