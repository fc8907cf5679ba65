"""When the output shows what: frames that are missing or too many, their times, and the sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import cv2
import numpy as np

from lendface.engine.types import Array, Floats
from lendface.media import open_video
from lendface.media.probe import open_container

SOUND_HZ = 8000
HEARD_S = 20.0  # at the start and at the end of the film, compared one by one
MOST_DRIFT_S = 1.0
SILENT = 1e-3  # of full scale, root mean square
LEAST_LIKENESS = 0.3  # of the sounds; below it they are not the same sound
THUMBNAIL_PX = 64
STILL = 0.10  # levels: what an encoder may change in a picture that is shown twice
MOVES = 1.0  # levels: from here the target is surely another picture
HEAD = 24  # frames at the start whose pictures say how the films lie to each other
MOST_LATE = 3  # frames that an output may lack or have too many at its start
CLEARLY = 0.8  # of the picture difference when the two first frames belong together


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """Frames of one film in order."""

    times_s: tuple[Fraction, ...]  # counted from the first frame
    start_s: Fraction  # of the first frame, in the file's own time
    changes: tuple[float, ...]  # mean difference to the frame before, levels; 0 for the first
    heads: tuple[Floats, ...]  # thumbnails (h, w, 3) of the first frames


@dataclass(frozen=True, slots=True)
class Timing:
    """How the frames of an output belong to those of its target."""

    matched: tuple[tuple[int, int], ...]  # indexes (of the target, of the output), in order
    dropped: int  # frames of the target without a counterpart
    duplicated: int  # frames of the output without one, or that repeat the picture before
    time_error_s: float  # largest difference of the times of a pair; a common shift is none
    start_shift_s: float  # that shift: how much later the output's files have the same pictures
    audio_drift_s: float | None  # see ``sound_drift_s``; None where it cannot be told
    has_lost_sound: bool


def compare_times(target: Path, output: Path) -> Timing:
    """Read both films and pair their frames. Each is decoded once, at about the decoder's speed.

    Times count from the first frames, unless the pictures at the start say that the output lacks
    some of them or has some too many. Sound takes 58 MB of memory an hour.
    Raises the errors of ``open_video``.
    """
    first, second = read_times(target), read_times(output)
    shift = find_shift(first, second)
    shown = [time + shift for time in second.times_s]
    matched = match_times(first.times_s, shown)
    gaps = (abs(first.times_s[own] - shown[new]) for own, new in matched)
    own_sound = read_sound(target, first.start_s)
    new_sound = read_sound(output, second.start_s - shift)
    is_heard = own_sound is not None and new_sound is not None
    return Timing(
        matched=matched,
        dropped=len(first.times_s) - len(matched),
        duplicated=len(shown) - len(matched) + _repeated(first, second, matched),
        time_error_s=float(max(gaps, default=Fraction(0))),
        start_shift_s=float(second.start_s - shift - first.start_s),
        audio_drift_s=sound_drift_s(own_sound, new_sound) if is_heard else None,
        has_lost_sound=own_sound is not None and new_sound is None,
    )


def find_shift(target: FrameTimes, output: FrameTimes) -> Fraction:
    """What to add to the output's times to have the target's, seconds; mostly 0.

    Tried are up to three frames too few or too many at the start, and the files' own times. The
    pictures at the start decide, and where they do not do so clearly the first frames belong
    together.
    """
    shifts = [
        *target.times_s[1 : MOST_LATE + 1],
        *(-time for time in output.times_s[1 : MOST_LATE + 1]),
        output.start_s - target.start_s,
    ]
    least = CLEARLY * _unlikeness(target, output, Fraction(0))
    best = min(shifts, key=lambda shift: _unlikeness(target, output, shift))
    return best if _unlikeness(target, output, best) < least else Fraction(0)


def match_times(
    target_s: Sequence[Fraction], output_s: Sequence[Fraction]
) -> tuple[tuple[int, int], ...]:
    """Pairs of indexes: each frame of the output with the nearest of the target, and no other.

    Both are times from the first frame, growing. Of several that are nearest to the same frame
    the nearest has it; none is further away than half of the way to the next frame.

    >>> match_times([Fraction(k, 25) for k in range(4)], [Fraction(k, 25) for k in (0, 1, 3)])
    ((0, 0), (1, 1), (3, 2))
    """
    if not target_s or not output_s:
        return ()
    own = np.array([float(time) for time in target_s])
    step = float(np.median(np.diff(own))) if len(own) > 1 else 1.0
    best: dict[int, tuple[float, int]] = {}
    for index, time in enumerate(float(time) for time in output_s):
        after = int(np.searchsorted(own, time))
        near = min(
            (k for k in (after - 1, after) if 0 <= k < len(own)), key=lambda k: abs(own[k] - time)
        )
        candidate = abs(own[near] - time), index
        if candidate[0] <= _half_gap(own, near, step) and candidate < best.get(near, (np.inf, 0)):
            best[near] = candidate
    return tuple((near, best[near][1]) for near in sorted(best))


def read_times(path: Path) -> FrameTimes:
    """The times of all frames, as the product's own reader counts and mends them."""
    times: list[Fraction] = []
    changes: list[float] = []
    heads: list[Floats] = []
    with open_video(path) as reader:
        before: Floats | None = None
        for frame in reader.frames():
            now = frame.picture.reduced(THUMBNAIL_PX).astype(np.float32)
            times.append(frame.time)
            changes.append(0.0 if before is None else _unlike(before, now))
            heads += [now] if len(heads) < HEAD else []
            before = now
    start = times[0]
    return FrameTimes(tuple(time - start for time in times), start, tuple(changes), tuple(heads))


