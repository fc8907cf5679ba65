"""A scan that was kept in a file is the scan; a damaged file is an error and no more."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import astuple, fields, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from full_disk import largest_file
from lendface.engine.mesh.appearance import SIDE
from lendface.engine.mesh.beard import MOST_VIEWS, RAYS
from lendface.engine.mesh.glasses import BRIDGE_POINTS, LENS_POINTS
from lendface.engine.plan import plan_everyone
from lendface.engine.render import render
from lendface.engine.rows import ROW, MemoryLog
from lendface.engine.tracks import Place, Tracks
from lendface.engine.types import Appearance, Array, Beard, Box, Glasses, SourceFace, Track
from lendface.errors import DiskFullError, ScanFileError
from lendface.pipeline.parts import Parts
from lendface.pipeline.rowlog import SpooledLog
from lendface.pipeline.scans import Scan, describe_person, scan_target
from lendface.pipeline.swaps import report_person
from lendface.pipeline.targets import Trim, open_target
from lendface.pipeline.trackfile import (
    FRAME,
    PLACE,
    PREAMBLE,
    VERSION,
    load_scan,
    save_scan,
)
from material import Material


def made_scan(faces: int = 60, people: int = 3, seed: int = 1) -> Scan:
    """Numbers of no film, each of them different."""
    random = np.random.default_rng(seed)
    log, places = MemoryLog(), dict[int, tuple[Place, ...]]()
    for index in range(faces):
        row = np.zeros((), ROW)
        row["frame"], row["tracklet"], row["score"] = index // people, index, random.random()
        row["centre"], row["reach"] = random.normal(300, 90, 3), 80.25
        row["points"] = random.integers(-30_000, 30_000, row["points"].shape)
        row["light"] = random.normal(size=row["light"].shape)
        row["hands"] = random.normal(200, 50, row["hands"].shape)
        log.append(row)
        place = Place(index // people, 1 + index % people, index, min(index + 3, faces - 1),
                      float(random.random()), float(np.float32(random.random())))  # fmt: skip
        places[place.frame] = (place, *places.get(place.frame, ()))
    frames = faces // people
    cast = tuple(
        Track(
            id=number,
            embedding=random.normal(0, 0.1, 128).astype(np.float32),
            shape=random.normal(0, 5, (468, 3)).astype(np.float32),
            face_count=frames,
            size_px=100 / 3,
            largest_px=number * 1e3 / 7,
            turned_share=random.random(),
            usable_share=1.0,
            spans=tuple((k, k + 1) for k in range(0, frames, number)),
            best_index=frames // 2,
            appearance=made_appearance(random) if number != 2 else None,
            glasses=made_glasses(random) if number != 1 else None,
            forehead=random.random(11).astype(np.float32),
            beard=made_beard(random, MOST_VIEWS if number == 1 else 5) if number != 2 else None,
            level=random.normal(5, 0.2, 3).astype(np.float32) if number != 3 else None,
        )
        for number in range(1, people + 1)
    )
    times = [Fraction(512 * k + 90 * (k % 3), 12_800) for k in range(frames)]
    return Scan(Tracks(cast, frames, places, log), times)


def made_appearance(random: np.random.Generator) -> Appearance:
    middle = random.normal(0, 1, (SIDE, SIDE, 3)).astype(np.float16)
    return Appearance(middle, random.random((SIDE, SIDE)).astype(np.float16), 9)


def made_glasses(random: np.random.Generator) -> Glasses:
    lenses = random.normal(0, 3, (2, LENS_POINTS, 2)).astype(np.float32)
    bridge = random.normal(0, 3, (BRIDGE_POINTS, 2)).astype(np.float32)
    return Glasses(lenses, bridge, random.random(), random.random())


def made_beard(random: np.random.Generator, views: int) -> Beard:
    parts = (random.random(size).astype(np.float16) for size in ((views, 3), (views, RAYS), views))
    return Beard(*parts, random.random())


def same(a: object, b: object) -> bool:
    """Equal to the last bit, and of the same kind."""
    if isinstance(a, (Appearance, Beard, Glasses)) and type(a) is type(b):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, np.ndarray):
        assert isinstance(b, np.ndarray)
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    return type(a) is type(b) and a == b


def assert_same_scan(one: Scan, other: Scan) -> None:
    assert list(other.times) == list(one.times)
    assert other.tracks.frame_count == one.tracks.frame_count
    for a, b in zip(one.people, other.people, strict=True):
        assert all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(Track))
    assert list(other.tracks.places) == sorted(one.tracks.places)
    for frame, places in one.tracks.places.items():
        assert [*map(astuple, other.tracks.places[frame])] == [*map(astuple, places)]
    assert rows_of(one) == rows_of(other)


def rows_of(scan: Scan) -> Sequence[bytes]:
    return [scan.tracks.log.read(k).tobytes() for k in range(len(scan.tracks.log))]


def test_everything_comes_back_bit_for_bit(tmp_path: Path) -> None:
    scan = made_scan()
    save_scan(scan, tmp_path / "scan")
    assert_same_scan(scan, load_scan(tmp_path / "scan"))


def test_a_kept_scan_can_be_kept_again(tmp_path: Path) -> None:
    save_scan(made_scan(), tmp_path / "one")
    save_scan(load_scan(tmp_path / "one"), tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_nobody_and_nothing_can_be_kept(tmp_path: Path) -> None:
    nobody = Scan(Tracks((), 2, {}, MemoryLog()), [Fraction(0), Fraction(1, 3)])
    save_scan(nobody, tmp_path / "nobody")
    assert_same_scan(nobody, load_scan(tmp_path / "nobody"))
    nothing = Scan(Tracks((), 0, {}, MemoryLog()), [])
    save_scan(nothing, tmp_path / "nothing")
    assert (tmp_path / "nothing").stat().st_size < 150
    assert load_scan(tmp_path / "nothing").people == ()


def test_frames_rendered_from_a_kept_scan_are_those_of_the_scan_itself(
    material: Material, parts: Parts, sources: dict[str, SourceFace], tmp_path: Path
) -> None:
    target = open_target(material.two_people, Trim()).as_target()
    scan = scan_target(target, parts)
    assert isinstance(scan.tracks.log, SpooledLog)
    save_scan(scan, tmp_path / "scan")
    kept = load_scan(tmp_path / "scan")
    assert_same_scan(scan, kept)
    assert [describe_person(kept, p) for p in kept.people] == [
        describe_person(scan, p) for p in scan.people
    ]
    assert report_person(kept.tracks, 1) == report_person(scan.tracks, 1)
    pictures = [swapped(material, parts, sources["P003"], each.tracks) for each in (scan, kept)]
    np.testing.assert_array_equal(pictures[0], pictures[1])


def swapped(material: Material, parts: Parts, source: SourceFace, tracks: Tracks) -> Array:
    with open_target(material.two_people, Trim()).as_target().open() as frames:
        done = render(frames, tracks, plan_everyone(tracks, source), parts.swapper)
        return np.stack([f.picture.region(Box(0, 0, *f.picture.size_wh)) for f in done])


def test_times_are_fractions_also_in_slices_and_from_the_end(tmp_path: Path) -> None:
    scan = made_scan()
    save_scan(scan, tmp_path / "scan")
    times = load_scan(tmp_path / "scan").times
    assert (times[0], times[-1]) == (scan.times[0], scan.times[-1])
    assert list(times[3:7]) == list(scan.times[3:7])
    with pytest.raises(IndexError):
        times[len(scan.times)]


def test_a_file_that_is_open_may_be_removed(tmp_path: Path) -> None:
    scan = made_scan()
    save_scan(scan, tmp_path / "scan")
    kept = load_scan(tmp_path / "scan")
    (tmp_path / "scan").unlink()
    assert_same_scan(scan, kept)


def test_a_full_disk_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError), largest_file(100_000):
        save_scan(made_scan(), tmp_path / "scan")
    assert list(tmp_path.iterdir()) == []


# Damaged and hostile files


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("scan") / "scan"
    save_scan(made_scan(faces=4, people=2), path)
    return path.read_bytes()


def read_all(path: Path) -> None:
    scan = load_scan(path)
    for index in range(scan.tracks.frame_count):
        scan.tracks.faces_at(index)
    rows_of(scan)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_changed_byte_is_found(data: st.DataObject, small: bytes, tmp_path: Path) -> None:
    at = data.draw(st.integers(0, len(small) - 1) | st.integers(0, 200))
    broken = bytearray(small)
    broken[at] ^= data.draw(st.integers(1, 255))
    (tmp_path / "scan").write_bytes(broken)
    with pytest.raises(ScanFileError):
        read_all(tmp_path / "scan")


@pytest.mark.parametrize("cut", [0, 1, 7, 15, 16, 60, 2000, -1, -4, -5000])
def test_a_cut_off_file_is_refused(cut: int, small: bytes, tmp_path: Path) -> None:
    (tmp_path / "scan").write_bytes(small[:cut])
    with pytest.raises(ScanFileError):
        load_scan(tmp_path / "scan")
    (tmp_path / "scan").write_bytes(small + b"x")
    with pytest.raises(ScanFileError, match="length is wrong"):
        load_scan(tmp_path / "scan")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[" * 4000,
        b"9" * 4000,
        b"null",
        b"[]",
        b"{}",
        b'{"frames":1}',
        b'{"frames":%s,"people":0,"spans":0,"places":0,"rows":0,"row_bytes":4776}' % (b"9" * 100),
        b'{"frames":-1,"people":0,"spans":0,"places":0,"rows":0,"row_bytes":4776}',
        b'{"frames":true,"people":0,"spans":0,"places":0,"rows":0,"row_bytes":4776}',
        b'{"frames":NaN,"people":0,"spans":0,"places":0,"rows":0,"row_bytes":4776}',
        b'{"frames":9000000,"people":0,"spans":0,"places":0,"rows":0,"row_bytes":4776}',
        b'{"frames":0,"people":0,"spans":0,"places":0,"rows":900000000000,"row_bytes":4776}',
        b'{"frames":0,"people":0,"spans":0,"places":0,"rows":0,"row_bytes":1}',
    ],
)
def test_a_header_that_lies_is_refused_before_anything_is_read(
    header: bytes, tmp_path: Path
) -> None:
    data = PREAMBLE.pack(b"lf-scan\n", 1, len(header)) + header + bytes(100)
    (tmp_path / "scan").write_bytes(data)
    with pytest.raises(ScanFileError):
        load_scan(tmp_path / "scan")


def test_other_files_and_other_versions_say_so(small: bytes, tmp_path: Path) -> None:
    with pytest.raises(ScanFileError, match="cannot be opened"):
        load_scan(tmp_path / "gone")
    with pytest.raises(ScanFileError):
        load_scan(tmp_path)
    (tmp_path / "scan").write_bytes(b"\x80\x04\x95 a pickle" * 20)
    with pytest.raises(ScanFileError, match="not a scan"):
        load_scan(tmp_path / "scan")
    later = small[:8] + struct.pack("<I", VERSION + 1) + small[12:]
    (tmp_path / "scan").write_bytes(later)
    with pytest.raises(ScanFileError, match=f"version {VERSION + 1}, this program reads {VERSION}"):
        load_scan(tmp_path / "scan")


@pytest.mark.parametrize(
    ("table", "field", "value"),
    [
        ("places", "frame", 99),
        ("places", "frame", -1),
        ("places", "track_id", 3),
        ("places", "row", 4),
        ("places", "next_row", -1),
        ("places", "share", float("nan")),
        ("places", "strength", 1e30),
        ("frames", "per_second", 0),
        ("frames", "per_second", -1),
    ],
)
def test_numbers_that_make_no_sense_are_refused_though_the_checks_agree(
    table: str, field: str, value: float, small: bytes, tmp_path: Path
) -> None:
    """As somebody would write them who wants to do harm."""
    header = PREAMBLE.unpack(small[: PREAMBLE.size])[2] + PREAMBLE.size
    dtype = {"frames": FRAME, "places": PLACE}[table]
    rows_at = len(small) - 4 - 4 * (4 + ROW.itemsize)
    start = header if table == "frames" else rows_at - 4 - 4 * PLACE.itemsize
    rows = np.frombuffer(small[start : start + dtype.itemsize], dtype).copy()
    rows[field] = value
    data = small[:start] + rows.tobytes() + small[start + dtype.itemsize : rows_at - 4]
    signed = data + struct.pack("<I", zlib.crc32(data)) + small[rows_at:]
    (tmp_path / "scan").write_bytes(signed)
    with pytest.raises(ScanFileError, match="do not make sense"):
        load_scan(tmp_path / "scan")


@pytest.mark.parametrize("field", ["centre", "reach", "score", "light", "hands", "hand_scores"])
def test_a_face_that_is_no_number_is_refused_when_it_is_read(field: str, tmp_path: Path) -> None:
    scan = made_scan(faces=4, people=2)
    scan.tracks.log.read(2)[field] = np.nan
    save_scan(scan, tmp_path / "scan")
    kept = load_scan(tmp_path / "scan")
    kept.tracks.log.read(1)
    with pytest.raises(ScanFileError, match="a face in it is damaged"):
        kept.tracks.log.read(2)
    with pytest.raises(IndexError):
        kept.tracks.log.read(4)


def test_a_person_must_be_seen_where_they_are_said_to_look_best(tmp_path: Path) -> None:
    scan = made_scan(faces=4, people=2)
    stranger = replace(scan.tracks, places={0: scan.tracks.places[0]})
    save_scan(replace(scan, tracks=stranger), tmp_path / "scan")
    with pytest.raises(ScanFileError, match="people do not make sense"):
        load_scan(tmp_path / "scan")


def test_a_kept_scan_takes_no_more_faces(tmp_path: Path) -> None:
    save_scan(made_scan(), tmp_path / "scan")
    log = load_scan(tmp_path / "scan").tracks.log
    with pytest.raises(ScanFileError):
        log.append(np.zeros((), ROW))
