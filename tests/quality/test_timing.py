"""Frames that are missing or too many, their times, and the sound."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from lendface.engine.types import Array
from lendface.errors import FileMissingError
from lendface.quality.timing import (
    SOUND_HZ,
    Timing,
    compare_times,
    match_times,
    read_sound,
    sound_drift_s,
)
from make_media import picture
from people import write_film

COUNT, SIZE = 14, (96, 72)
FRAMES = [picture(index, SIZE) for index in range(COUNT)]
STEP = Fraction(1, 25)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("timing") / "target.mp4", FRAMES)


def compared(target: Path, frames: Sequence[Any], **options: Any) -> Timing:
    return compare_times(target, write_film(target.with_name("output.mp4"), frames, **options))


def test_the_same_times_match_one_to_one(target: Path) -> None:
    timing = compared(target, FRAMES)
    assert timing.matched == tuple((index, index) for index in range(COUNT))
    assert (timing.dropped, timing.duplicated) == (0, 0)
    assert (timing.time_error_s, timing.start_shift_s) == (0, 0)


def test_a_frame_left_out_is_dropped(target: Path) -> None:
    pts = [512 * index for index in range(COUNT) if index != 5]
    timing = compared(target, FRAMES[:5] + FRAMES[6:], pts=pts)
    assert (timing.dropped, timing.duplicated) == (1, 0)
    assert (6, 5) in timing.matched


def test_a_cut_off_end_is_dropped(target: Path) -> None:
    assert compared(target, FRAMES[:-3]).dropped == 3


def test_a_rate_made_higher_has_duplicates(target: Path) -> None:
    doubled = [frame for frame in FRAMES for _ in (0, 1)]
    timing = compared(target, doubled, pts=[256 * index for index in range(2 * COUNT)])
    assert (timing.dropped, timing.duplicated) == (0, COUNT)


def test_a_picture_shown_again_in_place_of_another_is_a_duplicate(target: Path) -> None:
    timing = compared(target, [*FRAMES[:6], FRAMES[5], *FRAMES[7:]])
    assert (timing.dropped, timing.duplicated) == (0, 1)


def test_a_still_target_has_no_duplicates(tmp_path: Path) -> None:
    still = write_film(tmp_path / "target.mp4", [FRAMES[0]] * 6)
    assert compared(still, [FRAMES[0]] * 6).duplicated == 0


def test_uneven_times_made_even_are_an_error_of_time(tmp_path: Path) -> None:
    pts = [512 * index + (100 if index == 4 else 0) for index in range(COUNT)]
    uneven = write_film(tmp_path / "target.mp4", FRAMES, pts=pts)
    timing = compared(uneven, FRAMES)
    assert timing.time_error_s == pytest.approx(100 / 12_800)
    assert timing.dropped == 0


def test_a_film_that_begins_elsewhere_is_only_shifted(target: Path) -> None:
    timing = compared(target, FRAMES, pts=[512 * index + 1024 for index in range(COUNT)])
    assert len(timing.matched) == COUNT
    assert timing.time_error_s == 0


def test_pictures_say_that_the_first_frame_is_missing(target: Path) -> None:
    timing = compared(target, FRAMES[1:])
    assert timing.matched[:2] == ((1, 0), (2, 1))
    assert (timing.dropped, timing.duplicated) == (1, 0)


def test_pictures_say_that_all_are_a_frame_late(target: Path) -> None:
    timing = compared(target, [FRAMES[0], *FRAMES[:-1]])
    assert timing.matched[:2] == ((0, 1), (1, 2))
    assert (timing.dropped, timing.duplicated) == (1, 1)
    assert timing.start_shift_s == pytest.approx(float(STEP))


def test_of_two_frames_for_one_the_nearer_has_it() -> None:
    times = [STEP * index for index in range(3)]
    output = [Fraction(0), STEP * Fraction(8, 10), STEP * Fraction(11, 10), STEP * 2]
    assert match_times(times, output) == ((0, 0), (1, 2), (2, 3))


def test_nothing_matches_nothing() -> None:
    assert match_times([], [STEP]) == ()
    assert match_times([STEP * 0], []) == ()


def test_one_frame_has_its_counterpart() -> None:
    assert match_times([Fraction(0)], [Fraction(0)]) == ((0, 0),)


def test_a_file_that_is_missing_is_said(target: Path) -> None:
    with pytest.raises(FileMissingError):
        compare_times(target, target.with_name("none.mp4"))


def speech(seconds: float = 3.0) -> Array:
    """(n,) int16: noise that swells and fades, as syllables do."""
    count = round(seconds * SOUND_HZ)
    swell = np.sin(np.arange(count) / SOUND_HZ * 9) ** 2
    noise = np.random.default_rng(5).normal(0, 5000, count)
    return np.int16(np.clip(noise * swell, -32768, 32767))


def later(samples: Array, seconds: float) -> Array:
    return np.concatenate([np.zeros(round(seconds * SOUND_HZ), np.int16), samples])


def test_sound_in_place_does_not_drift() -> None:
    assert sound_drift_s(speech(), speech()) == 0


def test_late_and_early_sound_drift() -> None:
    assert sound_drift_s(speech(), later(speech(), 0.12)) == pytest.approx(0.12)
    assert sound_drift_s(later(speech(), 0.12), speech()) == pytest.approx(-0.12)


def test_a_drift_that_grows_is_seen_at_the_end() -> None:
    long = speech(50)
    slow = np.concatenate([long[: 25 * SOUND_HZ], later(long[25 * SOUND_HZ :], 0.2)])
    assert sound_drift_s(long, slow) == pytest.approx(0.2, abs=0.01)


def test_another_sound_and_silence_say_nothing_of_drift() -> None:
    other = np.int16(np.random.default_rng(9).normal(0, 5000, 3 * SOUND_HZ))
    assert sound_drift_s(speech(), other) is None
    assert sound_drift_s(np.zeros(SOUND_HZ, np.int16), speech()) is None
    assert sound_drift_s(speech(), np.zeros(0, np.int16)) is None


def talking_film(path: Path, sound_late_s: float = 0.0) -> Path:
    """A film of a second with sound that is no tone, so that its place can be told."""
    rate = 44_100
    samples = np.interp(
        np.arange(rate) / rate, np.arange(SOUND_HZ) / SOUND_HZ, speech(1.0) / 32768
    ).astype(np.float32)
    samples = np.concatenate([np.zeros(round(sound_late_s * rate), np.float32), samples])
    with av.open(str(path), "w") as film:
        video: Any = film.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height = SIZE
        audio: Any = film.add_stream("pcm_s16le", rate=rate, layout="mono")
        for index in range(25):
            frame: Any = av.VideoFrame.from_ndarray(picture(index, SIZE), format="rgb24")
            frame.pts, frame.time_base = index, STEP
            film.mux(video.encode(frame))
        film.mux(video.encode(None))
        sound: Any = av.AudioFrame.from_ndarray(
            np.int16(samples * 32767)[None], format="s16", layout="mono"
        )
        sound.sample_rate, sound.pts, sound.time_base = rate, 0, Fraction(1, rate)
        film.mux(audio.encode(sound))
        film.mux(audio.encode(None))
    return path


def test_sound_of_a_file_is_placed_by_its_times(tmp_path: Path) -> None:
    film = talking_film(tmp_path / "film.mkv")
    whole = read_sound(film, Fraction(0))
    late = read_sound(film, Fraction(-1, 2))
    assert whole is not None
    assert late is not None
    assert len(whole) == pytest.approx(SOUND_HZ, abs=20)
    assert len(late) - len(whole) == SOUND_HZ / 2


@pytest.mark.parametrize("late_s", [0.0, 0.08])
def test_late_sound_in_a_file_is_drift(late_s: float, tmp_path: Path) -> None:
    target = talking_film(tmp_path / "target.mkv")
    timing = compare_times(target, talking_film(tmp_path / "output.mkv", late_s))
    assert timing.audio_drift_s == pytest.approx(late_s, abs=0.001)
    assert not timing.has_lost_sound


def test_lost_sound_is_said(tmp_path: Path) -> None:
    target = talking_film(tmp_path / "target.mkv")
    silent = write_film(tmp_path / "output.mp4", [picture(k, SIZE) for k in range(25)])
    timing = compare_times(target, silent)
    assert timing.has_lost_sound
    assert timing.audio_drift_s is None
    assert not compare_times(silent, target).has_lost_sound
