"""Painting triangles and mapping their pixels."""

from __future__ import annotations

import numpy as np

from faces import posed, rotation
from lendface.engine.mesh.raster import fit_affines, map_pixels, paint_ids, point_normals
from lendface.engine.mesh.topology import POINTS, Topology

CORNERS = np.float32([[10, 10], [60, 15], [20, 70], [62, 66]])
TWO = np.array([[0, 1, 2], [1, 3, 2]], np.int32)
BOTH = np.array([0, 1])
WH = (80, 90)


def test_each_pixel_of_a_triangle_is_mapped_by_its_own_affine() -> None:
    slope, shift = np.float32([[2, 0.5], [-1, 3], [0.1, -0.2]]), np.float32([4, 5, 6])
    ids = paint_ids(CORNERS, TWO[:1], BOTH[:1], WH)
    places = map_pixels(ids, fit_affines(CORNERS, CORNERS @ slope.T + shift, TWO[:1]))
    ys, xs = np.nonzero(ids == 0)
    assert 1475 <= len(xs) < 1475 + 110  # its area, and the pixels on its edge
    np.testing.assert_allclose(places[ys, xs], np.c_[xs, ys] @ slope.T + shift, atol=1e-3)
    assert (places[ids < 0] == -1).all()


def test_triangles_that_share_an_edge_leave_no_gap() -> None:
    ids = paint_ids(CORNERS, TWO, BOTH, WH)
    for row in ids[16:60]:
        inside = np.nonzero(row >= 0)[0]
        assert (np.diff(inside) == 1).all()
    assert {0, 1} <= set(np.unique(ids).tolist())


def test_the_later_triangle_wins() -> None:
    same = np.array([[0, 1, 2], [0, 1, 2]], np.int32)
    assert paint_ids(CORNERS, same, np.array([0, 1]), WH).max() == 1
    assert paint_ids(CORNERS, same, np.array([1, 0]), WH).max() == 0


def test_what_is_not_in_the_order_is_not_painted() -> None:
    ids = paint_ids(CORNERS, TWO, np.array([1]), WH)
    assert set(np.unique(ids).tolist()) == {-1, 1}


def test_a_triangle_may_lie_half_outside() -> None:
    out = CORNERS - np.float32([35, 0])
    whole, part = paint_ids(CORNERS, TWO, BOTH, WH), paint_ids(out, TWO, BOTH, WH)
    np.testing.assert_array_equal(part[:, 1 : WH[0] - 35], whole[:, 36:])


def test_a_sliver_does_not_lead_far_away() -> None:
    thin = np.float32([[10, 40], [70, 40], [40, 40.02]])
    values = np.float32([[0, 0], [60, 0], [30, 900]])
    one = np.array([[0, 1, 2]], np.int32)
    ids = paint_ids(thin, one, np.array([0]), WH)
    assert (ids >= 0).any()
    seen = map_pixels(ids, fit_affines(thin, values, one))[ids >= 0]
    assert (seen >= values.min(0)).all()
    assert (seen <= values.max(0)).all()


def test_a_face_looks_at_the_camera_and_its_back_does_not(topology: Topology) -> None:
    front, points = point_normals(posed(topology)[:POINTS], topology.triangles)
    assert points[[4, 50, 280, 151]].min() > 0.5  # nose tip, cheeks, forehead
    back, behind = point_normals(posed(topology, rotation(180))[:POINTS], topology.triangles)
    np.testing.assert_allclose(back, -front, atol=1e-4)
    np.testing.assert_allclose(behind, -points, atol=1e-4)


def test_a_turned_head_shows_one_cheek_more(topology: Topology) -> None:
    _, facing = point_normals(posed(topology, rotation(yaw_deg=40))[:POINTS], topology.triangles)
    assert facing[50] > facing[280] + 0.3  # it looks to the right, so its image-left cheek shows
