"""What is said of two films whose acts are made up."""

from __future__ import annotations

import numpy as np
import pytest

from lendface.engine.mesh.topology import Topology
from lendface.models.blendshapes import NAMES
from lendface.quality.motion import Motion
from lendface.quality.reading import FaceReading


def showing(jaw: float, topology: Topology) -> FaceReading:
    blendshapes = np.zeros(52, np.float32)
    blendshapes[NAMES.index("jawOpen")] = jaw
    nothing = np.zeros(0, np.float32)
    points = np.zeros((478, 3), np.float32)
    return FaceReading(points, 1.0, nothing, nothing, blendshapes, topology)


def opening(frame: int) -> float:
    return float(0.3 + 0.2 * np.sin(frame * 0.7) + 0.1 * np.sin(frame * 0.31))


def film(topology: Topology, late: int, stride: int = 1) -> dict[str, float]:
    motion = Motion(stride)
    for frame in range(0, 60, stride):
        target, output = (showing(opening(k), topology) for k in (frame, frame - late))
        motion.see(frame, 1, target, output)
    return motion.figures()


def test_a_mouth_in_time_correlates_without_a_lag(topology: Topology) -> None:
    found = film(topology, late=0)
    assert found["jaw_correlation"] == pytest.approx(1)
    assert found["jaw_lag"] == 0


@pytest.mark.parametrize("late", [2, -1])
def test_a_late_or_early_mouth_has_its_lag(topology: Topology, late: int) -> None:
    found = film(topology, late)
    assert found["jaw_lag"] == abs(late)
    assert found["jaw_correlation"] < 0.95


def test_with_a_stride_no_lag_is_told(topology: Topology) -> None:
    assert "jaw_lag" not in film(topology, late=0, stride=3)


def test_what_the_target_does_not_do_has_no_figure(topology: Topology) -> None:
    assert set(film(topology, late=0)) == {"jaw_correlation", "jaw_lag"}
