"""Triangles painted into a picture, and what each of its pixels knows from them."""

from __future__ import annotations

import numpy as np

from ..types import Array, Floats
from .compiled import compiled, inlined

SUBPIXEL_BITS = 4  # of the corners handed in
BITS = 16  # of the way along an edge
UNIT, HALF = 1 << BITS, 1 << (BITS - 1)
FINER = BITS - SUBPIXEL_BITS
SLIVER_AREA = 2.0  # twice the area, square pixels


@compiled("void(int32[:,:,::1], int64[::1], int16[:,::1])")
def paint(corners: Array, order: Array, ids: Array) -> None:
    """Each pixel of ``ids`` (h, w) gets the last triangle of ``order`` that covers it, else -1.

    ``corners`` (m, 3, 2) are x and y in sixteenths of a pixel. What a triangle covers is what
    OpenCV's ``fillConvexPoly`` paints: its inside and all that its edges touch.
    """
    ids[:] = -1
    for place in range(len(order)):
        triangle = order[place]
        for end in range(3):
            _paint_edge(ids, corners[triangle, (end + 2) % 3], corners[triangle, end], triangle)
        _paint_inside(ids, corners[triangle], triangle)


@inlined
def _paint_edge(ids: Array, start: Array, end: Array, value: int) -> None:
    """A line one pixel wide, walked along its longer axis."""
    height, width = ids.shape
    x0, y0 = np.int64(start[0]) << FINER, np.int64(start[1]) << FINER
    x1, y1 = np.int64(end[0]) << FINER, np.int64(end[1]) << FINER
    is_flat = abs(x1 - x0) > abs(y1 - y0)
    if (is_flat and x1 < x0) or (not is_flat and y1 < y0):
        x0, y0, x1, y1 = x1, y1, x0, y0
    if is_flat:
        step_x, step_y = UNIT, _quotient((y1 - y0) * UNIT, (x1 - x0) | 1)
        count = (x1 - x0) >> BITS
    else:
        step_x, step_y = _quotient((x1 - x0) * UNIT, (y1 - y0) | 1), UNIT
        count = (y1 - y0) >> BITS
    x, y = x0 + HALF, y0 + HALF
    last_x, last_y = (x1 + HALF) >> BITS, (y1 + HALF) >> BITS
    if 0 <= last_x < width and 0 <= last_y < height:
        ids[last_y, last_x] = value
    for _ in range(count + 1):
        column, row = x >> BITS, y >> BITS
        if 0 <= column < width and 0 <= row < height:
            ids[row, column] = value
        x += step_x
        y += step_y


@inlined
def _quotient(a: int, b: int) -> int:
    """Of a division towards 0, for ``b`` above 0."""
    return a // b if a >= 0 else -(-a // b)


@inlined
def _paint_inside(ids: Array, corners: Array, value: int) -> None:
    """The rows between the two chains of edges that lead down from the uppermost corner."""
    height, width = ids.shape
    half = 1 << (SUBPIXEL_BITS - 1)
    first = 0
    lowest = corners[0, 1]
    for k in range(1, 3):
        if corners[k, 1] < corners[first, 1]:
            first = k
        lowest = max(lowest, corners[k, 1])
    y = (corners[first, 1] + half) >> SUBPIXEL_BITS
    bottom = min((lowest + half) >> SUBPIXEL_BITS, height - 1)
    left_at, right_at = first, first
    left_end, right_end = y, y
    left_x, right_x = np.int64(-UNIT), np.int64(-UNIT)
    left_step, right_step = np.int64(0), np.int64(0)
    edges = 3
    while y <= bottom:
        while y >= left_end and edges > 0:
            edges -= 1
            after = (left_at + 1) % 3
            end = (corners[after, 1] + half) >> SUBPIXEL_BITS
            if end > y:
                left_x, left_step = _slope(corners[left_at, 0], corners[after, 0], end - y)
                left_end = end
            left_at = after
        while y >= right_end and edges > 0:
            edges -= 1
            after = (right_at + 2) % 3
            end = (corners[after, 1] + half) >> SUBPIXEL_BITS
            if end > y:
                right_x, right_step = _slope(corners[right_at, 0], corners[after, 0], end - y)
                right_end = end
            right_at = after
        if y >= 0:
            start = (min(left_x, right_x) + HALF) >> BITS
            stop = (max(left_x, right_x) + HALF) >> BITS
            for x in range(max(start, 0), min(stop, width - 1) + 1):
                ids[y, x] = value
        left_x += left_step
        right_x += right_step
        y += 1


