"""A trimmed film, rendered in parts, is the trimmed film written in one go."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lendface.engine.types import Box, Patch
from lendface.errors import BadOptionError
from lendface.media import (
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
FAST = {"preset": "ultrafast", "bf": "2", "crf": "18"}


def in_parts(
    source: Path,
    options: EncodeOptions,
    start_s: Fraction | None,
    end_s: Fraction | None,
    name: str = "joined.mp4",
) -> tuple[Path, tuple[int, ...]]:
    chunks, info = plan_chunks(source, 0.4, start_s=start_s, end_s=end_s), probe(source)
    parts, of_parts = [], options_for(Path(name), options)
    for chunk in reversed(chunks):  # in any order
        parts.insert(0, source.with_name(f"part{chunk.number}.mp4"))
        with (
            open_chunk_reader(source, chunk) as reader,
            open_chunk_writer(parts[0], info, of_parts) as writer,
        ):
            for frame in reader.frames():
                writer.write(replace(frame, picture=frame.picture.pasted([PATCH])))
        assert writer.frame_count == chunk.frame_count
    joined = source.with_name(name)
    assert join_chunks(parts, info, joined, start_s=start_s, end_s=end_s) == []
    return joined, fresh_starts(chunks)


def in_one_go(
    source: Path, options: EncodeOptions, start_s: Fraction | None, end_s: Fraction | None
) -> Path:
    target = source.with_name("once.mp4")
    with (
        open_video(source, start_s=start_s, end_s=end_s) as reader,
        open_writer(target, reader, options) as writer,
    ):
        for frame in reader.frames():
            writer.write(replace(frame, picture=frame.picture.pasted([PATCH])))
    return target


@pytest.mark.parametrize(
    ("start_s", "end_s"),
    [
        (Fraction(1, 4), Fraction(9, 5)),
        (Fraction(1, 3), None),
        (None, Fraction(173, 100)),
        (Fraction(9, 25), Fraction(2)),  # from a keyframe on
    ],
)
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_joined_parts_of_a_trim_are_the_packets_of_one_pass(
    codec: str, start_s: Fraction | None, end_s: Fraction | None, tmp_path: Path
) -> None:
    source = make_video(
        tmp_path / "in.mp4",
        50,
        (96, 64),
        gop=9,
        sounds=[Sound(seconds=2), Sound(seconds=1.9, language="deu")],
        subtitles={"mov_text": [Line(600, 900, "bonjour")]},
        rotation=90,
        options=FAST,
    )
    options = EncodeOptions(codec, preset="12" if codec == "av1" else "veryfast")  # type: ignore[arg-type]
    joined, starts = in_parts(source, options, start_s, end_s)
    once = in_one_go(source, replace(options, fresh_start_pts=starts), start_s, end_s)
    assert len(starts) > 1
    assert packets_by_stream(joined) == packets_by_stream(once)
    assert video_times(joined)[0] == 0
    assert replace(probe(joined), path=source) == replace(probe(once), path=source)
    inside = [t for t in video_times(source) if (start_s or 0) <= t < (end_s or 9)]
    assert video_times(joined) == [t - inside[0] for t in inside]


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    gaps=st.lists(st.integers(1, 6000), min_size=40, max_size=50),
    late=st.sampled_from([0, 5000, 640_000]),
    gop=st.integers(2, 6),
    bframes=st.sampled_from(["0", "1", "3"]),
    cut=st.tuples(st.integers(0, 15), st.integers(0, 10)),
)
def test_trims_of_variable_rates_join_too(
    gaps: list[int], late: int, gop: int, bframes: str, cut: tuple[int, int], tmp_path: Path
) -> None:
    source = make_video(
        tmp_path / "in.mp4",
        pts=[late + t for t in accumulate(gaps, initial=0)],
        gop=gop,
        options={**FAST, "bf": bframes},
        sounds=[Sound(seconds=0.5)],
        rotation=270,
    )
    times = video_times(source)  # its edit list may have rounded the start
    start_s, end_s = times[cut[0]] - Fraction(1, 25_600), times[-1 - cut[1]]
    options = EncodeOptions(preset="veryfast")
    joined, starts = in_parts(source, options, start_s, end_s)
    once = in_one_go(source, replace(options, fresh_start_pts=starts), start_s, end_s)
    assert packets_by_stream(joined) == packets_by_stream(once)
    assert len(video_times(joined)) == len(times) - cut[0] - cut[1] - 1


@pytest.mark.parametrize("name", ["joined.mkv", "joined.webm", "joined.mov"])
def test_trims_join_into_other_containers(name: str, tmp_path: Path) -> None:
    base = Fraction(1, 1000)
    pts = [40 * k for k in range(50)]
    source = make_video(tmp_path / "in.mkv", pts=pts, time_base=base, gop=8, options=FAST)
    options = EncodeOptions(preset="12" if name.endswith("webm") else "veryfast")
    joined, _ = in_parts(source, options, Fraction(1, 4), Fraction(7, 4), name)
    assert video_times(joined) == [40 * k * base for k in range(37)]


def test_parts_of_a_trim_know_their_frames(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", 50, gop=9, options=FAST)
    trim = {"start_s": Fraction(1, 5), "end_s": Fraction(8, 5)}
    chunks = plan_chunks(source, 0.4, **trim)
    assert [c.start_pts for c in chunks] == [2560, 18 * 512, 36 * 512]
    assert [c.end_pts for c in chunks] == [18 * 512, 36 * 512, 40 * 512]
    assert [(c.first_index, c.frame_count) for c in chunks] == [(0, 13), (13, 18), (31, 4)]
    seen = []
    for chunk in chunks:
        with open_chunk_reader(source, chunk) as reader:
            seen += [(frame.index, frame.time) for frame in reader.frames()]
        assert not reader.damage.is_damaged
    with open_video(source, **trim) as reader:
        assert seen == [(frame.index, frame.time) for frame in reader.frames()]


def test_a_trim_that_leaves_nothing_is_said_before_any_work(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", 10)
    with pytest.raises(BadOptionError, match="leaves no frame"):
        plan_chunks(source, 1, start_s=Fraction(5))


def test_a_film_that_changes_its_size_is_encoded_in_parts_as_it_begins(tmp_path: Path) -> None:
    """A part alone would take the size of its own first frame, and would not fit the others."""
    first = make_video(tmp_path / "a.ts", 12, (96, 64), gop=6, time_base=Fraction(1, 90_000))
    then = make_video(
        tmp_path / "b.ts",
        size_wh=(128, 96),
        pts=[(12 + k) * 3600 for k in range(12)],
        gop=6,
        time_base=Fraction(1, 90_000),
    )
    source = tmp_path / "in.ts"
    source.write_bytes(first.read_bytes() + then.read_bytes())
    info, chunks = probe(source), plan_chunks(source, 0.2)
    options, parts = EncodeOptions("h264", preset="ultrafast"), []
    with open_video(source) as reader:
        like = next(reader.frames())
    for chunk in chunks:
        parts.append(tmp_path / f"part{chunk.number}.mp4")
        with (
            open_chunk_reader(source, chunk) as reader,
            open_chunk_writer(parts[-1], info, options, like) as writer,
        ):
            for frame in reader.frames():
                writer.write(frame)
    join_chunks(parts, info, tmp_path / "joined.mp4")
    frames = decoded_planes(tmp_path / "joined.mp4")
    assert len(frames) == 24
    assert {planes[0].shape for _, planes in frames} == {(64, 96)}
