"""Whom a reference means, where it is no plain portrait of one person of the target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lendface.app import SwapReport, swap
from lendface.engine.types import SourceFace
from lendface.errors import NoSourceFaceError, NoSuchPersonError
from lendface.pipeline.parts import Parts, Watch
from lendface.pipeline.scans import scan_target
from lendface.pipeline.swaps import LooksLike, SeenAt, choose, read_references
from lendface.pipeline.targets import Trim, open_target
from material import Material
from people import write_photo


@pytest.fixture
def wall(tmp_path: Path) -> Path:
    """A photo of nobody."""
    return write_photo(tmp_path / "wall.png", np.full((200, 200, 3), 120, np.uint8))


def test_a_reference_without_a_face_is_passed_over_where_anybody_will_do(
    wall: Path, parts: Parts
) -> None:
    assert read_references([LooksLike(wall, or_most_present=True)], parts) == {}
    with pytest.raises(NoSourceFaceError):
        read_references([LooksLike(wall)], parts)


@pytest.mark.parametrize("is_point", [False, True])
def test_who_is_seen_most_stands_in_for_nobody_and_the_report_says_so(
    wall: Path, material: Material, parts: Parts, tmp_path: Path, is_point: bool
) -> None:
    who = (
        SeenAt((1.0, 1.0), or_most_present=True)
        if is_point
        else LooksLike(wall, or_most_present=True)
    )
    told = swap(material.other_person, material.photo, tmp_path / "a.png", who=who, parts=parts)
    assert isinstance(told, SwapReport)
    assert [person.face for person in told.people] == [1]
    assert [w for w in told.warnings if w.endswith("; the most present person was taken")]


def test_a_point_of_the_target_means_who_is_there(
    wall: Path, material: Material, parts: Parts
) -> None:
    target = open_target(material.photo, Trim()).as_target()
    tracks = scan_target(target, parts, Watch()).tracks
    source = SourceFace((), np.zeros(128, np.float32))
    everybody = [person.id for person in tracks.people]
    nose = tracks.faces_at(0)[0].landmarks_xyz[1, :2]
    for who in (
        SeenAt((float(nose[0]), float(nose[1]))),
        SeenAt((1.0, 1.0), or_most_present=True),
        LooksLike(wall, or_most_present=True),
    ):
        plan = choose(who, source, tracks, {})
        assert list(plan.source_by_track) == everybody
    for who in (SeenAt((1.0, 1.0)), LooksLike(wall)):
        with pytest.raises(NoSuchPersonError):
            choose(who, source, tracks, {})
    with pytest.raises(NoSuchPersonError):  # of several pairs none falls back
        choose(SeenAt((1, 1), or_most_present=True), source, tracks, {}, may_fall_back=False)