@inlined
def _slope(start: int, end: int, rows: int) -> tuple[int, int]:
    """Where an edge begins, and how far it goes aside in each row."""
    start_x, end_x = np.int64(start) << FINER, np.int64(end) << FINER
    return start_x, _quotient((end_x - start_x) * 2 + rows, 2 * rows)


@compiled("void(float32[:,::1], float32[:,::1], int32[:,::1], float32[:,:,::1])")
def fit(places_xy: Floats, values: Floats, triangles: Array, affines: Floats) -> None:
    """``affines`` (m, k, 3) become each triangle's map from pixels to ``values`` (n, k).

    The same as ``raster.fit_affines``.
    """
    for t in range(len(triangles)):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0 = np.float64(places_xy[i, 0]), np.float64(places_xy[i, 1])
        ax, ay = places_xy[j, 0] - x0, places_xy[j, 1] - y0
        bx, by = places_xy[k, 0] - x0, places_xy[k, 1] - y0
        area = ax * by - ay * bx
        share = 0.0 if abs(area) < SLIVER_AREA else 1.0 / area
        middle_x, middle_y = x0 + (ax + bx) / 3, y0 + (ay + by) / 3
        for v in range(values.shape[1]):
            start = np.float64(values[i, v])
            da, db = values[j, v] - start, values[k, v] - start
            across = (da * by - db * ay) * share
            down = (db * ax - da * bx) * share
            affines[t, v, 0] = across
            affines[t, v, 1] = down
            affines[t, v, 2] = start + (da + db) / 3 - across * middle_x - down * middle_y


@compiled("void(float32[:,::1], int32[:,::1], float32[::1], float32[::1])")
def face_camera(
    points_xyz: Floats, triangles: Array, of_triangles: Floats, of_points: Floats
) -> None:
    """How far triangles (m,) and points (n,) face the camera, as ``raster.point_normals``."""
    sums = np.zeros((len(points_xyz), 3), np.float32)
    for t in range(len(triangles)):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax = points_xyz[j, 0] - points_xyz[i, 0]
        ay = points_xyz[j, 1] - points_xyz[i, 1]
        az = points_xyz[j, 2] - points_xyz[i, 2]
        bx = points_xyz[k, 0] - points_xyz[i, 0]
        by = points_xyz[k, 1] - points_xyz[i, 1]
        bz = points_xyz[k, 2] - points_xyz[i, 2]
        x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        of_triangles[t] = -z / max(np.sqrt(x * x + y * y + z * z), np.float32(1e-9))
        for corner in range(3):
            point = triangles[t, corner]
            sums[point, 0] += x
            sums[point, 1] += y
            sums[point, 2] += z
    for p in range(len(sums)):
        x, y, z = sums[p, 0], sums[p, 1], sums[p, 2]
        of_points[p] = -z / max(np.sqrt(x * x + y * y + z * z), np.float32(1e-9))


@compiled("void(float32[:,::1], int32[:,::1], float32[:,::1], float32[:,::1])")
def carry(values: Floats, corners: Array, shares: Floats, out: Floats) -> None:
    """``out`` (m, k): the mean of the ``values`` (n, k) of three ``corners``, by their shares."""
    for place in range(len(out)):
        for v in range(out.shape[1]):
            total = np.float32(0)
            for corner in range(3):
                total += shares[place, corner] * values[corners[place, corner], v]
            out[place, v] = total


