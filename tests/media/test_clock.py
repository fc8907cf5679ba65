"""Films whose clock steps or begins anew on the way, and sound that changes on the way."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lendface.media import (
    EncodeOptions,
    join_chunks,
    open_chunk_reader,
    open_chunk_writer,
    open_video,
    open_writer,
    options_for,
    plan_chunks,
    probe,
)
from lendface.media.inspection import inspect_film
from lendface.media.reorder import Reorder
from lendface.media.tracks import CopiedTrack, ForgivenTrack, Outlet, Span
from make_media import Parcel, Sound, make_video, packets_by_stream, video_times

FAST = EncodeOptions(preset="ultrafast")
FRAME = Fraction(1, 25)
COUNT = 25
HOURS = 7200


def part(
    path: Path, start_s: float, sounds: Sequence[Sound] = (Sound(),), count: int = COUNT
) -> bytes:
    """A second of film whose clock begins at ``start_s``, as bytes to be joined with others."""
    codec, base = (
        ("mpeg2video", FRAME) if path.suffix == ".mpg" else ("libx264", Fraction(1, 90000))
    )
    options = {"preset": "veryfast", "bf": "2"} if codec == "libx264" else {}
    made = make_video(
        path,
        count,
        codec=codec,
        options=options,
        gop=12,
        time_base=base,
        sounds=sounds,
        muxer_options={"output_ts_offset": str(start_s)},
    )
    return made.read_bytes()


def joined(path: Path, starts_s: Sequence[float], sounds: Sequence[Sound] = (Sound(),)) -> Path:
    """Parts one after the other, as ``cat`` joins them."""
    parts = [
        part(path.with_name(f"{number}{path.suffix}"), start_s, sounds)
        for number, start_s in enumerate(starts_s)
    ]
    head = 13 if path.suffix == ".flv" else 0  # FLV's header and the length before its first tag
    path.write_bytes(parts[0] + b"".join(data[head:] for data in parts[1:]))
    return path


def copy_of(source: Path, target: Path, options: EncodeOptions = FAST) -> list[str]:
    with open_video(source) as reader, open_writer(target, reader, options) as writer:
        for frame in reader.frames():
            writer.write(frame)
        assert reader.damage.reason is None
    return writer.warnings


def steps(times: Sequence[Fraction]) -> set[Fraction]:
    return {b - a for a, b in itertools.pairwise(times)}


def shown(parcels: Sequence[Parcel]) -> list[Fraction]:
    return sorted(parcel.pts for parcel in parcels)


STEPPING = [
    ("back.ts", (0, 0)),
    ("thrice.ts", (0, 0, 0)),
    ("hours.ts", (0, HOURS)),
    ("hours_and_back.ts", (0, HOURS, 0)),
    ("from_hours.ts", (HOURS, 0)),
    ("back.flv", (0, 0)),
    ("hours.flv", (0, HOURS)),
    ("back.mkv", (0, 0)),
    ("hours.mkv", (0, HOURS)),
    ("back.mpg", (0, 0)),
]


@pytest.mark.parametrize(("name", "starts_s"), STEPPING, ids=[name for name, _ in STEPPING])
def test_the_picture_goes_on_where_the_clock_steps(
    tmp_path: Path, name: str, starts_s: tuple[float, ...]
) -> None:
    sound = Sound("mp2", 48_000) if name.endswith(".mpg") else Sound()
    source = joined(tmp_path / name, starts_s, [sound])
    warnings = copy_of(source, tmp_path / "out.mp4")
    times = video_times(tmp_path / "out.mp4")
    assert len(times) == COUNT * len(starts_s)
    assert steps(times) == {FRAME}
    told = [warning for warning in warnings if "the film's clock steps" in warning]
    assert len(told) == len(starts_s) - 1


@pytest.mark.parametrize(("name", "starts_s"), STEPPING[:-1], ids=[n for n, _ in STEPPING[:-1]])
def test_sound_moves_with_the_picture(
    tmp_path: Path, name: str, starts_s: tuple[float, ...]
) -> None:
    source = joined(tmp_path / name, starts_s)
    copy_of(source, tmp_path / "out.mp4")
    raw = packets_by_stream(tmp_path / f"0{source.suffix}")
    now, joint = packets_by_stream(tmp_path / "out.mp4"), packets_by_stream(source)
    # FLV's last packet lasts no time, which MP4 cannot say: players leave such a sample out.
    assert len(now[1]) == len(joint[1]) - (joint[1][-1].duration == 0)
    offset = raw[1][0].pts - shown(raw[0])[0]
    for number in range(len(starts_s)):
        begins = shown(now[0])[COUNT * number]
        times = [p.pts for p in now[1] if begins - FRAME <= p.pts < begins + 1 - FRAME]
        # A packet that would begin before the one before it begins a tick after that.
        assert abs(times[0] - begins - offset) < (Fraction(1, 30) if number else Fraction(1, 1000))
        assert 42 <= len(times) <= 45  # in a second: nothing is missing, nothing is heaped up


def test_a_step_of_less_than_a_frame_is_mended_in_the_output(tmp_path: Path) -> None:
    """Joined with an overlap: MP4's clock is coarser than that of MPEG-TS, so that packets a tick
    apart in one fall together in the other."""
    source = joined(tmp_path / "in.ts", (0, 0.935))
    copy_of(source, tmp_path / "out.mp4")
    now = packets_by_stream(tmp_path / "out.mp4")
    assert steps(video_times(tmp_path / "out.mp4")) == {FRAME}
    assert all(step > 0 for step in steps([parcel.dts for parcel in now[1]]))


def test_sound_that_steps_back_alone_keeps_the_film(tmp_path: Path) -> None:
    first = part(tmp_path / "0.ts", 0)
    silent = part(tmp_path / "1.ts", 1.0, [])
    late = part(tmp_path / "2.ts", 1.92)
    source = tmp_path / "in.ts"
    source.write_bytes(first + silent + late)
    for name in ("out.mp4", "out.mov", "out.mkv"):
        copy_of(source, tmp_path / name)
        now = packets_by_stream(tmp_path / name)
        assert len(now[0]) == 3 * COUNT


def test_sound_that_begins_in_the_second_part_is_in_step_with_it(tmp_path: Path) -> None:
    source = tmp_path / "in.ts"
    source.write_bytes(part(tmp_path / "0.ts", 0, []) + part(tmp_path / "1.ts", 0))
    copy_of(source, tmp_path / "out.mp4")
    now, raw = packets_by_stream(tmp_path / "out.mp4"), packets_by_stream(tmp_path / "1.ts")
    expected = shown(now[0])[COUNT] + raw[1][0].pts - shown(raw[0])[0]
    # encoded anew, with the 1024 samples before the first that every AAC encoder gives
    assert abs(now[1][0].pts - expected + Fraction(1024, 44_100)) < Fraction(1, 1000)


def test_a_long_pause_that_sound_fills_is_no_jump(tmp_path: Path) -> None:
    """A still slide for a quarter of a minute, and music under it."""
    times = [0, 90_000, 16 * 90_000, 17 * 90_000]
    source = make_video(
        tmp_path / "in.flv", pts=times, time_base=Fraction(1, 90000), sounds=[Sound(seconds=17)]
    )
    was = video_times(source)
    assert copy_of(source, tmp_path / "out.mp4") == []
    assert steps(video_times(tmp_path / "out.mp4")) == steps(was) == {1, 15}


def test_a_pause_of_minutes_in_a_file_that_stores_times_stays(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", pts=[0, 12800, 12800 * 601], gop=1)
    assert copy_of(source, tmp_path / "out.mp4") == []
    assert video_times(tmp_path / "out.mp4") == [0, 1, 601]


def test_a_trim_counts_on_the_mended_clock(tmp_path: Path) -> None:
    source = joined(tmp_path / "in.ts", (0, HOURS, 0))
    with open_video(source) as reader:
        times = [frame.time for frame in reader.frames()]
    with open_video(source, start_s=times[30], end_s=times[60]) as reader:
        assert [frame.time for frame in reader.frames()] == times[30:60]


def test_the_parts_of_a_joined_film_give_the_same_as_one_pass(tmp_path: Path) -> None:
    source, whole, made = joined(tmp_path / "in.ts", (0, 0)), tmp_path / "1.mp4", tmp_path / "2.mp4"
    one_pass = copy_of(source, whole)
    chunks = plan_chunks(source, 0.4)
    options = options_for(made, FAST)
    paths = []
    for chunk in chunks:
        paths.append(tmp_path / f"part{chunk.number}.mp4")
        with (
            open_chunk_reader(source, chunk) as reader,
            open_chunk_writer(paths[-1], reader.info, options) as writer,
        ):
            for frame in reader.frames():
                writer.write(frame)
    assert join_chunks(paths, probe(source), made) == one_pass
    assert packets_by_stream(made) == packets_by_stream(whole)


def test_limits_count_what_is_shown_and_not_what_the_clock_says(tmp_path: Path) -> None:
    for name, starts_s in (("hours.ts", (0, HOURS)), ("back.ts", (0, 0)), ("back.mkv", (0, 0))):
        found = inspect_film(joined(tmp_path / name, starts_s)).videos[0]
        assert (found.frame_count, found.duration) == (2 * COUNT, 2)


def test_a_second_picture_keeps_its_times(tmp_path: Path) -> None:
    """Matroska stores when packets are shown, and not when they are decoded."""
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as target:
        streams = [
            target.add_stream("libx264", rate=25, options={"preset": "veryfast", "bf": "2"})
            for _ in range(2)
        ]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(COUNT):
            for stream in streams:
                pixels = np.random.default_rng(index).integers(0, 255, (48, 64, 3), np.uint8)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = index, FRAME
                target.mux(stream.encode(frame))
        for stream in streams:
            target.mux(stream.encode(None))
    was = packets_by_stream(source)[1]
    for name in ("out.mkv", "out.mp4", "out.mov"):
        assert copy_of(source, tmp_path / name) == []
        now = packets_by_stream(tmp_path / name)[1]
        assert [(p.pts, p.data) for p in now] == [(p.pts, p.data) for p in was]
        assert all(parcel.dts <= parcel.pts for parcel in now)


# Sound that changes on the way


CHANGES = [
    ("stereo_to_surround", "ac3", Sound("ac3", 48_000), Sound("ac3", 48_000, "5.1")),
    ("mono_to_stereo", "mp2", Sound("mp2", 48_000, "mono"), Sound("mp2", 48_000)),
    ("other_rate", "mp2", Sound("mp2", 48_000), Sound("mp2", 44_100)),
    ("aac_to_surround", "aac", Sound("aac", 48_000), Sound("aac", 48_000, "5.1")),
    ("aac_other_rate", "aac", Sound("aac", 48_000), Sound("aac", 32_000)),
]


def decoded_s(path: Path) -> Fraction:
    """How much sound a player hears, s."""
    with av.open(str(path)) as source:
        frames = source.decode(audio=0)
        return sum((Fraction(frame.samples, frame.sample_rate) for frame in frames), Fraction(0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("_name", "codec", "before", "after"), CHANGES, ids=[change[0] for change in CHANGES]
)
@pytest.mark.parametrize("ending", [".mp4", ".webm"])
def test_sound_may_change_its_layout_or_rate(
    tmp_path: Path, _name: str, codec: str, before: Sound, after: Sound, ending: str
) -> None:
    source = tmp_path / "in.ts"
    source.write_bytes(part(tmp_path / "0.ts", 0, [before]) + part(tmp_path / "1.ts", 1, [after]))
    target = (tmp_path / "out").with_suffix(ending)
    warnings = copy_of(source, target, EncodeOptions(preset="12") if ending == ".webm" else FAST)
    assert abs(decoded_s(target) - 2) < Fraction(1, 8)
    is_copied = ending == ".mp4" and codec == "ac3"
    assert is_copied != any("was re-encoded" in warning for warning in warnings)


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_s24le", "pcm_f32le", "pcm_s16be"])
def test_pcm_becomes_aac_in_mp4_but_not_in_mov(tmp_path: Path, codec: str) -> None:
    source = make_video(tmp_path / "in.mov", sounds=[Sound(codec, 48_000)])
    assert copy_of(source, tmp_path / "out.mp4") == [
        f"audio stream 1 was re-encoded from {codec} to aac: many players do not play PCM in MP4"
    ]
    assert probe(tmp_path / "out.mp4").other_streams[0].codec == "aac"
    assert copy_of(source, tmp_path / "out.mov") == []
    was, now = packets_by_stream(source), packets_by_stream(tmp_path / "out.mov")
    assert b"".join(p.data for p in now[1]) == b"".join(p.data for p in was[1])


def test_pcm_stays_in_mp4_where_it_is_asked_for(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mov", sounds=[Sound("pcm_s24le", 48_000)])
    options = EncodeOptions(preset="ultrafast", copies_audio=True)
    assert copy_of(source, tmp_path / "out.mp4", options) == []
    was, now = packets_by_stream(source), packets_by_stream(tmp_path / "out.mp4")
    assert b"".join(p.data for p in now[1]) == b"".join(p.data for p in was[1])


# Any way of joining


@st.composite
def joints(draw: st.DrawFn) -> tuple[str, list[float], list[int]]:
    """The ending of a container, where the clock of each part begins, and its frames."""
    ending = draw(st.sampled_from([".ts", ".flv", ".mkv"]))
    clocks = st.sampled_from([0.0, 0.4, 1.0, 2.0, 7.0, 40.0, 900.0, 5000.0])
    most = 2 if ending == ".mkv" else 4  # FFmpeg does not look for a third Matroska file
    starts = draw(st.lists(clocks, min_size=2, max_size=most))
    counts = draw(st.lists(st.integers(8, 40), min_size=len(starts), max_size=len(starts)))
    return ending, starts, counts


def shown_steps(ending: str, parts: Sequence[list[Fraction]]) -> list[float]:
    """How long each frame but the last should be shown, by the times in the parts."""
    longest = 3600 if ending == ".mkv" else 10
    steps = list[Fraction]()
    for number, times in enumerate(parts):
        if number:
            pause = times[0] - parts[number - 1][-1] - FRAME
            steps.append(FRAME + (pause if 0 <= pause <= longest else 0))
        steps += [b - a for a, b in itertools.pairwise(times)]
    return [float(step) for step in steps]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(film=joints(), has_sound=st.booleans())
def test_however_films_are_joined_each_frame_has_its_time(
    film: tuple[str, list[float], list[int]], has_sound: bool, tmp_path: Path
) -> None:
    ending, starts, counts = film
    paths = [tmp_path / f"{number}{ending}" for number in range(len(starts))]
    parts = [
        part(path, start, [Sound(seconds=count / 25)] * has_sound, count)
        for path, start, count in zip(paths, starts, counts, strict=True)
    ]
    source, target = tmp_path / f"in{ending}", tmp_path / ("o.mkv" if ending == ".mkv" else "o.mp4")
    head = 13 if ending == ".flv" else 0
    source.write_bytes(parts[0] + b"".join(data[head:] for data in parts[1:]))
    copy_of(source, target)
    times = video_times(target)
    found = [float(b - a) for a, b in itertools.pairwise(times)]
    assert found == pytest.approx(shown_steps(ending, [video_times(p) for p in paths]), abs=0.002)
    if has_sound:
        packets = packets_by_stream(target)
        sound = next(parcels for index, parcels in packets.items() if index != 0)
        assert all(step >= 0 for step in steps([parcel.dts for parcel in sound]))
        assert abs(sound[-1].pts - times[-1]) < Fraction(1, 5)


LAYOUTS = {"aac": ("mono", "stereo", "5.1"), "ac3": ("mono", "stereo", "5.1"), "mp2": ("mono",)}
RATES = (32_000, 44_100, 48_000)


@st.composite
def changing_sounds(draw: st.DrawFn) -> list[Sound]:
    """Two to four kinds of one codec's sound, a second each."""
    codec = draw(st.sampled_from(sorted(LAYOUTS)))
    kind = st.builds(
        Sound,
        st.just(codec),
        st.sampled_from(RATES),
        st.sampled_from([*LAYOUTS[codec], "stereo"]),
    )
    return draw(st.lists(kind, min_size=2, max_size=4))


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sounds=changing_sounds())
def test_however_the_sound_changes_all_of_it_is_heard(sounds: list[Sound], tmp_path: Path) -> None:
    source, target = tmp_path / "in.ts", tmp_path / "out.mp4"
    parts = [part(tmp_path / "0.ts", number, [sound]) for number, sound in enumerate(sounds)]
    source.write_bytes(b"".join(parts))
    copy_of(source, target)
    assert abs(decoded_s(target) - len(sounds)) < Fraction(len(sounds), 10)
    assert all(step > 0 for step in steps([p.dts for p in packets_by_stream(target)[1]]))


def test_packets_that_say_only_when_they_are_decoded_are_taken(tmp_path: Path) -> None:
    """FFmpeg leaves it open when some packets are shown: of AVI with H.264, of raw streams."""
    source, target = make_video(tmp_path / "in.mp4", COUNT), tmp_path / "out.mp4"
    warnings = list[str]()
    with av.open(str(source)) as film, av.open(str(target), "w") as made:
        copy = made.add_stream_from_template(film.streams.video[0], opaque=True)
        outlet = Outlet(made, copy, "video stream 1", warnings, Reorder(2))
        track = ForgivenTrack(CopiedTrack(outlet, Span()), "video stream 1", warnings)
        for packet in film.demux(video=0):
            if packet.size:
                packet.pts = None
                track.take(packet)
        track.finish()
    assert warnings == []
    assert shown(packets_by_stream(target)[0]) == [FRAME * index for index in range(COUNT)]
