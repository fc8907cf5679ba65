"""A moving face out of one still portrait, so that the truth about every frame is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lendface.engine.geometry import move_landmarks
from lendface.engine.mesh.shape import pose_of
from lendface.engine.mesh.topology import Topology
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Floats, Frame, Portrait

from .expression import eye_opening, opening
from .paint import Painter
from .rig import build_rig
from .script import TIME_BASE, Moves, Script, frame_ticks, moves_at

FINER = 1.7  # the portrait against the frame: turned skin is stretched


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What one frame of the clip shows."""

    index: int
    time: Fraction  # seconds
    landmarks_xyz: Floats  # (478, 3) pixels
    yaw_pitch_roll_deg: tuple[float, float, float]  # against the camera, as ``Pose`` has them
    mouth_open: float  # as ``opening`` measures it
    eyes_open: float  # as ``eye_opening`` measures it
    moves: Moves  # what the script asked for


def animate(
    portrait: Portrait, topology: Topology, script: Script | None = None
) -> Iterator[tuple[Frame, Truth]]:
    """Every frame of the clip, in order, with what it shows.

    The portrait looks into the camera with closed lips, before a plain background.
    """
    script = script or Script()
    painter = _set_up(portrait, topology, script)
    ticks = frame_ticks(script)
    times = [tick * TIME_BASE for tick in ticks]
    every_move = moves_at(script, np.array([float(time) for time in times]))
    for index, (time, moves) in enumerate(zip(times, every_move, strict=True)):
        posed = painter.rig.posed(moves)
        frame = Frame(index, time, ArrayPicture(painter.paint(posed, moves, index)))
        landmarks = painter.to_frame(posed.landmarks_xyz)
        truth = Truth(
            index=index,
            time=time,
            landmarks_xyz=landmarks,
            yaw_pitch_roll_deg=pose_of(topology, landmarks).yaw_pitch_roll_deg,
            mouth_open=opening(landmarks),
            eyes_open=eye_opening(landmarks),
            moves=moves,
        )
        yield frame, truth


def _set_up(portrait: Portrait, topology: Topology, script: Script) -> Painter:
    picture = portrait.picture
    pixels = picture.reduced(round(script.size_px * FINER))
    scale = pixels.shape[1] / picture.size_wh[0]
    half = (scale - 1) / 2
    to_small = np.float32([[scale, 0, half], [0, scale, half]])
    landmarks = move_landmarks(portrait.mesh.landmarks_xyz, to_small)
    rig = build_rig(pixels, landmarks, topology)
    shrink = script.size_px / max(pixels.shape[:2])
    width, height = (round(side * shrink / 2) * 2 for side in pixels.shape[1::-1])
    return Painter(rig, pixels, script, (width, height))
