"""A film with a view for each eye: who is swapped in one is swapped in the other."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from lendface.media import probe
from lendface.pipeline.parts import Parts, Watch
from lendface.pipeline.steps import plan_job, scan_file_to
from lendface.pipeline.swaps import CastNumber, Pair, SwapRequest, swap_files
from lendface.pipeline.targets import Trim
from lendface.pipeline.trackfile import load_scan
from material import Material
from people import beside, read_person, swaying, write_film

COUNT, SIDE = 6, 200


def write_stereo(path: Path, mode: int, *, has_second: bool = True) -> Path:
    """P005 for both eyes, side by side (2) or one above the other (1), as ``st3d`` says."""
    eye = swaying(read_person("P005", side_px=SIDE), COUNT, reach_px=4)
    other = eye if has_second else [np.full_like(eye[0], 120)] * COUNT
    frames = (
        beside(eye, other) if mode == 2 else [np.vstack(p) for p in zip(eye, other, strict=True)]
    )
    write_film(path, frames)
    data = bytearray(path.read_bytes())
    assert data.index(b"mdat") < data.index(b"moov")
    st3d = struct.pack(">I4sI", 13, b"st3d", 0) + bytes([mode])
    at = data.index(b"avcC") - 4
    data[at:at] = st3d
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        place = data.rindex(parent, 0, at) - 4
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + len(st3d))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("mode", [1, 2])
@pytest.mark.parametrize("face", [None, 2])
def test_both_views_get_the_face(
    mode: int, face: int | None, material: Material, parts: Parts, tmp_path: Path
) -> None:
    target = write_stereo(tmp_path / "in.mp4", mode)
    assert probe(target).stereo == {1: "top_bottom", 2: "side_by_side"}[mode]
    pair = Pair((material.photo,), *([CastNumber(face)] if face else []))
    report = swap_files(SwapRequest((pair,), target, tmp_path / "out.mp4"), parts)
    assert [person.swapped for person in report.people] == [COUNT, COUNT]
    assert not any("each eye" in warning for warning in report.warnings)
    scan_file_to(target, Trim(), parts, Watch(), tmp_path / "tracks")
    found = load_scan(tmp_path / "tracks")
    planned = plan_job((pair,), found, parts, "the target", probe(target))
    assert planned.pair_by_track == {1: 0, 2: 0}


def test_a_face_that_only_one_eye_sees_is_told(
    material: Material, parts: Parts, tmp_path: Path
) -> None:
    target = write_stereo(tmp_path / "in.mp4", 2, has_second=False)
    request = SwapRequest((Pair((material.photo,)),), target, tmp_path / "out.mp4")
    warnings = swap_files(request, parts).warnings
    assert any("face 1 was found in one of them only" in warning for warning in warnings)


def test_two_people_in_a_flat_film_stay_two(
    material: Material, parts: Parts, tmp_path: Path
) -> None:
    request = SwapRequest((Pair((material.photo,)),), material.two_people, tmp_path / "out.mp4")
    assert len(swap_files(request, parts).people) == 1
