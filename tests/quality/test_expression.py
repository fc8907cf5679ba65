"""Expression weights compared: how far off, and when."""

from __future__ import annotations

import numpy as np
import pytest

from lendface.engine.geometry import eye_distance_px
from lendface.engine.types import Floats
from lendface.models.blendshapes import NAMES
from lendface.quality.expression import (
    ACTS,
    Series,
    act,
    correlation,
    expression_error,
    is_acted,
    lag_frames,
    mouth_corners,
    mouth_errors,
    size_errors,
)


def weights(**shown: float) -> Floats:
    return np.float32([shown.get(name, 0.0) for name in NAMES])


def talking(count: int = 60) -> Series:
    """An opening and closing mouth without a steady beat."""
    steps = np.random.default_rng(3).normal(size=count + 10)
    return np.convolve(steps, np.ones(4) / 4, "valid")[:count] * 0.1 + 0.3


def test_every_act_names_weights_that_the_net_has() -> None:
    for parts, least in ACTS.values():
        assert set(parts) <= set(NAMES)
        assert 0 < least < 0.2


def test_the_error_is_the_mean_over_the_expressions_without_the_neutral_one() -> None:
    assert expression_error(weights(), weights(jawOpen=0.51)) == pytest.approx(0.01)
    assert expression_error(weights(), weights(_neutral=1.0)) == 0


def test_a_blink_is_the_mean_of_both_eyes() -> None:
    shown = weights(eyeBlinkLeft=0.8, eyeBlinkRight=0.4)
    assert act("blink", shown, np.zeros((478, 3), np.float32)) == pytest.approx(0.6)


def test_the_gap_of_the_lips_is_told_in_heights_of_the_face() -> None:
    face = np.zeros((478, 3), np.float32)
    face[[10, 13, 14, 152], 1] = [0, 70, 80, 100]
    assert act("lips", weights(), face) == pytest.approx(0.1)


def test_a_weaker_copy_of_a_motion_correlates_fully() -> None:
    assert correlation(talking(), 0.2 + 0.5 * talking()) == pytest.approx(1)


def test_frames_without_a_face_are_left_out() -> None:
    output = talking()
    output[10:20] = np.nan
    assert correlation(talking(), output) == pytest.approx(1)


def test_a_still_output_has_no_correlation() -> None:
    assert correlation(talking(), np.full(60, 0.2)) is None
    assert correlation(talking()[:5], talking()[:5]) is None


@pytest.mark.parametrize("late", [-3, -1, 0, 2, 5])
def test_the_lag_is_how_many_frames_the_output_is_late(late: int) -> None:
    film = talking(80)
    target, output = film[10:70], film[10 - late : 70 - late]
    assert lag_frames(target, output) == late


def test_a_closed_mouth_has_no_lag() -> None:
    assert lag_frames(np.zeros(40), np.zeros(40)) is None


def test_only_a_target_that_acts_is_followed() -> None:
    assert is_acted(talking(), "jaw")
    assert not is_acted(np.full(60, 0.1), "jaw")
    assert not is_acted(np.full(60, np.nan), "jaw")


def test_a_smile_that_is_lost_throughout_shows_in_its_size() -> None:
    target = weights(mouthSmileLeft=0.8, mouthSmileRight=0.6, jawOpen=0.1)
    output = weights(mouthSmileLeft=0.5, mouthSmileRight=0.5, jawOpen=0.1)
    errors = size_errors(target, output)
    assert errors == pytest.approx(
        {"smile": 0.2, "frown": 0, "brow": 0, "jaw": 0, "blink": 0}, abs=1e-6
    )


def test_a_mouth_is_as_wide_and_as_lifted_as_its_corners_say() -> None:
    face = np.zeros((478, 3), np.float32)
    face[[33, 263], 0] = [-50, 50]
    face[[10, 152], 1] = [-100, 100]  # y points down
    face[[61, 291]] = [[-30, 38, 0], [30, 38, 0]]
    face[[13, 14], 1] = [38, 42]
    eye = eye_distance_px(face)
    assert mouth_corners(face) == pytest.approx((60 / eye, 2 / eye))
    grin = face.copy()
    grin[[61, 291]] = [[-40, 33, 0], [40, 33, 0]]
    assert mouth_errors(face, grin) == pytest.approx(
        {"mouth_width": 20 / eye, "corner_lift": 5 / eye}
    )
