"""Parts rendered alone and joined are the film written in one go."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lendface.engine.types import Box, Patch
from lendface.errors import BadOptionError, OutputError
from lendface.media import (
    Chunk,
    EncodeOptions,
    fresh_starts,
    join_chunks,
    open_chunk_reader,
    open_chunk_writer,
    open_video,
    open_writer,
    options_for,
    plan_chunks,
    probe,
)
from make_media import Line, Sound, decoded_planes, make_video, packets_by_stream, video_times

PATCH = Patch(Box(10, 8, 30, 28), np.full((20, 20, 3), 200, "f4"), np.full((20, 20), 0.7, "f4"))


def render_chunks(
    source: Path, chunks: list[Chunk], folder: Path, options: EncodeOptions
) -> list[Path]:
    info, parts = probe(source), []
    for chunk in reversed(chunks):  # in any order
        part = folder / f"part{chunk.number}.mp4"
        with (
            open_chunk_reader(source, chunk) as reader,
            open_chunk_writer(part, info, options) as writer,
        ):
            for frame in reader.frames():
                writer.write(replace(frame, picture=frame.picture.pasted([PATCH])))
        parts.append(part)
    return parts[::-1]


def render_once(source: Path, target: Path, options: EncodeOptions) -> Path:
    with open_video(source) as reader, open_writer(target, reader, options) as writer:
        for frame in reader.frames():
            writer.write(replace(frame, picture=frame.picture.pasted([PATCH])))
    return target


def both_ways(source: Path, options: EncodeOptions, target_s: float = 0.4) -> tuple[Path, Path]:
    chunks = plan_chunks(source, target_s)
    assert len(chunks) > 2
    parts = render_chunks(source, chunks, source.parent, options_for(Path("x.mp4"), options))
    joined = source.with_name("joined.mp4")
    join_chunks(parts, probe(source), joined)
    once = replace(options, fresh_start_pts=fresh_starts(chunks))
    return joined, render_once(source, source.with_name("once.mp4"), once)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_joined_parts_are_the_packets_of_one_pass(codec: str, tmp_path: Path) -> None:
    source = make_video(
        tmp_path / "in.mp4",
        50,
        (96, 64),
        gop=9,
        sounds=[Sound(seconds=2), Sound(seconds=1.9, language="deu")],
        subtitles={"mov_text": [Line(100, 900, "bonjour")]},
        tags={"title": "The film"},
        rotation=90,
        options={"preset": "ultrafast", "bf": "2", "crf": "18"},
    )
    preset = "12" if codec == "av1" else "veryfast"
    joined, once = both_ways(source, EncodeOptions(codec, preset=preset))  # type: ignore[arg-type]
    assert packets_by_stream(joined) == packets_by_stream(once)
    assert video_times(joined) == video_times(source)
    assert packets_by_stream(joined)[1] == packets_by_stream(source)[1]
    assert packets_by_stream(joined)[2] == packets_by_stream(source)[2]
    assert replace(probe(joined), path=source) == replace(probe(once), path=source)
    assert probe(joined).rotation == probe(source).rotation == 270


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    gaps=st.lists(st.integers(1, 6000), min_size=30, max_size=40),
    start=st.sampled_from([0, 0, 5000, 640_000]),
    gop=st.integers(2, 9),
    bframes=st.sampled_from(["0", "1", "3"]),
)
def test_variable_rates_join_too(
    gaps: list[int], start: int, gop: int, bframes: str, tmp_path: Path
) -> None:
    source = make_video(
        tmp_path / "in.mp4",
        pts=[start + sum(gaps[:i]) for i in range(len(gaps) + 1)],
        gop=gop,
        options={"preset": "ultrafast", "bf": bframes, "crf": "10"},
    )
    chunks = plan_chunks(source, 0.2)
    options = options_for(Path("x.mp4"), EncodeOptions(preset="veryfast"))
    parts = render_chunks(source, chunks, tmp_path, options)
    join_chunks(parts, probe(source), tmp_path / "joined.mp4")
    once = replace(options, fresh_start_pts=fresh_starts(chunks))
    render_once(source, tmp_path / "once.mp4", once)
    assert video_times(tmp_path / "joined.mp4") == video_times(source)
    whole = decoded_planes(tmp_path / "joined.mp4")
    alone = [frame for part in parts for frame in decoded_planes(part)]
    again = decoded_planes(tmp_path / "once.mp4")
    for (time, planes), (part_time, part), (once_time, same) in zip(
        whole, alone, again, strict=True
    ):
        assert time == part_time == once_time
        for plane, kept, other in zip(planes, part, same, strict=True):
            np.testing.assert_array_equal(plane, kept)
            np.testing.assert_array_equal(plane, other)


def test_a_long_gap_before_the_last_keyframes_loses_no_frame(tmp_path: Path) -> None:
    gaps = [1] * 6 + [2564] + [1] * 19 + [3, 2540, 1, 1]  # FFmpeg's reader left out the end
    pts = [sum(gaps[:i]) for i in range(len(gaps) + 1)]
    source = make_video(tmp_path / "in.mp4", pts=pts, gop=2)
    joined, once = both_ways(source, EncodeOptions("h264", preset="veryfast"), 0.2)
    assert video_times(joined) == video_times(once) == [Fraction(t, 12_800) for t in pts]


def test_chunks_cover_every_frame_once_with_its_index(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", 50, gop=9, options={"bf": "2", "preset": "ultrafast"})
    chunks = plan_chunks(source, 0.4)
    assert [c.first_index for c in chunks] == [0, 18, 36]
    assert [c.frame_count for c in chunks] == [18, 18, 14]
    seen = []
    for chunk in chunks:
        with open_chunk_reader(source, chunk) as reader:
            seen += [(frame.index, frame.time) for frame in reader.frames()]
        assert not reader.damage.is_damaged
    with open_video(source) as reader:
        assert seen == [(frame.index, frame.time) for frame in reader.frames()]


def test_open_groups_of_pictures_lose_no_frame_at_a_cut(tmp_path: Path) -> None:
    params = {"preset": "veryfast", "bf": "3", "x264-params": "open-gop=1:scenecut=0"}
    source = make_video(tmp_path / "in.mp4", 60, (96, 64), gop=10, options=params)
    chunks = plan_chunks(source, 0.3)
    assert len(chunks) > 2
    seen = []
    for chunk in chunks:
        with open_chunk_reader(source, chunk) as reader:
            for frame in reader.frames():
                seen.append((frame.time, frame.picture.planes))  # type: ignore[attr-defined]
    for (time, planes), (true_time, true_planes) in zip(seen, decoded_planes(source), strict=True):
        assert time == true_time
        np.testing.assert_array_equal(planes[0], true_planes[0])


@pytest.mark.parametrize("open_gop", [0, 1])
def test_a_film_with_too_few_keyframes_is_cut_between_them(open_gop: int, tmp_path: Path) -> None:
    """As films from the web are, with ten seconds from one to the next."""
    params = f"open-gop={open_gop}:scenecut=0:keyint=40:min-keyint=40"
    options = {"preset": "veryfast", "bf": "3", "crf": "18", "x264-params": params}
    source = make_video(tmp_path / "in.mp4", 90, (96, 64), gop=40, options=options)
    chunks = plan_chunks(source, 0.3)
    assert [c.first_index for c in chunks] == [0, 15, 30, 40, 55, 70, 80]
    truth = decoded_planes(source)
    for chunk in chunks:
        with open_chunk_reader(source, chunk) as reader:
            frames = list(reader.frames())
        assert len(frames) == chunk.frame_count
        for frame in frames:
            time, planes = truth[frame.index]
            assert frame.time == time
            np.testing.assert_array_equal(frame.picture.planes[0], planes[0])  # type: ignore[attr-defined]
    joined, once = both_ways(source, EncodeOptions("h264", preset="veryfast"), 0.3)
    assert packets_by_stream(joined) == packets_by_stream(once)


@pytest.mark.parametrize("ending", [".mkv", ".webm", ".ts"])
def test_other_sources_can_be_cut_as_well(ending: str, tmp_path: Path) -> None:
    codec = "libvpx" if ending == ".webm" else "libx264"
    clock = Fraction(1, 90_000) if ending == ".ts" else Fraction(1, 1000)
    options = {"b": "1M"} if ending == ".webm" else {"preset": "ultrafast", "bf": "2"}
    source = make_video(
        tmp_path / f"in{ending}", 40, codec=codec, gop=8, time_base=clock, options=options
    )
    chunks = plan_chunks(source, 0.3)
    parts = render_chunks(source, chunks, tmp_path, EncodeOptions("h264", preset="ultrafast"))
    assert len(parts) > 2
    assert join_chunks(parts, probe(source), tmp_path / "joined.mp4") == []
    assert video_times(tmp_path / "joined.mp4") == video_times(source)


def test_parts_join_into_matroska_and_webm(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", 30, gop=8, sounds=[Sound(seconds=1.2)])
    chunks = plan_chunks(source, 0.3)
    for name in ("out.mkv", "out.webm"):
        options = options_for(Path(name), EncodeOptions(preset="12" if "webm" in name else None))
        parts = render_chunks(source, chunks, tmp_path, options)
        join_chunks(parts, probe(source), tmp_path / name)
        assert video_times(tmp_path / name) == video_times(source)


def test_parts_with_other_settings_do_not_join(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", 30, gop=8)
    chunks = plan_chunks(source, 0.3)
    parts = render_chunks(source, chunks, tmp_path, EncodeOptions("h264", preset="ultrafast"))
    other = tmp_path / "other"
    other.mkdir()
    parts[1] = render_chunks(source, chunks, other, EncodeOptions("hevc", preset="ultrafast"))[1]
    with pytest.raises(OutputError, match="different settings"):
        join_chunks(parts, probe(source), tmp_path / "joined.mp4")
    assert not (tmp_path / "joined.mp4").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_chunk_needs_a_length(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", 5)
    with pytest.raises(BadOptionError):
        plan_chunks(source, 0)
    (only,) = plan_chunks(source, 60)
    assert (only.start_pts, only.end_pts, only.frame_count) == (None, None, 5)


def test_a_part_is_a_plain_mp4_at_the_sources_clock(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", 30, gop=8, time_base=Fraction(1, 30_000))
    chunks = plan_chunks(source, 0.3)
    parts = render_chunks(source, chunks, tmp_path, EncodeOptions("h264", preset="ultrafast"))
    with av.open(str(parts[1])) as part:
        stream = part.streams.video[0]
        assert (len(part.streams), stream.time_base) == (1, Fraction(1, 30_000))
    assert video_times(parts[1])[0] == chunks[1].start_pts * Fraction(1, 30_000)
