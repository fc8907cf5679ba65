"""What the person of the demo clip does, and when: turns, words, blinks, glances, and the light.

Everything follows from the seed, so that two runs make the same clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lendface.engine.types import Array, Floats

TIME_BASE = Fraction(1, 600)
GAPS_TICKS = (20, 25, 30, 40)  # 1/30, 1/24, 1/20 and 1/15 of a second
GAP_CHANCES = (0.55, 0.2, 0.15, 0.1)
SYLLABLE_S = 0.21
PHRASE_SYLLABLES = (4, 9)
BLINK_EVERY_S = (0.9, 1.9)
LONGEST_OPENING_CM = 1.5
STREAMS = ("clock", "speech", "blinks", "glances")


@dataclass(frozen=True)
class Script:
    """How long, how large, and how much of everything; angles are the largest ones reached."""

    seed: int = 11
    seconds: float = 6.0
    size_px: int = 720  # the clip is square
    yaw_deg: float = 25.0
    pitch_deg: float = 5.0
    roll_deg: float = 4.0
    light: float = 0.35  # log, from the mean to the brightest side of the face
    noise: float = 1.5  # of the sensor, in steps of 0..255


@dataclass(frozen=True, slots=True)
class Moves:
    """One moment: the turn of the head against the portrait, and everything else that moves."""

    yaw_deg: float  # positive: to the image's right
    pitch_deg: float  # positive: up
    roll_deg: float  # positive: clockwise on the screen
    drift_cm: tuple[float, float]
    jaw_cm: float  # how far the lower lip comes down
    wide_cm: float  # how far each mouth corner moves out
    closed: float  # 0 eyes as in the portrait, 1 shut
    gaze: tuple[float, float]  # -1..1 right and down, in the most that looks natural
    breath: float  # -1..1
    light_from: tuple[float, float, float]  # unit vector towards the light, image axes
    warmth: float  # -1..1


def frame_ticks(script: Script) -> list[int]:
    """When each frame is shown, in ticks of ``TIME_BASE``; the gaps are uneven on purpose."""
    dice = _dice(script, "clock")
    end = round(script.seconds / TIME_BASE)
    gaps = dice.choice(GAPS_TICKS, size=end // min(GAPS_TICKS) + 1, p=GAP_CHANCES)
    ticks = np.concatenate([[0], np.cumsum(gaps)])
    return [int(tick) for tick in ticks[ticks < end]]


def moves_at(script: Script, times_s: Floats) -> list[Moves]:
    """What happens at each of the given times, (n,) seconds."""
    t = np.asarray(times_s, np.float64)
    jaw, wide = _speech(script, t)
    closed, gaze = _blinks(script, t), _glances(script, t)
    yaw, pitch, roll = _turns(script, t)
    drift = np.stack([0.5 * np.sin(0.9 * t + 0.4), 0.25 * np.sin(1.3 * t)], 1)
    drift[:, 0] += yaw / 25 * 0.6  # who turns also leans a little
    lights = _wandering_light(t)
    warmth, breath = np.sin(0.8 * t + 1), np.sin(1.7 * t)
    return [
        Moves(
            yaw_deg=float(yaw[k]),
            pitch_deg=float(pitch[k]),
            roll_deg=float(roll[k]),
            drift_cm=(float(drift[k, 0]), float(drift[k, 1])),
            jaw_cm=float(jaw[k]),
            wide_cm=float(wide[k]),
            closed=float(closed[k]),
            gaze=(float(gaze[k, 0]), float(gaze[k, 1])),
            breath=float(breath[k]),
            light_from=(float(lights[k, 0]), float(lights[k, 1]), float(lights[k, 2])),
            warmth=float(warmth[k]),
        )
        for k in range(len(t))
    ]


def _turns(script: Script, t: Array) -> tuple[Array, Array, Array]:
    turn = 2 * np.pi * t / max(script.seconds, 1e-6)
    yaw = np.tanh(1.6 * np.sin(turn)) / np.tanh(1.6)  # rests a little at each side
    pitch = 0.6 * np.sin(2.3 * turn + 0.6) + 0.4 * np.sin(5.1 * turn)
    roll = 0.75 * np.sin(1.4 * turn - 0.5) + 0.25 * np.sin(3.7 * turn + 2)
    return script.yaw_deg * yaw, script.pitch_deg * pitch, script.roll_deg * roll


def _speech(script: Script, t: Array) -> tuple[Array, Array]:
    """Phrases of syllables with pauses between them; (n,) each, centimetres."""
    dice = _dice(script, "speech")
    jaw, wide = np.zeros(len(t)), np.zeros(len(t))
    start = 0.35
    while start < script.seconds:
        for _ in range(int(dice.integers(*PHRASE_SYLLABLES))):
            length = SYLLABLE_S * dice.uniform(0.8, 1.3)
            bump = _bump(t, start + length / 2, length * 0.62)
            jaw += dice.uniform(0.35, 1.0) * bump
            wide += dice.uniform(-0.32, 0.28) * _bump(t, start + length / 2, length * 0.9)
            start += length
        start += dice.uniform(0.35, 0.7)
    return LONGEST_OPENING_CM * np.minimum(jaw, 1.0), wide


def _blinks(script: Script, t: Array) -> Array:
    dice = _dice(script, "blinks")
    closed, at = np.zeros(len(t)), 0.6
    while at < script.seconds:
        falling, rising = _ease((t - at) / 0.09), _ease((t - at - 0.14) / 0.16)
        closed = np.maximum(closed, falling - rising)
        at += dice.uniform(*BLINK_EVERY_S)
    return closed


def _glances(script: Script, t: Array) -> Array:
    """(n, 2): the eyes rest, jump, and rest again."""
    dice = _dice(script, "glances")
    gaze, last, at = np.zeros((len(t), 2)), np.zeros(2), 0.5
    while at < script.seconds:
        there = dice.uniform(-1, 1, 2) * (1, 0.6) if dice.random() < 0.7 else np.zeros(2)
        gaze += _ease((t - at) / 0.07)[:, None] * (there - last)
        last, at = there, at + dice.uniform(0.4, 0.9)
    return gaze


def _wandering_light(t: Array) -> Array:
    """(n, 3) unit vectors: a lamp that moves before the person, from side to side."""
    side, height = np.sin(1.15 * t - 0.6), 0.45 + 0.3 * np.sin(0.7 * t)
    towards = np.stack([side, -height, np.full(len(t), -0.9)], 1)
    return towards / np.linalg.norm(towards, axis=1, keepdims=True)


def _bump(t: Array, middle: float, half_width: float) -> Array:
    near = np.clip(np.abs(t - middle) / half_width, 0, 1)
    return 0.5 + 0.5 * np.cos(np.pi * near)


def _ease(share: Array) -> Array:
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)


def _dice(script: Script, stream: str) -> np.random.Generator:
    """Chance for one stream only: more of one thing does not change the others."""
    return np.random.default_rng([script.seed, STREAMS.index(stream)])
