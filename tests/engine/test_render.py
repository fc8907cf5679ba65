"""Frames in, frames with new faces out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lendface.engine.picture import ArrayPicture
from lendface.engine.plan import SwapPlan
from lendface.engine.render import render
from lendface.engine.tracks import Tracks
from lendface.engine.types import Box, Face, Frame, Patch, Picture, Pixels, SourceFace, Track
from lendface.pipeline.parts import Parts
from people import beside, read_person, swaying

SMALL, COUNT = 240, 16


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """P003 and P005 side by side; in the last four frames nobody."""
    left, right = (
        swaying(read_person(who, side_px=SMALL), COUNT, reach_px=4) for who in ("P003", "P005")
    )
    empty = np.full((SMALL, 2 * SMALL, 3), 70, np.uint8)
    pixels = [*beside(left, right), *([empty] * 4)]
    return [Frame(k, Fraction(k, 25), ArrayPicture(each)) for k, each in enumerate(pixels)]


@pytest.fixture(scope="module")
def tracks(parts: Parts, frames: list[Frame]) -> Tracks:
    return parts.scanner.scan(frames)


@pytest.fixture(scope="module")
def left_person(tracks: Tracks) -> int:
    return next(f.track_id for f in tracks.faces_at(0) if f.landmarks_xyz[4, 0] < SMALL)


@pytest.fixture(scope="module")
def plan(sources: dict[str, SourceFace], left_person: int) -> SwapPlan:
    return SwapPlan({left_person: sources["P010"]})


def pixels_of(picture: Picture) -> Pixels:
    assert isinstance(picture, ArrayPicture)
    return picture.pixels


def rendered(parts: Parts, frames: list[Frame], tracks: Tracks, plan: SwapPlan) -> list[Frame]:
    return list(render(frames, tracks, plan, parts.swapper))


def test_every_frame_comes_once_in_order_with_its_time(
    parts: Parts, frames: list[Frame], tracks: Tracks, plan: SwapPlan
) -> None:
    done = rendered(parts, frames, tracks, plan)
    assert [(f.index, f.time) for f in done] == [(f.index, f.time) for f in frames]


def test_a_frame_without_a_planned_face_is_the_same_object(
    parts: Parts, frames: list[Frame], tracks: Tracks, plan: SwapPlan
) -> None:
    done = rendered(parts, frames, tracks, plan)
    assert all(new is old for new, old in zip(done[COUNT:], frames[COUNT:], strict=True))
    assert not any(new.picture is old.picture for new, old in zip(done[:8], frames, strict=False))
    nothing = rendered(parts, frames, tracks, SwapPlan({}))
    assert all(new is old for new, old in zip(nothing, frames, strict=True))


def test_only_the_planned_person_changes_and_the_frames_given_stay(
    parts: Parts, frames: list[Frame], tracks: Tracks, plan: SwapPlan
) -> None:
    before = [pixels_of(frame.picture).copy() for frame in frames]
    done = rendered(parts, frames, tracks, plan)
    for old, frame, new in zip(before, frames, done, strict=True):
        np.testing.assert_array_equal(pixels_of(frame.picture), old)
        np.testing.assert_array_equal(pixels_of(new.picture)[:, SMALL:], old[:, SMALL:])
    changed = pixels_of(done[3].picture)[:, :SMALL] != before[3][:, :SMALL]
    assert changed.any(axis=2).mean() > 0.05


def test_where_alpha_is_zero_the_picture_is_the_decoders_bit_for_bit(
    parts: Parts, frames: list[Frame], tracks: Tracks, plan: SwapPlan, left_person: int
) -> None:
    look = parts.swapper.prepare(plan.source_by_track[left_person], tracks.get_person(left_person))
    done = rendered(parts, frames, tracks, plan)
    for frame, new in zip(frames[:COUNT], done, strict=False):
        (face,) = [f for f in tracks.faces_at(frame.index) if f.track_id == left_person]
        patch = parts.swapper.swap(frame.picture, face, look)
        assert patch is not None
        alpha = np.zeros((SMALL, 2 * SMALL), np.float32)
        alpha[patch.box.y0 : patch.box.y1, patch.box.x0 : patch.box.x1] = patch.alpha
        assert 0.02 < (alpha > 0).mean() < 0.3
        np.testing.assert_array_equal(
            pixels_of(new.picture)[alpha == 0], pixels_of(frame.picture)[alpha == 0]
        )


def test_a_frame_does_not_depend_on_the_frames_around_it(
    parts: Parts, frames: list[Frame], tracks: Tracks, plan: SwapPlan
) -> None:
    whole = rendered(parts, frames, tracks, plan)
    spans = (slice(0, 5), slice(5, 9), slice(9, None))
    in_chunks = [new for span in spans for new in rendered(parts, frames[span], tracks, plan)]
    backwards = rendered(parts, frames[::-1], tracks, plan)[::-1]
    for one, chunked, turned in zip(whole, in_chunks, backwards, strict=True):
        np.testing.assert_array_equal(pixels_of(chunked.picture), pixels_of(one.picture))
        np.testing.assert_array_equal(pixels_of(turned.picture), pixels_of(one.picture))


def test_two_sources_go_to_two_people(
    parts: Parts, frames: list[Frame], tracks: Tracks, sources: dict[str, SourceFace]
) -> None:
    plan = SwapPlan({1: sources["P010"], 2: sources["P003"]})
    done = rendered(parts, frames, tracks, plan)
    changed = (pixels_of(done[2].picture) != pixels_of(frames[2].picture)).any(axis=2)
    assert changed[:, :SMALL].any()
    assert changed[:, SMALL:].any()


class PaintSwapper:
    """Plays the role of a Swapper: fills the face box with one colour."""

    def prepare(self, source: SourceFace, person: Track) -> int:
        return 40 * person.id

    def swap(self, picture: Picture, face: Face, look: int) -> Patch | None:
        box = Box(*np.int32(face.box_xyxy).tolist()).clipped(picture.size_wh)
        size = (box.height, box.width)
        return Patch(box, np.full((*size, 3), look, np.float32), np.ones(size, np.float32))


def test_any_swapper_will_do(
    frames: list[Frame], tracks: Tracks, plan: SwapPlan, left_person: int
) -> None:
    new = next(iter(render(frames, tracks, plan, PaintSwapper())))
    (face,) = [f for f in tracks.faces_at(0) if f.track_id == left_person]
    middle = np.int32((face.box_xyxy[:2] + face.box_xyxy[2:]) / 2)
    assert pixels_of(new.picture)[middle[1], middle[0]].tolist() == [40 * left_person] * 3
