"""Landmarks in every form in which they were seen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lendface.facades.akool.landmarks import middle_of, read_opts, six_points, write_opts
from lendface.facades.akool.translate import middle_of_box

CORNER = "262,175:363,175:313,215:272,255"  # the fourth point under the left eye
CENTRE = "410,300:520,304:468,372:467,430"
SIX = "410,300:520,304:468,372:467,430:425,430:510,436"


@pytest.mark.parametrize(
    "opts",
    [
        CENTRE,
        [CENTRE],
        [[CENTRE]],
        SIX,
        [SIX],
        [[410, 300], [520, 304], [468, 372], [467, 430]],
        [[[410, 300], [520, 304], [468, 372], [467, 430], [425, 430], [510, 436]]],
        " 410, 300:520 ,304:468,372:467,430 ",
        "410.0,300.0:520.0,304.0:468.0,372.0:467.0,430.0",
    ],
)
def test_the_same_face_is_read_from_every_form(opts: Any) -> None:
    landmarks = read_opts(opts)
    assert landmarks is not None
    assert (landmarks.left_eye, landmarks.right_eye) == ((410, 300), (520, 304))
    assert (landmarks.nose, landmarks.mouth) == ((468, 372), (467, 430))


@pytest.mark.parametrize(
    ("share", "is_corner"),
    [(0.05, True), (0.15, True), (0.20, True), (0.50, False), (0.52, False), (0.57, False)],
)
def test_the_fourth_point_is_a_corner_or_the_middle_by_where_it_lies(
    share: float, is_corner: bool
) -> None:
    landmarks = read_opts(f"100,100:200,100:150,150:{100 + 100 * share},190")
    assert landmarks is not None
    assert landmarks.mouth == pytest.approx((150 if is_corner else 100 + 100 * share, 190))


def test_the_middle_of_a_tilted_mouth_is_found_from_its_corner() -> None:
    landmarks = read_opts("100,100:200,150:130,160:95,180")  # t = 0.28
    assert landmarks is not None
    assert landmarks.mouth == pytest.approx((117, 191))


def test_zeros_of_the_older_detection_are_no_points() -> None:
    assert read_opts(f"{CORNER}:0,0:0,0") == read_opts(CORNER)
    assert read_opts(CORNER).mouth == (312.5, 255)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "opts",
    [
        None,
        "",
        "none",
        [],
        [""],
        {},
        7,
        "1,2:3,4",
        "1,2:1,2:1,2:1,2",
        "a,b:c,d:e,f:g,h",
        "1,2,3:4,5,6:7,8,9",
        "nan,1:2,3:4,5:6,7",
        "1e999,1:2,3:4,5:6,7",
        "1000000,1:2,3:4,5:6,7",
    ],
)
def test_what_cannot_be_a_face_says_nothing(opts: Any) -> None:
    assert middle_of(opts) is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet="0123456789.,:-e "),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@given(ANYTHING)
def test_nothing_that_json_can_hold_is_an_error(opts: Any) -> None:
    for point in (middle_of(opts), middle_of_box(opts)):
        assert point is None or all(abs(value) <= 2e5 for value in point)


def test_what_is_written_can_be_read() -> None:
    six = six_points([(410.2, 299.6), (520, 304), (468, 372), (425, 430), (510, 436)])
    assert six == [[410, 300], [520, 304], [468, 372], [467, 430], [425, 430], [510, 436]]
    assert write_opts(six) == SIX
    assert write_opts(six[:4]) == CENTRE


def test_a_point_of_a_face_lies_within_it() -> None:
    x, y = middle_of(CENTRE) or (0, 0)
    assert 410 < x < 520
    assert 304 < y < 430
