"""What goes through without a patch is what was there: clock, samples, sound, shape."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lendface.engine.types import Box, Patch
from lendface.media import (
    EncodeOptions,
    MediaInfo,
    VideoWriter,
    open_video,
    open_writer,
    prefetch,
    probe,
)
from make_media import (
    SHARED_CLIPS,
    Sound,
    decoded_planes,
    make_video,
    packets_by_stream,
    video_times,
)

LOSSLESS = EncodeOptions(is_lossless=True, preset="ultrafast")
FAST = EncodeOptions(preset="ultrafast")
CLIPS = sorted(SHARED_CLIPS.glob("*.mp4"))


def write_again(
    source: Path,
    target: Path,
    options: EncodeOptions = LOSSLESS,
    patch: Patch | None = None,
    **trim: Fraction,
) -> VideoWriter:
    with open_video(source, **trim) as reader, open_writer(target, reader, options) as writer:
        for frame in prefetch(reader.frames()):
            shown = frame.picture.pasted([patch]) if patch else frame.picture
            writer.write(type(frame)(frame.index, frame.time, shown))
    return writer


def look(info: MediaInfo) -> tuple[object, ...]:
    """How a player shows it; an unspecified range is limited."""
    tags = info.colour
    return (
        info.size_wh,
        info.coded_wh,
        info.sample_aspect,
        info.rotation,
        info.is_mirrored,
        (tags.primaries, tags.transfer, tags.matrix, max(1, tags.range)),
    )


def assert_same_film(source: Path, target: Path) -> None:
    old, new = decoded_planes(source), decoded_planes(target)
    assert [time for time, _ in new] == [time for time, _ in old]
    for (_, before), (_, after) in zip(old, new, strict=True):
        for plane, kept in zip(before, after, strict=True):
            np.testing.assert_array_equal(kept, plane)
    assert look(probe(target)) == look(probe(source))
    index = probe(source).video_index
    was, now = packets_by_stream(source), packets_by_stream(target)
    assert {k: v for k, v in now.items() if k != index} == {
        k: v for k, v in was.items() if k != index
    }


CLOCKS = [Fraction(1, 12800), Fraction(1, 90000), Fraction(1, 600), Fraction(1, 30000)]
COLOURS = [(2, 2, 2, 0), (1, 1, 1, 1), (6, 6, 6, 1), (9, 14, 9, 1), (1, 13, 1, 2)]


@st.composite
def films(draw: st.DrawFn) -> dict[str, object]:
    """Arguments of ``make_video``: a film as phones, cameras and editors make them."""
    clock = draw(st.sampled_from(CLOCKS))
    gaps = draw(st.lists(st.integers(1, 2 * clock.denominator // 5), min_size=2, max_size=9))
    start = draw(st.sampled_from([0, 0, 0, 1, clock.denominator // 3]))
    pix_fmt = draw(st.sampled_from(["yuv420p", "yuv422p", "yuv444p"]))
    bits = draw(st.sampled_from(["", "10le"]))
    width, height = draw(st.integers(8, 40)) * 2, draw(st.integers(8, 30)) * 2
    layouts = st.sampled_from(["mono", "stereo", "5.1"])
    rates = st.sampled_from([22_050, 44_100, 48_000])
    return {
        "pts": [start + sum(gaps[:i]) for i in range(len(gaps) + 1)],
        "time_base": clock,
        "size_wh": (
            width + draw(st.integers(0, 1)) * (pix_fmt == "yuv444p"),
            height + draw(st.integers(0, 1)) * (pix_fmt != "yuv420p"),
        ),
        "pix_fmt": pix_fmt + bits,
        "rotation": draw(st.sampled_from([0, 90, 180, 270])),
        "hflip": draw(st.booleans()),
        "sample_aspect": draw(st.sampled_from([Fraction(1), Fraction(64, 45), Fraction(8, 9)])),
        "colour": draw(st.sampled_from(COLOURS)),
        "sounds": draw(
            st.lists(st.builds(Sound, layout=layouts, rate=rates, seconds=st.just(0.4)), max_size=2)
        ),
        "options": {"preset": "ultrafast", "qp": "0", "bf": draw(st.sampled_from(["0", "2"]))},
        "gop": draw(st.integers(1, 6)),
    }


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(film=films(), endings=st.tuples(*[st.sampled_from([".mp4", ".mov"])] * 2))
def test_any_film_goes_through_unchanged(
    film: dict[str, object], endings: tuple[str, str], tmp_path: Path
) -> None:
    source = make_video(tmp_path / f"in{endings[0]}", **film)  # type: ignore[arg-type]
    target = tmp_path / f"out{endings[1]}"
    writer = write_again(source, target)
    assert_same_film(source, target)
    assert writer.warnings == []


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(film=films())
def test_matroska_goes_to_matroska_unchanged(film: dict[str, object], tmp_path: Path) -> None:
    step = max(1, film["time_base"].denominator // 500)  # type: ignore[attr-defined]
    film["pts"] = [pts * step for pts in film["pts"]]  # at least a millisecond apart
    source = make_video(tmp_path / "in.mkv", **film)  # type: ignore[arg-type]
    write_again(source, tmp_path / "out.mkv")
    assert_same_film(source, tmp_path / "out.mkv")


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(film=films(), corner=st.tuples(st.integers(0, 20), st.integers(0, 20)))
def test_outside_a_patch_the_decoders_samples_stay(
    film: dict[str, object], corner: tuple[int, int], tmp_path: Path
) -> None:
    film |= {"sample_aspect": Fraction(1), "pix_fmt": "yuv444p", "rotation": 0, "hflip": False}
    source = make_video(tmp_path / "in.mp4", **film)  # type: ignore[arg-type]
    width, height = probe(source).size_wh
    box = Box(*corner, corner[0] + 6, corner[1] + 5).clipped((width, height))
    if box.is_empty:
        return
    shape = box.height, box.width
    patch = Patch(box, np.zeros((*shape, 3), np.float32), np.ones(shape, np.float32))
    write_again(source, tmp_path / "out.mp4", patch=patch)
    outside = np.ones((height, width), bool)
    outside[box.y0 : box.y1, box.x0 : box.x1] = False
    pairs = zip(decoded_planes(source), decoded_planes(tmp_path / "out.mp4"), strict=True)
    for (_, before), (_, after) in pairs:
        for plane, kept in zip(before, after, strict=True):
            np.testing.assert_array_equal(kept[outside], plane[outside])
        assert not np.array_equal(after[0][~outside], before[0][~outside])


@pytest.mark.slow
@pytest.mark.clips
@pytest.mark.skipif(not CLIPS, reason="the shared clips are not here")
@pytest.mark.parametrize("clip", CLIPS, ids=lambda path: path.stem)
def test_a_shared_clip_keeps_its_clock_sound_and_shape(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    writer = write_again(clip, target, FAST)
    assert video_times(target) == video_times(clip)
    assert look(probe(target)) == look(probe(clip))
    assert packets_by_stream(target).get(1) == packets_by_stream(clip).get(1)
    assert (writer.warnings, probe(target).frame_count) == ([], probe(clip).frame_count)


@pytest.mark.slow
@pytest.mark.clips
@pytest.mark.skipif(not CLIPS, reason="the shared clips are not here")
def test_a_real_clip_keeps_every_sample_outside_the_face_box(tmp_path: Path) -> None:
    box = Box(200, 100, 420, 300)
    patch = Patch(box, np.full((200, 220, 3), 90, np.float32), np.ones((200, 220), np.float32))
    clip = CLIPS[3]
    write_again(clip, tmp_path / "out.mp4", patch=patch)
    pairs = zip(decoded_planes(clip), decoded_planes(tmp_path / "out.mp4"), strict=True)
    for (_, before), (_, after) in pairs:
        for plane, kept, shift in zip(before, after, (0, 1, 1), strict=True):
            outside = np.ones(plane.shape, bool)
            outside[100 >> shift : 300 >> shift, 200 >> shift : (420 >> shift) + shift] = False
            np.testing.assert_array_equal(kept[outside], plane[outside])


ODD = [((61, 47), "yuv420p"), ((61, 48), "yuv422p"), ((64, 47), "yuv420p"), ((361, 287), "yuv420p")]


@pytest.mark.parametrize(("size_wh", "pix_fmt"), ODD)
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_an_odd_size_stays_and_so_does_all_luma(
    size_wh: tuple[int, int], pix_fmt: str, codec: str, tmp_path: Path
) -> None:
    source = make_video(tmp_path / "in.mkv", 3, size_wh, pix_fmt=pix_fmt, codec="ffv1")
    options = EncodeOptions(codec, is_lossless=True, preset="ultrafast")  # type: ignore[arg-type]
    writer = write_again(source, tmp_path / "out.mp4", options)
    assert probe(tmp_path / "out.mp4").coded_wh == size_wh
    for (_, before), (_, after) in zip(
        decoded_planes(source), decoded_planes(tmp_path / "out.mp4"), strict=True
    ):
        np.testing.assert_array_equal(after[0], before[0])
    assert len(writer.warnings) == 1
    assert "is converted from" in writer.warnings[0]


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_ten_bits_stay_ten_bits(codec: str, tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", 3, pix_fmt="yuv420p10le", colour=(9, 16, 9, 1))
    preset = "12" if codec == "av1" else "ultrafast"
    options = EncodeOptions(codec, preset=preset)  # type: ignore[arg-type]
    writer = write_again(source, tmp_path / "out.mp4", options)
    info = probe(tmp_path / "out.mp4")
    assert (info.codec, info.pix_fmt, info.bit_depth) == (codec, "yuv420p10le", 10)
    assert look(info) == look(probe(source))
    assert bool(writer.warnings) == (codec == "h264")  # see test_compatible.py


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_hdr_light_levels_stay(codec: str, tmp_path: Path) -> None:
    params = (
        "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
        ":max-cll=1000,400:log-level=error"
    )
    source = make_video(
        tmp_path / "in.mp4",
        3,
        pix_fmt="yuv420p10le",
        codec="libx265",
        colour=(9, 16, 9, 1),
        options={"x265-params": params, "preset": "ultrafast"},
    )
    preset = "12" if codec == "av1" else "ultrafast"
    options = EncodeOptions(codec, preset=preset)  # type: ignore[arg-type]
    write_again(source, tmp_path / "out.mp4", options)
    assert hdr_data(tmp_path / "out.mp4") == hdr_data(source)


def hdr_data(path: Path) -> tuple[list[float], tuple[int, ...]]:
    """Mastering display, rounded as AV1 rounds it, and content light."""
    from lendface.media.encode import content_light, mastering_numbers

    with open_video(path) as reader:
        frame = next(reader.frames()).picture.carrier.frame  # type: ignore[attr-defined]
        numbers, light = mastering_numbers(frame), content_light(frame)
    assert numbers is not None
    assert light is not None
    return [round(n, 3) for n in numbers], tuple(int(n) for n in light.split(","))


FOREIGN = {
    "gif": {"codec": "gif", "pix_fmt": "rgb8", "time_base": Fraction(1, 100)},
    "avi": {"codec": "mpeg4", "time_base": Fraction(1, 25), "options": {"bf": "2"}},
    "mpg": {"codec": "mpeg2video", "time_base": Fraction(1, 25)},
    "ts": {"time_base": Fraction(1, 90000)},
    "webm": {"codec": "libvpx", "time_base": Fraction(1, 1000), "options": {"b": "1M"}},
}


@pytest.mark.parametrize("ending", FOREIGN)
def test_other_containers_come_out_as_mp4_on_their_own_clock(ending: str, tmp_path: Path) -> None:
    source = make_video(tmp_path / f"in.{ending}", 12, **FOREIGN[ending])  # type: ignore[arg-type]
    write_again(source, tmp_path / "out.mp4", FAST)
    assert video_times(tmp_path / "out.mp4") == video_times(source)
    assert probe(tmp_path / "out.mp4").size_wh == (64, 48)
    assert probe(tmp_path / "out.mp4").pix_fmt == "yuv420p"


def test_what_a_codec_cannot_keep_is_told(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mkv", 3, pix_fmt="yuva420p", codec="ffv1")
    assert write_again(source, tmp_path / "out.mp4", FAST).warnings == [
        "the video's transparency is lost"
    ]
    fine = make_video(tmp_path / "in.mp4", 3, pix_fmt="yuv444p10le")
    assert write_again(fine, tmp_path / "out.mkv", EncodeOptions("av1", preset="12")).warnings == [
        "the picture is converted from yuv444p10le to yuv420p10le",
        "Matroska and WebM round times to milliseconds",
    ]


def test_webm_gets_av1_by_itself(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", 5, rotation=90, sounds=[Sound()])
    write_again(source, tmp_path / "out.webm", EncodeOptions(preset="12"))
    info = probe(tmp_path / "out.webm")
    assert (info.codec, info.size_wh, info.rotation) == ("av1", (48, 64), 270)
    assert [stream.codec for stream in info.other_streams] == ["opus"]
    assert video_times(tmp_path / "out.webm") == video_times(source)


def test_times_that_stand_still_are_mended_and_told(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mkv", pts=[0, 512, 520, 1024], codec="ffv1")
    assert video_times(source) == [0, Fraction(40, 1000), Fraction(41, 1000), Fraction(80, 1000)]
    same = make_video(tmp_path / "same.mkv", pts=[0, 512, 516, 1024], codec="ffv1")
    with open_video(same) as reader:
        times = [frame.time for frame in reader.frames()]
    assert times == [0, Fraction(40, 1000), Fraction(41, 1000), Fraction(80, 1000)]
    assert (reader.damage.repaired_times, reader.damage.is_damaged) == (1, False)


@pytest.mark.parametrize(("start", "end"), [(Fraction(1, 3), Fraction(1)), (Fraction(2, 5), None)])
@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_trim_is_exact_and_keeps_sound_and_picture_together(
    start: Fraction, end: Fraction | None, ending: str, tmp_path: Path
) -> None:
    source = make_video(tmp_path / "in.mp4", 30, gop=7, sounds=[Sound(seconds=1.2)])
    trim = {"start_s": start, "end_s": end}
    write_again(source, tmp_path / f"out{ending}", **trim)  # type: ignore[arg-type]
    old, new = decoded_planes(source), decoded_planes(tmp_path / f"out{ending}")
    kept = [(t, p) for t, p in old if start <= t < (end or 9)]
    assert [time for time, _ in new] == [time - kept[0][0] for time, _ in kept]
    for (_, before), (_, after) in zip(kept, new, strict=True):
        np.testing.assert_array_equal(after[0], before[0])
    when = {parcel.data: parcel.pts for parcel in packets_by_stream(source)[1]}
    moved = packets_by_stream(tmp_path / f"out{ending}")[1]
    tick = Fraction(1, 44_100) if ending == ".mp4" else Fraction(1, 1000)
    assert len(moved) >= 20
    for parcel in moved:
        assert abs(when[parcel.data] - parcel.pts - kept[0][0]) <= tick