@compiled("void(int16[:,::1], float32[:,:,::1], float32[:,:,::1])")
def spread(ids: Array, affines: Floats, out: Floats) -> None:
    """``out`` (h, w, k): each pixel's values by the map of its triangle, 0 where there is none."""
    for y in range(ids.shape[0]):
        for x in range(ids.shape[1]):
            t = ids[y, x]
            for v in range(out.shape[2]):
                if t < 0:
                    out[y, x, v] = 0
                    continue
                here = affines[t, v, 0] * np.float32(x) + affines[t, v, 1] * np.float32(y)
                out[y, x, v] = here + affines[t, v, 2]


@compiled(
    "void(int16[:,::1], float32[:,:,::1], uint8[::1], boolean[:,::1], float32[:,::1],"
    "float32[:,::1], float32[:,:,::1], float32[:,:,::1], float32[:,::1])"
)
def lay(
    ids: Array, affines: Floats, openings: Array, is_face: Array, eyes: Floats, mouth: Floats,
    uv: Floats, way: Floats, facing: Floats,
) -> None:  # fmt: skip
    """What each pixel knows of the mesh; ``ids`` may be a whole number of times finer.

    ``openings`` (m,): 1 for triangles of the eyes, 2 for those of the mouth. The five ``affines``
    lead from fine steps to texture places, ways and facing; off the face those become -1.
    """
    height, width = is_face.shape
    finer = ids.shape[0] // height
    if finer == 1:
        for y in range(height):
            for x in range(width):
                t = np.int64(ids[y, x])
                kind = openings[t] if t >= 0 else 0
                eyes[y, x], mouth[y, x] = np.float32(kind == 1), np.float32(kind == 2)
                is_face[y, x] = t >= 0
                if t >= 0:
                    _lay_pixel(affines, t, np.float32(x), np.float32(y), y, x, uv, way, facing)
                else:
                    uv[y, x, 0] = uv[y, x, 1] = way[y, x, 0] = way[y, x, 1] = facing[y, x] = -1
        return
    middle = np.float32(finer - 1) / np.float32(2)
    part = np.float32(1) / np.float32(finer * finer)
    for y in range(height):
        row = np.float32(y * finer) + middle
        for x in range(width):
            in_eyes = in_mouth = 0
            for fine_y in range(y * finer, (y + 1) * finer):
                for fine_x in range(x * finer, (x + 1) * finer):
                    t = ids[fine_y, fine_x]
                    if t >= 0:
                        in_eyes += openings[t] == 1
                        in_mouth += openings[t] == 2
            eyes[y, x] = part * np.float32(in_eyes)
            mouth[y, x] = part * np.float32(in_mouth)
            t = ids[y * finer + finer // 2, x * finer + finer // 2]
            is_face[y, x] = t >= 0
            if t < 0:
                uv[y, x, 0] = uv[y, x, 1] = way[y, x, 0] = way[y, x, 1] = facing[y, x] = -1
                continue
            column = np.float32(x * finer) + middle
            _lay_pixel(affines, t, column, row, y, x, uv, way, facing)


@inlined
def _lay_pixel(
    affines: Floats, t: int, column: np.float32, row: np.float32, y: int, x: int, uv: Floats,
    way: Floats, facing: Floats,
) -> None:  # fmt: skip
    uv[y, x, 0] = _at(affines, t, 0, column, row)
    uv[y, x, 1] = _at(affines, t, 1, column, row)
    way[y, x, 0] = _at(affines, t, 2, column, row)
    way[y, x, 1] = _at(affines, t, 3, column, row)
    facing[y, x] = _at(affines, t, 4, column, row)


@inlined
def _at(affines: Floats, triangle: int, value: int, x: np.float32, y: np.float32) -> np.float32:
    across, down = affines[triangle, value, 0], affines[triangle, value, 1]
    return across * x + down * y + affines[triangle, value, 2]