def sound_drift_s(target: Array, output: Array) -> float | None:
    """How much the sound moved against the picture, seconds; the largest of start and end.

    Both (n,) int16 are mono at 8 kHz and begin with the first frame. The lag is where their
    correlation is largest within a second, for the first and the last 20 seconds. None where the
    target is silent there, or the output has another sound.
    """
    length = round(HEARD_S * SOUND_HZ)
    parts = [(target[:length], output[:length])]
    if len(target) > length:
        start = len(target) - length
        parts.append((target[start:], output[start : start + length]))
    lags = [lag for own, new in parts if (lag := _lag_s(own, new)) is not None]
    return max(lags, key=abs, default=None)


def read_sound(path: Path, start_s: Fraction) -> Array | None:
    """(n,) int16 mono at 8 kHz of the first sound track from ``start_s`` on, gaps silent.

    None where there is none.
    """
    with open_container(path) as container:
        stream = next((s for s in container.streams.audio if s.codec_context is not None), None)
        pieces = [] if stream is None else list(_sound_pieces(container, stream, start_s))
    if not pieces:
        return None
    samples = np.zeros(max(0, *(at + len(piece) for at, piece in pieces)), np.int16)
    for at, piece in pieces:
        samples[max(at, 0) : max(at + len(piece), 0)] = piece[max(-at, 0) :]
    return samples


def _unlikeness(target: FrameTimes, output: FrameTimes, shift: Fraction) -> float:
    """Mean difference of the pictures at the start when the output is shifted; may be endless."""
    few = 2 * HEAD  # so that the last of the head is not matched for want of a nearer one
    pairs = match_times(target.times_s[:few], [time + shift for time in output.times_s[:few]])
    seen = [(own, new) for own, new in pairs if max(own, new) < HEAD]
    differences = [_unlike(target.heads[own], output.heads[new]) for own, new in seen]
    return float(np.mean(differences)) if differences else np.inf


def _unlike(first: Floats, second: Floats) -> float:
    """Mean difference of two thumbnails, levels of 255; pictures of another shape tell nothing."""
    return float(np.abs(first - second).mean()) if first.shape == second.shape else 0.0


def _half_gap(own: Floats, index: int, step: float) -> float:
    """Half of the way to the nearer neighbour, and a little for rounded times."""
    gaps = [abs(own[k] - own[index]) for k in (index - 1, index + 1) if 0 <= k < len(own)] or [step]
    return 0.51 * float(min(gaps))


def _repeated(first: FrameTimes, second: FrameTimes, matched: Sequence[tuple[int, int]]) -> int:
    """Matched frames whose picture is the one before, though the target's is another."""
    return sum(
        second.changes[new] < STILL and first.changes[own] > MOVES
        for own, new in matched
        if own > 0 and new > 0
    )


def _lag_s(target: Array, output: Array) -> float | None:
    """How much later the output is; None where one is silent or they are not alike."""
    if not len(target) or not len(output):
        return None
    own, new = (part.astype(np.float64) / 32768 for part in (target, output))
    if min(np.sqrt(np.mean(own**2)), np.sqrt(np.mean(new**2))) < SILENT:
        return None
    reach = round(MOST_DRIFT_S * SOUND_HZ)
    size = cv2.getOptimalDFTSize(max(len(own), len(new)) + reach)
    spectrum = np.fft.rfft(new, size) * np.conj(np.fft.rfft(own, size))
    lags = np.arange(-reach, reach + 1)
    values = np.fft.irfft(spectrum, size)[lags] / (np.linalg.norm(own) * np.linalg.norm(new))
    best = int(np.argmax(values))
    return float(lags[best]) / SOUND_HZ if values[best] >= LEAST_LIKENESS else None


def _sound_pieces(container: Any, stream: Any, start_s: Fraction) -> Iterator[tuple[int, Array]]:
    """(place of its first sample, samples) of each decoded piece, mono at 8 kHz."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SOUND_HZ)
    for packet in container.demux(stream):
        try:
            decoded = packet.decode()
        except (av.error.FFmpegError, OSError):  # a broken packet is a gap
            continue
        for frame in (*decoded, *([] if packet.size else [None])):  # at the end what is held back
            for piece in resampler.resample(frame):
                if piece.pts is not None:
                    at = round((piece.pts * piece.time_base - start_s) * SOUND_HZ)
                    yield at, piece.to_ndarray().reshape(-1)
