"""A film is swapped, not the pictures that lie beside it, whatever the file marks as default."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_identity import FAST, write_again

from lendface.media import list_packets, open_video, probe
from lendface.pipeline.limits import Limits, check_target
from make_media import picture

DEFAULT = av.stream.Disposition.default
NONE = av.stream.Disposition(0)


def make_streams(
    path: Path, *streams: tuple[str, int, tuple[int, int], av.stream.Disposition]
) -> Path:
    """(codec, how many frames, their size, marks) of each picture; they last a second together."""
    with av.open(str(path), "w") as film:
        made = []
        for codec, _, size_wh, marks in streams:
            stream = film.add_stream(codec, rate=25)
            stream.width, stream.height = size_wh
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.disposition = marks
            stream.codec_context.time_base = Fraction(1, 25)
            made.append(stream)
        packets = []
        for stream, (_, count, size_wh, _) in zip(made, streams, strict=True):
            for index in range(count):
                frame = av.VideoFrame.from_ndarray(picture(index, size_wh), format="rgb24")
                frame = frame.reformat(format=stream.pix_fmt)
                frame.pts, frame.time_base = index * 25 // count, Fraction(1, 25)
                packets += stream.encode(frame)
            packets += stream.encode(None)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            film.mux(packet)
    return path


@pytest.mark.parametrize("ending", [".mkv", ".mp4", ".mov", ".avi"])
@pytest.mark.parametrize("marks", [(DEFAULT, NONE), (NONE, NONE), (DEFAULT, DEFAULT)])
@pytest.mark.parametrize("pictures", [1, 3])
def test_the_film_beats_its_cover_and_its_thumbnails(
    ending: str, marks: tuple[av.stream.Disposition, ...], pictures: int, tmp_path: Path
) -> None:
    path = make_streams(
        tmp_path / f"in{ending}",
        ("mjpeg", pictures, (160, 96), marks[0]),
        ("mpeg4", 25, (64, 48), marks[1]),
    )
    assert (probe(path).codec, probe(path).video_index) == ("mpeg4", 1)
    assert check_target(path, Limits()).frame_count == 25
    assert len(list_packets(path)[0]) == 25
    with open_video(path) as reader:
        assert len(list(reader.frames())) == 25
    if ending == ".mkv":
        write_again(path, tmp_path / "out.mkv", FAST)
        assert probe(tmp_path / "out.mkv").codec == "h264"
        assert [other.codec for other in probe(tmp_path / "out.mkv").other_streams] == ["mjpeg"]


def test_of_two_films_the_default_is_swapped(tmp_path: Path) -> None:
    path = make_streams(
        tmp_path / "in.mkv",
        ("mpeg4", 25, (160, 96), NONE),
        ("mpeg4", 12, (64, 48), DEFAULT),  # every other frame, which is a film too
    )
    assert probe(path).video_index == 1
    alike = make_streams(
        tmp_path / "alike.mkv", ("mpeg4", 5, (64, 48), NONE), ("mpeg4", 5, (160, 96), NONE)
    )
    assert probe(alike).video_index == 1  # the largest


def test_a_single_picture_is_taken_where_there_is_nothing_else(tmp_path: Path) -> None:
    path = make_streams(tmp_path / "in.mkv", ("mjpeg", 1, (160, 96), DEFAULT))
    assert (probe(path).codec, probe(path).video_index) == ("mjpeg", 0)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    frames=st.integers(24, 25),
    pictures=st.integers(1, 3),
    size_wh=st.sampled_from([(32, 32), (64, 48), (320, 240)]),
    marks=st.tuples(*[st.sampled_from([DEFAULT, NONE])] * 2),
    is_first=st.booleans(),
)
def test_whatever_its_place_size_and_marks_a_still_is_no_film(
    frames: int,
    pictures: int,
    size_wh: tuple[int, int],
    marks: tuple[av.stream.Disposition, av.stream.Disposition],
    is_first: bool,
    tmp_path: Path,
) -> None:
    still, film = ("mjpeg", pictures, size_wh, marks[0]), ("mpeg4", frames, (64, 48), marks[1])
    order = (still, film) if is_first else (film, still)
    path = make_streams(tmp_path / "in.mkv", *order)
    assert probe(path).video_index == int(is_first)
    with open_video(path) as reader:
        assert len(list(reader.frames())) == frames
