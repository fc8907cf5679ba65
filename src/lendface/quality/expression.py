"""What a face does, and when: expression weights of output and target."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lendface.engine.geometry import eye_distance_px
from lendface.engine.types import Floats
from lendface.models.blendshapes import NAMES

Series = NDArray[np.float64]  # (n,) a value a frame, NaN where there is none

MOST_LAG = 5  # frames
LEAST_PAIRS = 8  # frames below which a correlation says nothing
CERTAIN = 0.01  # of correlation by which another lag must be better to count

# What is followed in time: the weights whose mean it is (none: the gap of the lips), and how much
# it must vary in the target (standard deviation) to be an act and not the net's own unrest.
ACTS: Mapping[str, tuple[tuple[str, ...], float]] = MappingProxyType(
    {
        "jaw": (("jawOpen",), 0.02),
        "blink": (("eyeBlinkLeft", "eyeBlinkRight"), 0.05),
        "smile": (("mouthSmileLeft", "mouthSmileRight"), 0.03),
        "lips": ((), 0.006),
    }
)
# Acts whose size is compared frame by frame: a constant loss leaves a correlation at 1.
SIZES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "smile": ("mouthSmileLeft", "mouthSmileRight"),
        "frown": ("mouthFrownLeft", "mouthFrownRight"),
        "brow": ("browDownLeft", "browDownRight"),
        "jaw": ("jawOpen",),
        "blink": ("eyeBlinkLeft", "eyeBlinkRight"),
    }
)
_INDEX = {name: index for index, name in enumerate(NAMES)}


def expression_error(target: Floats, output: Floats) -> float:
    """Mean absolute difference of the weights (52,), without the first, which is "neutral"."""
    return float(np.abs(output[1:] - target[1:]).mean())


def size_errors(target: Floats, output: Floats) -> dict[str, float]:
    """By name of ``SIZES`` how far the output's weights (52,) are from the target's, 0..1.

    Of an act with two sides the mean over both.
    """
    return {
        name: float(np.mean([abs(output[_INDEX[p]] - target[_INDEX[p]]) for p in parts]))
        for name, parts in SIZES.items()
    }


def mouth_errors(target_xyz: Floats, output_xyz: Floats) -> dict[str, float]:
    """How far width and lift of the corners of the mouth are from the target's, in eye distances.

    From landmarks (478, 3) of the same frame. A smile is wide and lifted; who has a wider mouth by
    nature differs a little, which is no fault.
    """
    (wide, lift), (new_wide, new_lift) = map(mouth_corners, (target_xyz, output_xyz))
    return {"mouth_width": abs(new_wide - wide), "corner_lift": abs(new_lift - lift)}


def mouth_corners(landmarks_xyz: Floats) -> tuple[float, float]:
    """Width of the mouth, and how far its corners lie above the inner lips; eye distances."""
    eye = max(eye_distance_px(landmarks_xyz), 1e-6)
    left, right, upper, lower, top, chin = landmarks_xyz[[61, 291, 13, 14, 10, 152]]
    up = (top - chin) / max(float(np.linalg.norm(top - chin)), 1e-6)
    rise = float((0.5 * (left + right) - 0.5 * (upper + lower)) @ up)
    return float(np.linalg.norm(right - left)) / eye, rise / eye


def act(name: str, blendshapes: Floats, landmarks_xyz: Floats) -> float:
    """How much of an act of ``ACTS`` a face shows, from its weights (52,) or its landmarks."""
    parts, _ = ACTS[name]
    if not parts:
        return lip_gap(landmarks_xyz)
    return float(np.mean([blendshapes[_INDEX[part]] for part in parts]))


def lip_gap(landmarks_xyz: Floats) -> float:
    """The way between the inner lips over the height of the face, from landmarks (478, 3).

    The weights tell an opening mouth from its shape too, which a swap may change for good
    reason; this is the opening itself.
    """
    upper, lower, top, chin = landmarks_xyz[[13, 14, 10, 152]]
    return float(np.linalg.norm(upper - lower) / max(float(np.linalg.norm(top - chin)), 1e-6))


def is_acted(target: Series, name: str) -> bool:
    """Whether the target does it at all; a still mouth has nothing to correlate with."""
    known = target[np.isfinite(target)]
    return len(known) >= LEAST_PAIRS and float(known.std()) >= ACTS[name][1]


def correlation(target: Series, output: Series) -> float | None:
    """Pearson's, over the frames that have both; None for too few, or where one stays the same.

    >>> correlation(np.arange(9.0), 3 - 2 * np.arange(9.0))
    -1.0
    """
    both = np.isfinite(target) & np.isfinite(output)
    if both.sum() < LEAST_PAIRS:
        return None
    a, b = target[both] - target[both].mean(), output[both] - output[both].mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return round(float(a @ b) / size, 9) if size > 1e-9 else None


def lag_frames(target: Series, output: Series, most: int = MOST_LAG) -> int | None:
    """How many frames the output is late (early: negative): where the correlation is highest.

    Series hold one value for each frame of the film. Of lags that are equally good the smallest
    is taken. None where no correlation can be told.
    """
    best: tuple[float, int] | None = None
    for lag in sorted(range(-most, most + 1), key=abs):
        found = correlation(*_shifted(target, output, lag))
        if found is not None and (best is None or found > best[0] + CERTAIN):
            best = found, lag
    return best[1] if best else None


def _shifted(target: Series, output: Series, lag: int) -> tuple[Series, Series]:
    """Both cut so that frame k of one meets frame k + lag of the other."""
    if lag >= 0:
        return target[: len(target) - lag], output[lag:]
    return target[-lag:], output[:lag]
