"""Animated GIF, PNG and WebP: read with their own times, and written as what they were."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from make_animations import (
    ENDS_MS,
    SIZE_WH,
    make_animation,
    opaque,
    rgba,
    shown_by_pillow,
    with_text_before,
)
from test_identity import FAST, write_again

from lendface.engine.types import Box
from lendface.errors import (
    MediaTooManyFramesError,
    MediaTooManyPixelsError,
    OutputFormatError,
    UnreadableMediaError,
)
from lendface.media import EncodeOptions, is_image, open_video, probe
from lendface.media.inspection import inspect_film
from lendface.media.picture_size import count_plays, find_format, read_picture_size
from lendface.pipeline.limits import Limits, check_target
from lendface.pipeline.names import ending_for
from make_media import Sound, make_video

STARTS = [Fraction(ms, 1000) for ms in (0, *ENDS_MS[:-1])]
SHOWN_MS = np.diff([0, *ENDS_MS]).tolist()
ENDINGS = [".gif", ".png", ".webp"]
LIMITS = Limits(max_pixels=1 << 20, max_frames=1000)


@pytest.fixture(params=ENDINGS)
def animation(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make_animation(tmp_path / f"in{request.param}", [rgba(k) for k in range(5)])


def test_an_animation_is_read_with_its_own_times_and_what_shines_through(animation: Path) -> None:
    assert not is_image(animation)
    assert probe(animation).has_alpha
    with open_video(animation) as reader:
        for index, frame in enumerate(reader.frames()):
            picture = frame.picture
            assert frame.time == STARTS[index]
            alpha = picture.carrier.alpha  # type: ignore[attr-defined]
            np.testing.assert_array_equal(alpha, rgba(index)[..., 3])
            seen = alpha > 0
            shown = picture.region(Box(0, 0, *SIZE_WH))
            np.testing.assert_allclose(shown[seen], rgba(index)[seen][:, :3], atol=1e-3)
    assert index == 4
    assert not reader.damage.is_damaged


@pytest.mark.parametrize("ending", [".gif", ".png", ".apng", ".webp"])
def test_an_animation_can_be_written_as_each_kind(
    ending: str, animation: Path, tmp_path: Path
) -> None:
    path = tmp_path / f"out{ending}"
    assert write_again(animation, path).warnings == (
        ["GIF has 256 colours a frame and counts time in hundredths of a second"]
        if ending == ".gif" and animation.suffix != ".gif"
        else []
    )
    made = shown_by_pillow(path)
    assert [ms for ms, _ in made] == SHOWN_MS
    for index, (_, pixels) in enumerate(made):
        np.testing.assert_array_equal(pixels[..., 3], rgba(index)[..., 3])
        seen = pixels[..., 3] > 0
        np.testing.assert_array_equal(pixels[seen], rgba(index)[seen])


@pytest.mark.parametrize("plays", [0, 1, 3])
def test_it_is_played_as_often_as_before(plays: int, animation: Path, tmp_path: Path) -> None:
    if animation.suffix == ".gif" and plays:  # which says how often it is shown again
        source = make_animation(tmp_path / "a.gif", [rgba(k) for k in range(3)], plays - 1)
        if plays == 1:
            data = source.read_bytes()
            at = data.index(b"!\xff\x0bNETSCAPE2.0")
            source.write_bytes(data[:at] + data[at + 19 :])
    else:
        source = make_animation(
            tmp_path / f"a{animation.suffix}", [rgba(k) for k in range(3)], plays
        )
    assert count_plays(source) == plays
    for ending in ENDINGS:
        write_again(source, tmp_path / f"out{ending}")
        assert count_plays(tmp_path / f"out{ending}") == plays


def test_an_opaque_animation_has_nothing_to_lose(tmp_path: Path) -> None:
    for ending in (".gif", ".webp"):
        source = make_animation(tmp_path / f"in{ending}", [opaque(k) for k in range(3)])
        assert not probe(source).has_alpha
        assert write_again(source, tmp_path / "out.mp4", FAST).warnings == []


def test_a_png_is_an_animation_wherever_it_says_so(tmp_path: Path) -> None:
    source = make_animation(tmp_path / "in.png", [opaque(k) for k in range(5)])
    for size in (6_000, 1_500_000):  # more than is read at once, and than FFmpeg looks through
        with_text_before(source, size)
        assert not is_image(source)
        assert check_target(source, LIMITS).frame_count == 5
        with open_video(source) as reader:
            assert [frame.time for frame in reader.frames()] == STARTS


def test_a_picture_that_only_speaks_of_animations_is_none(tmp_path: Path) -> None:
    for ending in (".png", ".webp"):
        still = make_animation(tmp_path / f"still{ending}", [opaque(0)])
        if ending == ".png":
            with_text_before(still, 600)
        assert is_image(still)
        assert read_picture_size(still) == SIZE_WH


def test_a_webp_animation_of_one_frame_is_a_picture(tmp_path: Path) -> None:
    moving = make_animation(tmp_path / "in.webp", [rgba(k) for k in range(2)])
    data = moving.read_bytes()
    second = data.index(b"ANMF", data.index(b"ANMF") + 4)
    moving.write_bytes(data[:4] + struct.pack("<I", second - 8) + data[8:second])
    assert find_format(moving) == "webp"
    assert read_picture_size(moving) == SIZE_WH


def test_sizes_and_counts_are_known_before_a_webp_is_decoded(tmp_path: Path) -> None:
    path = make_animation(tmp_path / "in.webp", [rgba(k) for k in range(5)])
    facts = check_target(path, LIMITS)
    assert (facts.container, facts.frame_count, facts.duration_s) == ("webp", 5, 0.9)
    assert (facts.width, facts.height, facts.ending) == (*SIZE_WH, ".webp")
    with pytest.raises(MediaTooManyFramesError):
        check_target(path, replace(LIMITS, max_frames=4))
    data = bytearray(path.read_bytes())
    data[24:30] = (16_000).to_bytes(3, "little") * 2  # a canvas of a gigabyte
    path.write_bytes(data)
    assert not inspect_film(path).videos[0].decodes
    with pytest.raises(MediaTooManyPixelsError):
        check_target(path, LIMITS)
    with pytest.raises(MediaTooManyPixelsError):
        probe(path)


def test_a_webp_whose_frame_lies_outside_is_refused(tmp_path: Path) -> None:
    path = make_animation(tmp_path / "in.webp", [rgba(k) for k in range(2)])
    data = bytearray(path.read_bytes())
    at = data.index(b"ANMF") + 8
    data[at : at + 3] = (900).to_bytes(3, "little")
    path.write_bytes(data)
    with pytest.raises(UnreadableMediaError, match="outside"):
        check_target(path, LIMITS)


def test_a_webp_that_is_cut_off_gives_its_whole_frames(tmp_path: Path) -> None:
    path = make_animation(tmp_path / "in.webp", [rgba(k) for k in range(5)])
    path.write_bytes(path.read_bytes()[:-10])
    assert check_target(path, LIMITS).cut_off == "the file is cut off"
    with open_video(path) as reader:
        assert [frame.time for frame in reader.frames()] == STARTS[:-1]
    assert "the file is cut off" in (reader.damage.reason or "")


def test_a_frame_too_short_for_browsers_is_shown_as_they_do(tmp_path: Path) -> None:
    path = make_animation(tmp_path / "in.webp", [rgba(k) for k in range(3)])
    data = bytearray(path.read_bytes())
    at = data.index(b"ANMF") + 20
    data[at : at + 3] = (10).to_bytes(3, "little")
    path.write_bytes(data)
    with open_video(path) as reader:
        assert [frame.time * 1000 for frame in reader.frames()] == [0, 100, 250]


def test_a_film_becomes_a_gif_where_asked_and_loses_its_sound(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", 5, rotation=90, sounds=[Sound()])
    assert write_again(source, tmp_path / "out.gif").warnings == [
        "the sound is lost: an animated gif has none",
        "GIF has 256 colours a frame and counts time in hundredths of a second",
    ]
    made = shown_by_pillow(tmp_path / "out.gif")
    assert [ms for ms, _ in made] == [40] * 5
    assert made[0][1].shape == (64, 48, 4)  # upright
    for ending in (".png", ".webp"):
        with pytest.raises(OutputFormatError, match="videos are written as"):
            write_again(source, tmp_path / f"out{ending}")


def test_an_animation_has_a_coding_of_its_own(animation: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputFormatError, match="an animated gif has a coding of its own"):
        write_again(animation, tmp_path / "out.gif", EncodeOptions("h264"))


def test_an_animation_can_be_smaller_and_have_fewer_frames(animation: Path, tmp_path: Path) -> None:
    path = tmp_path / f"out{animation.suffix}"
    write_again(animation, path, EncodeOptions(max_long_side=20))
    assert {pixels.shape for _, pixels in shown_by_pillow(path)} == {(16, 20, 4)}


def test_without_a_name_the_result_is_what_the_animation_was(tmp_path: Path) -> None:
    for ending, called in ((".gif", ".gif"), (".png", ".png"), (".webp", ".webp")):
        source = make_animation(tmp_path / f"in{ending}", [rgba(k) for k in range(2)])
        assert ending_for(source) == called
    assert ending_for(source.rename(tmp_path / "film.mp4")) == ".webp"  # by what it is
