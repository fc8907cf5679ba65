"""What an MP4 says of views, projection and clean aperture is said of the result."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from test_identity import FAST, write_again

from lendface.media import (
    Chunk,
    EncodeOptions,
    fresh_starts,
    join_chunks,
    open_chunk_reader,
    open_chunk_writer,
    options_for,
    plan_chunks,
    probe,
)
from lendface.media.boxes import NO_BOXES
from lendface.media.encode import Codec
from make_media import Sound, decoded_planes, make_video, packets_by_stream


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


ST3D = box(b"st3d", b"\0\0\0\0\2")
POSE = box(b"prhd", struct.pack(">Iiii", 0, 1 << 16, 0, 0))
HALF = box(b"equi", struct.pack(">IIIII", 0, 0, 0, 1 << 30, 1 << 30))
SV3D = box(b"sv3d", box(b"svhd", b"\0\0\0\0camera\0") + box(b"proj", POSE + HALF))
CLAP = box(b"clap", struct.pack(">IIIIiIiI", 60, 1, 40, 1, 1, 2, 0, 1))
CENTRED = box(b"clap", struct.pack(">IIIIiIiI", 60, 1, 40, 1, 0, 1, 0, 1))
VEXU = box(b"vexu", box(b"proj", box(b"prji", b"\0\0\0\0hequ")))
XML = b"<rdf:SphericalVideo><GSpherical:Spherical>true</GSpherical:Spherical></rdf:SphericalVideo>"
UUID = box(b"uuid", bytes.fromhex("ffcc8263f8554a938814587a02521fdd") + XML)
PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1")


def make_boxed(
    path: Path, *in_entry: bytes, in_track: bytes = b"", size_wh: tuple[int, int] = (64, 48)
) -> Path:
    """A film whose ``moov`` lies at the end, so that boxes can be put in without more ado."""
    make_video(path, 30, size_wh, gop=7, sounds=[Sound(seconds=1.2)])
    data = bytearray(path.read_bytes())
    assert data.index(b"mdat") < data.index(b"moov")
    at = data.index(b"avcC") - 4
    more = b"".join(in_entry)
    data[at:at] = more
    for parent in PARENTS:
        grow(data, data.rindex(parent, 0, at) - 4, len(more))
    if in_track:
        trak = data.index(b"trak") - 4
        end = trak + struct.unpack_from(">I", data, trak)[0]
        data[end:end] = in_track
        for place in (trak, data.index(b"moov") - 4):
            grow(data, place, len(in_track))
    path.write_bytes(data)
    return path


def grow(data: bytearray, at: int, more: int) -> None:
    struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + more)


def check_like_without(made: Path, plain: Path) -> None:
    """Pictures, sound and times are those of the same film without boxes."""
    assert packets_by_stream(made)[1] == packets_by_stream(plain)[1]
    for (time, new), (old_time, old) in zip(
        decoded_planes(made), decoded_planes(plain), strict=True
    ):
        assert time == old_time
        assert all(np.array_equal(a, b) for a, b in zip(new, old, strict=True))


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_boxes_about_the_picture_are_kept_as_they_are(ending: str, tmp_path: Path) -> None:
    source = make_boxed(tmp_path / "in.mp4", ST3D, SV3D, CLAP, VEXU, in_track=UUID)
    plain = make_boxed(tmp_path / "plain.mp4")
    told = write_again(source, tmp_path / f"out{ending}", FAST).warnings
    write_again(plain, tmp_path / f"same{ending}", FAST)
    assert told == []
    data = (tmp_path / f"out{ending}").read_bytes()
    for one in (ST3D, SV3D, CLAP, VEXU, UUID):
        assert data.count(one) == 1
    assert data.index(b"moov") < data.index(b"mdat")  # it still starts at once
    check_like_without(tmp_path / f"out{ending}", tmp_path / f"same{ending}")
    with av.open(str(tmp_path / f"out{ending}")) as film:
        side = next(film.decode(video=0)).side_data
        assert struct.unpack_from("i", bytes(side["STEREO3D"])) == (1,)
        assert struct.unpack_from("i", bytes(side["SPHERICAL"])) == (3,)


def write_parts(source: Path, folder: Path) -> tuple[list[Path], list[Chunk]]:
    chunks = plan_chunks(source, 0.4)
    assert len(chunks) > 1
    options = options_for(folder / "out.mp4", FAST)
    for chunk in chunks:
        with (
            open_chunk_reader(source, chunk) as reader,
            open_chunk_writer(folder / f"{chunk.number}.mp4", reader.info, options) as writer,
        ):
            for frame in reader.frames():
                writer.write(frame)
    return [folder / f"{chunk.number}.mp4" for chunk in chunks], chunks


def test_the_joined_parts_have_them_too(tmp_path: Path) -> None:
    source = make_boxed(tmp_path / "in.mp4", ST3D, SV3D, CLAP, in_track=UUID)
    parts, chunks = write_parts(source, tmp_path)
    told = join_chunks(parts, probe(source), tmp_path / "joined.mp4")
    once = EncodeOptions(preset="ultrafast", fresh_start_pts=fresh_starts(chunks))
    assert told == write_again(source, tmp_path / "once.mp4", once).warnings == []
    joined, whole = tmp_path / "joined.mp4", tmp_path / "once.mp4"
    assert packets_by_stream(joined) == packets_by_stream(whole)
    for path in (joined, whole):
        assert all(one in path.read_bytes() for one in (ST3D, SV3D, CLAP, UUID))


@pytest.mark.parametrize(
    ("name", "codec"), [("out.mkv", None), ("out.mkv", "hevc"), ("out.webm", None)]
)
def test_matroska_says_the_same_in_elements_and_an_mp4_made_of_it_in_boxes(
    name: str, codec: Codec | None, tmp_path: Path
) -> None:
    source = make_boxed(tmp_path / "in.mp4", ST3D, SV3D, CENTRED)
    options = EncodeOptions(codec, preset="12" if name == "out.webm" else "ultrafast")
    assert write_again(source, tmp_path / name, options).warnings == [
        "Matroska and WebM round times to milliseconds",
        *(["audio stream 1 was re-encoded from aac to opus: webm cannot carry it"]
          if name == "out.webm" else []),
    ]  # fmt: skip
    head = (tmp_path / name).read_bytes()[:4096]
    assert b"\x53\xb8\x81\x01" in head  # StereoMode: side by side, the left eye first
    assert b"\x76\x71\x81\x01" in head  # ProjectionType: equirectangular
    for crop, pixels in ((b"\x54\xaa", 4), (b"\x54\xbb", 4), (b"\x54\xcc", 2), (b"\x54\xdd", 2)):
        assert crop + b"\x81" + bytes([pixels]) in head
    assert write_again(tmp_path / name, tmp_path / "back.mp4", FAST).warnings == []
    data = (tmp_path / "back.mp4").read_bytes()
    assert ST3D in data
    assert POSE in data
    assert HALF in data
    assert CENTRED in data


def test_joined_parts_are_like_one_pass_in_matroska_too(tmp_path: Path) -> None:
    source = make_boxed(tmp_path / "in.mp4", ST3D, SV3D, CENTRED)
    parts, chunks = write_parts(source, tmp_path)
    told = join_chunks(parts, probe(source), tmp_path / "joined.mkv")
    once = EncodeOptions(preset="ultrafast", fresh_start_pts=fresh_starts(chunks))
    assert told == write_again(source, tmp_path / "once.mkv", once).warnings
    joined, whole = tmp_path / "joined.mkv", tmp_path / "once.mkv"
    assert packets_by_stream(joined) == packets_by_stream(whole)
    assert probe(joined).boxes == probe(whole).boxes != NO_BOXES


def test_a_smaller_result_has_the_same_part_shown(tmp_path: Path) -> None:
    source = make_boxed(tmp_path / "in.mp4", CLAP)
    write_again(source, tmp_path / "out.mp4", EncodeOptions(max_long_side=32))
    data = (tmp_path / "out.mp4").read_bytes()
    numbers = struct.unpack(">IIIIiIiI", data[data.index(b"clap") + 4 :][:32])
    shown = [Fraction(a, b) for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
    assert shown == [30, 20, Fraction(1, 4), 0]


def test_the_other_eyes_layer_is_lost_and_nothing_speaks_of_it(tmp_path: Path) -> None:
    source = make_boxed(tmp_path / "in.mp4", VEXU, box(b"lhvC", bytes(8)))
    told = write_again(source, tmp_path / "out.mp4", FAST).warnings
    assert told == ["only one eye's view of the spatial video is kept, as a flat film"]
    assert b"vexu" not in (tmp_path / "out.mp4").read_bytes()


@pytest.mark.parametrize(
    "broken",
    [
        box(b"uuid", bytes(200_000)),  # larger than any such box
        struct.pack(">I", 3) + b"clap",
        box(b"clap", b"short"),
    ],
)
def test_broken_boxes_are_left_out(broken: bytes, tmp_path: Path) -> None:
    source = make_boxed(tmp_path / "in.mp4", in_track=broken)
    write_again(source, tmp_path / "out.mp4", EncodeOptions(max_long_side=32))
    assert probe(tmp_path / "out.mp4").size_wh == (32, 24)
