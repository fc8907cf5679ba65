"""Results that are made smaller, or have fewer frames a second, because that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from lendface.errors import BadOptionError
from lendface.media import (
    EncodeOptions,
    fresh_starts,
    join_chunks,
    open_chunk_reader,
    open_chunk_writer,
    open_video,
    open_writer,
    plan_chunks,
    probe,
)
from lendface.media.encode import fitted_size
from lendface.media.thinning import ends_of_kept, kept_frames
from make_media import Sound, decoded_planes, make_video, packets_by_stream, video_times


def write(source: Path, target: Path, options: EncodeOptions) -> Path:
    ends = ends_of_kept(video_times(source), options.max_fps)
    with open_video(source) as reader, open_writer(target, reader, options) as writer:
        for frame in reader.frames():
            if frame.index in ends:
                writer.write(frame, ends[frame.index])
    return target


def steps(gaps: Sequence[float]) -> list[Fraction]:
    return [Fraction(round(sum(gaps[:k]) * 1000), 1000) for k in range(len(gaps) + 1)]


def rate_of(times: Sequence[Fraction], kept: Sequence[bool]) -> float:
    return sum(kept) / float(times[-1] - times[0] + Fraction(1, 60))


def test_sixty_frames_a_second_become_every_other_one() -> None:
    times = [Fraction(k * 1001, 60_000) for k in range(240)]
    assert kept_frames(times, 30) == [k % 2 == 0 for k in range(240)]


@pytest.mark.parametrize("base", [Fraction(1, 30), Fraction(1001, 30_000), Fraction(1, 25)])
@pytest.mark.parametrize("tick", [Fraction(1, 90_000), Fraction(1, 1000), Fraction(1, 600)])
def test_a_film_at_the_limit_stays_whole_though_its_clock_is_coarse(
    base: Fraction, tick: Fraction
) -> None:
    times = [round(k * base / tick) * tick for k in range(3000)]
    assert all(kept_frames(times, 30))


@pytest.mark.parametrize("source_fps", [31, 48, 50, 59.94, 100, 144, 240])
def test_never_more_frames_a_second_than_asked_and_hardly_fewer(source_fps: float) -> None:
    times = [Fraction(round(k * 90_000 / source_fps), 90_000) for k in range(4000)]
    assert 29.9 < rate_of(times, kept_frames(times, 30)) < 30.1


def test_a_phones_trembling_clock_and_its_pauses_lose_no_more_than_they_must() -> None:
    wobbly = steps([0.028, 0.039] * 200)  # just under 30 a second
    assert sum(kept_frames(wobbly, 30)) >= len(wobbly) - 1
    pause = steps([1 / 60] * 60 + [3] + [1 / 60] * 60)
    after = kept_frames(pause, 30)[61:]
    assert sum(after) in (31, 32)  # not all that were saved up in the pause


def test_a_kept_frame_lasts_until_the_next_one_and_the_last_to_the_end() -> None:
    times = [Fraction(k, 60) for k in range(6)]
    assert ends_of_kept(times, 30) == {0: times[2], 2: times[4], 4: Fraction(6, 60)}
    assert ends_of_kept(times[:5], 30)[4] is None
    assert ends_of_kept(times, None) == dict.fromkeys(range(6))


def test_a_rate_of_nothing_is_refused() -> None:
    for fps in (0, -1, float("inf"), float("nan")):
        with pytest.raises(BadOptionError):
            kept_frames([Fraction(0)], fps)


def test_fewer_frames_keep_their_times_and_the_sound(tmp_path: Path) -> None:
    pts = [k * 256 for k in range(60)]  # 50 a second
    source = make_video(tmp_path / "in.mp4", pts=pts, sounds=[Sound(seconds=1.2)])
    done = write(source, tmp_path / "out.mp4", EncodeOptions(preset="veryfast", max_fps=25))
    assert video_times(done) == video_times(source)[::2]
    assert packets_by_stream(done)[1] == packets_by_stream(source)[1]
    assert {packet.duration for packet in packets_by_stream(done)[0]} == {Fraction(1, 25)}
    assert probe(done).duration == Fraction(6, 5)
    assert probe(done).frame_rate == 25


@pytest.mark.parametrize("trim", [{}, {"start_s": Fraction(3, 10), "end_s": Fraction(17, 10)}])
def test_fewer_frames_in_parts_are_those_of_one_pass(trim: dict, tmp_path: Path) -> None:
    gaps = [200, 300, 150, 420, 256] * 24
    pts = [sum(gaps[:k]) for k in range(len(gaps) + 1)]
    source = make_video(tmp_path / "in.mp4", pts=pts, gop=7, sounds=[Sound(seconds=2)])
    options = EncodeOptions("h264", preset="veryfast", max_fps=24, max_long_side=48)
    with open_video(source, **trim) as reader:
        ends = ends_of_kept([frame.time for frame in reader.frames()], options.max_fps)
    chunks = plan_chunks(source, 0.3, max_fps=options.max_fps, **trim)
    assert len(chunks) > 3
    parts = []
    for chunk in chunks:
        parts.append(tmp_path / f"part{chunk.number}.mp4")
        with (
            open_chunk_reader(source, chunk) as reader,
            open_chunk_writer(parts[-1], reader.info, options) as writer,
        ):
            frames = list(reader.frames())
            assert len(frames) == chunk.frame_count
            for frame in frames:
                if frame.index in ends:
                    writer.write(frame, ends[frame.index])
    joined, once = tmp_path / "joined.mp4", tmp_path / "once.mp4"
    join_chunks(parts, probe(source), joined, **trim)
    fresh = replace(options, fresh_start_pts=fresh_starts(chunks))
    with open_video(source, **trim) as reader, open_writer(once, reader, fresh) as writer:
        for frame in reader.frames():
            if frame.index in ends:
                writer.write(frame, ends[frame.index])
    assert packets_by_stream(joined) == packets_by_stream(once)
    assert len(packets_by_stream(joined)[0]) == len(ends) < 2 * len(gaps) // 3


@pytest.mark.parametrize(
    ("size", "aspect", "limit", "fitted"),
    [
        ((1920, 1080), 1, None, (1920, 1080)),
        ((1920, 1080), 1, 1920, (1920, 1080)),
        ((1081, 721), 1, 1081, (1081, 721)),  # odd, but not too large
        ((1920, 1080), 1, 1280, (1280, 720)),
        ((1080, 1920), 1, 1280, (720, 1280)),
        ((1920, 1080), 1, 853, (852, 480)),
        ((1000, 10), 1, 100, (100, 2)),
        ((720, 576), Fraction(16, 11), 640, (440, 352)),
        ((720, 576), Fraction(9, 16), 1024, (720, 576)),
        ((720, 576), Fraction(9, 16), 512, (360, 288)),
    ],
)
def test_the_size_that_fits(
    size: tuple, aspect: Fraction, limit: int | None, fitted: tuple
) -> None:
    assert fitted_size(size, Fraction(aspect), limit) == fitted


def test_a_limit_of_a_few_pixels_is_refused() -> None:
    with pytest.raises(BadOptionError, match="16 px or more"):
        fitted_size((64, 48), Fraction(1), 8)


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "yuvj420p"])
def test_a_smaller_picture_is_the_same_picture(rotation: int, pix_fmt: str, tmp_path: Path) -> None:
    source = make_video(
        tmp_path / "in.mp4", 3, (320, 240), rotation=rotation, pix_fmt=pix_fmt, colour=(1, 1, 1, 0)
    )
    options = EncodeOptions(is_lossless=True, preset="ultrafast", max_long_side=160)
    done = write(source, tmp_path / "out.mp4", options)
    was, now = probe(source), probe(done)
    assert now.coded_wh == (160, 120)
    assert now.size_wh == (was.size_wh[0] // 2, was.size_wh[1] // 2)
    assert (now.rotation, now.pix_fmt.replace("j", "")) == (was.rotation, pix_fmt.replace("j", ""))
    assert (now.colour, video_times(done)) == (was.colour, video_times(source))
    for (_, small), (_, large) in zip(decoded_planes(done), decoded_planes(source), strict=True):
        for less, plane in zip(small, large, strict=True):
            fair = cv2.resize(plane, less.shape[::-1], interpolation=cv2.INTER_AREA)
            off = np.abs(less.astype(np.float64) - fair) / (4 if "10" in pix_fmt else 1)
            assert off.mean() < 1.5  # a sharper filter than the mean of four


def test_an_odd_film_that_is_made_smaller_becomes_even(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", 3, (321, 243), pix_fmt="yuv444p")
    done = write(source, tmp_path / "out.mp4", EncodeOptions(preset="ultrafast", max_long_side=200))
    assert probe(done).coded_wh == (200, 152)


def test_without_these_wishes_nothing_changes(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", 20, (96, 64))
    plain = write(source, tmp_path / "plain.mp4", EncodeOptions(preset="veryfast"))
    roomy = EncodeOptions(preset="veryfast", max_long_side=96, max_fps=25)
    assert write(source, tmp_path / "roomy.mp4", roomy).read_bytes() == plain.read_bytes()


def test_a_stream_that_suddenly_claims_a_giant_picture_is_not_followed(tmp_path: Path) -> None:
    """Its frames would take hundreds of megabytes each."""
    base = Fraction(1, 90_000)
    first = make_video(tmp_path / "a.ts", 300, (96, 64), time_base=base)
    giant = tmp_path / "b.ts"
    with av.open(str(giant), "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 8192, 4096, "yuv420p"
        frame = av.VideoFrame(8192, 4096, "yuv420p")
        frame.pts, frame.time_base = 400, Fraction(1, 25)
        target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    source = tmp_path / "in.ts"
    source.write_bytes(first.read_bytes() + giant.read_bytes())
    with open_video(source) as reader:
        assert {frame.picture.size_wh for frame in reader.frames()} == {(96, 64)}
    assert reader.damage.is_damaged
