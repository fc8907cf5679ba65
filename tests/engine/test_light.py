"""The light on a face, read from crops whose light the test painted."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from faces import posed, rotation
from lendface.engine.mesh.light import LightMeter, add_light, from_log, spread_light, to_log
from lendface.engine.mesh.topology import LIPS_OUTER, OVAL, POINTS, Topology
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Floats, Pixels

SIDE = 128
CHEEKS, FOREHEAD, CHIN = [50, 280], [9, 108, 337, 151], [199, 175]
BEARD = [  # along the jaw, then back over the cheeks' lower part and under the nose
    58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 434, 426, 326, 2, 97,
    206, 214,
]  # fmt: skip


@pytest.fixture(scope="module")
def meter(topology: Topology) -> LightMeter:
    return LightMeter(topology)


@pytest.fixture(scope="module")
def face(topology: Topology) -> Floats:
    """A face of 85 pixels in the middle of a crop."""
    return posed(topology, scale=4.7, shift_xyz=(63.5, 60.0, 0.0))


def skin(across: float = 0.0, down: float = 0.0) -> Pixels:
    """One skin colour under light that grows by these log steps over the crop."""
    ys, xs = np.mgrid[:SIDE, :SIDE] / (SIDE - 1) - 0.5
    factor = np.exp(across * xs + down * ys)[..., None]
    return np.uint8(np.clip(np.float32([150, 115, 95]) * factor, 0, 255))


def light_at(grid: Floats, topology: Topology, points: list[int]) -> Floats:
    return spread_light(grid, np.ascontiguousarray(topology.uv[None, points]))[0]


def painted_at(crop: Pixels, face: Floats, points: list[int]) -> Floats:
    places = np.ascontiguousarray(face[None, points, :2])
    return to_log(cv2.remap(crop.astype(np.float32), places, None, cv2.INTER_LINEAR))[0]


def test_log_colours_come_back() -> None:
    rgb = np.float32([[[0, 3, 255], [17, 128, 90]]])
    np.testing.assert_allclose(from_log(to_log(rgb)), rgb, atol=1e-3)


def test_even_light_is_even(meter: LightMeter, face: Floats) -> None:
    grid = meter.measure(skin(), face)
    assert grid.shape == (16, 16, 3)
    np.testing.assert_allclose(
        grid, np.broadcast_to(np.log([158, 123, 103]), grid.shape), atol=0.02
    )


@pytest.mark.parametrize(("across", "down"), [(1.2, 0), (-1.2, 0), (0, 0.8), (0.7, -0.5)])
def test_a_slope_of_light_is_found_where_it_is(
    meter: LightMeter, topology: Topology, face: Floats, across: float, down: float
) -> None:
    crop = skin(across, down)
    points = CHEEKS + FOREHEAD
    seen, truth = (
        light_at(meter.measure(crop, face), topology, points),
        painted_at(crop, face, points),
    )
    np.testing.assert_allclose(seen, truth, atol=0.10)
    assert np.abs(seen - truth).mean() < 0.05


def test_the_light_turns_with_the_head(topology: Topology, meter: LightMeter) -> None:
    tilted = posed(topology, rotation(roll_deg=90), 4.7, (63.5, 60.0, 0.0))
    grid = meter.measure(skin(across=1.2), tilted)  # brighter to the right: now its upper side
    forehead, chin = (light_at(grid, topology, points).mean() for points in (FOREHEAD, CHIN))
    assert forehead - chin > 0.25


def test_a_dark_beard_is_not_darkness(meter: LightMeter, topology: Topology, face: Floats) -> None:
    crop = skin()
    bearded = crop.copy()
    cv2.fillPoly(bearded, [np.int32(face[BEARD, :2])], (30, 25, 22))
    plain, seen = (meter.measure(pixels, face) for pixels in (crop, bearded))
    for points, tolerance in ((CHEEKS + FOREHEAD, 0.08), (CHIN, 0.25)):
        np.testing.assert_allclose(
            light_at(seen, topology, points), light_at(plain, topology, points), atol=tolerance
        )


@pytest.mark.parametrize("colour", [(10, 10, 10), (20, 60, 230), (250, 250, 250)])
def test_something_in_front_of_a_cheek_is_not_light(
    meter: LightMeter, topology: Topology, face: Floats, colour: tuple[int, int, int]
) -> None:
    crop = skin(across=0.4)
    covered = crop.copy()
    cv2.circle(covered, np.int32(face[50, :2]).tolist(), 9, colour, -1)
    plain, seen = (meter.measure(pixels, face) for pixels in (crop, covered))
    points = CHEEKS + FOREHEAD + CHIN
    difference = light_at(seen, topology, points) - light_at(plain, topology, points)
    assert np.abs(difference).max() < 0.2  # the colours themselves lie 0.5 to 2 away


def test_lips_and_brows_do_not_colour_the_light(
    meter: LightMeter, topology: Topology, face: Floats
) -> None:
    crop = skin()
    made_up = crop.copy()
    cv2.fillPoly(made_up, [np.int32(face[list(LIPS_OUTER), :2])], (200, 0, 40))
    np.testing.assert_allclose(meter.measure(made_up, face), meter.measure(crop, face), atol=0.03)


def test_a_face_cut_by_the_crop_is_measured_from_what_is_left(
    meter: LightMeter, topology: Topology, face: Floats
) -> None:
    grid = meter.measure(skin(), face + np.float32([60, 0, 0]))
    np.testing.assert_allclose(
        grid, np.broadcast_to(np.log([158, 123, 103]), grid.shape), atol=0.05
    )


def test_a_face_outside_of_the_crop_gives_numbers(meter: LightMeter, face: Floats) -> None:
    assert np.isfinite(meter.measure(skin(), face + np.float32([900, 0, 0]))).all()
    assert len(OVAL) < POINTS


@pytest.mark.parametrize("leaves_by", ["left", "right", "top", "bottom"])
def test_what_lies_beyond_the_picture_darkens_no_light(
    meter: LightMeter, topology: Topology, leaves_by: str
) -> None:
    """A third of the face is outside; there a crop is black, and no skin is."""
    sides = {"left": (30, 200), "right": (370, 200), "top": (200, 15), "bottom": (200, 370)}
    landmarks = posed(topology, scale=14, shift_xyz=(*map(float, sides[leaves_by]), 0.0))
    picture = ArrayPicture(np.full((400, 400, 3), (150, 115, 95), np.uint8))
    grid = meter.measure_in(picture, landmarks, 128)
    np.testing.assert_allclose(
        grid, np.broadcast_to(np.log([158, 123, 103]), grid.shape), atol=0.03
    )


def test_light_is_added_as_far_as_a_share_says_and_nowhere_else() -> None:
    pixels = np.full((6, 8, 3), 100, np.float32)
    share = np.zeros((6, 8), np.float32)
    share[2, 3], share[2, 4] = 1, 0.5
    add_light(pixels, share, np.float32([0.1, 0, -0.1]))
    np.testing.assert_allclose(to_log(pixels[2, 3]) - np.log(108), [0.1, 0, -0.1], atol=1e-5)
    np.testing.assert_allclose(to_log(pixels[2, 4]) - np.log(108), [0.05, 0, -0.05], atol=1e-5)
    assert (np.delete(pixels.reshape(-1, 3), [19, 20], 0) == 100).all()
