"""Steady landmarks and steady light."""

from __future__ import annotations

import numpy as np
import pytest

from faces import posed
from lendface.engine.mesh.topology import LIPS_INNER, Topology
from lendface.engine.smooth import smooth, steady_light
from lendface.engine.types import Floats

COUNT = 60
NOSE = 4


@pytest.fixture(scope="module")
def still(topology: Topology) -> Floats:
    """The same face in every frame; its eyes are about 60 pixels apart."""
    return np.tile(posed(topology), (COUNT, 1, 1))


def noise(sigma_px: float) -> Floats:
    return np.random.default_rng(3).normal(0, sigma_px, (COUNT, 478, 3)).astype(np.float32)


def moved(still: Floats, step_px: float) -> tuple[Floats, Floats, Floats]:
    """A face that runs to the right, and the flow there and back."""
    way = np.float32([step_px, 0])
    points = still.copy()
    points[..., 0] += step_px * np.arange(COUNT, dtype=np.float32)[:, None]
    flow = np.broadcast_to(way, (COUNT, 478, 2)).astype(np.float32)
    return points, flow, -flow


def jitter(points: Floats, which: int | tuple[int, ...]) -> float:
    steps = np.diff(points[:, np.atleast_1d(which), :2], n=2, axis=0)
    return float(np.sqrt((steps**2).mean()))


def test_a_noisy_face_becomes_steady_lips_and_lids_less_so(still: Floats) -> None:
    none = np.zeros((COUNT, 478, 2), np.float32)
    points = still + noise(0.5)
    steady = smooth(points, none, none)
    assert jitter(steady, NOSE) < 0.2 * jitter(points, NOSE)
    assert jitter(steady, LIPS_INNER) < 0.6 * jitter(points, LIPS_INNER)
    assert jitter(steady, NOSE) < 0.5 * jitter(steady, LIPS_INNER)
    assert np.abs((steady - still)[..., :2]).mean() < 0.5 * np.abs(noise(0.5)[..., :2]).mean()


def test_a_face_that_runs_with_the_flow_is_where_it_was_seen(still: Floats) -> None:
    points, forth, back = moved(still, 6)
    np.testing.assert_allclose(smooth(points, forth, back), points, atol=1e-2)


def test_motion_that_the_flow_missed_causes_no_lag(still: Floats) -> None:
    points, _, _ = moved(still, 1.5)
    none = np.zeros((COUNT, 478, 2), np.float32)
    steady = smooth(points, none, none)
    lag = (points - steady)[20:40, :, 0]
    np.testing.assert_allclose(lag, 0, atol=0.02)


def test_a_jump_is_believed_at_once(still: Floats) -> None:
    points = still.copy()
    points[30:] += np.float32([25, 0, 0])
    none = np.zeros((COUNT, 478, 2), np.float32)
    np.testing.assert_allclose(smooth(points, none, none), points, atol=1e-3)


def test_the_order_of_time_does_not_matter(still: Floats) -> None:
    points, forth, back = moved(still + noise(0.4), 2)
    there = smooth(points, forth, back)
    turned_forth = np.concatenate([forth[:1], back[:0:-1]])
    turned_back = np.concatenate([back[:1], forth[:0:-1]])
    again = smooth(points[::-1].copy(), turned_forth, turned_back)[::-1]
    np.testing.assert_allclose(again, there, atol=1e-3)


def test_one_frame_is_left_alone(still: Floats) -> None:
    none = np.zeros((1, 478, 2), np.float32)
    np.testing.assert_array_equal(smooth(still[:1], none, none), still[:1])


def test_noisy_light_becomes_steady_and_a_flash_stays_quick() -> None:
    random = np.random.default_rng(4).normal(0, 0.03, (40, 16, 16, 3)).astype(np.float32)
    lights = random + np.float32(4)
    lights[20:23] += 1.0
    steady = steady_light(lights)
    assert steady[:18].std(0).mean() < 0.6 * lights[:18].std(0).mean()
    assert steady[19].mean() == pytest.approx(4, abs=0.02)
    assert steady[21].mean() == pytest.approx(5, abs=0.02)
    assert steady[24].mean() == pytest.approx(4, abs=0.02)
