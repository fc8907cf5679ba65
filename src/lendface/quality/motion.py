"""What faces do over a film: the time series of their acts, target against output."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from .expression import ACTS, Series, act, correlation, is_acted, lag_frames
from .reading import FaceReading

LAGS = ("jaw", "blink")  # whose lag is told; a smile has no sharp moment


class Motion:
    """Collects the acts of each person; ``stride`` is how many frames lie between two looks."""

    def __init__(self, stride: int) -> None:
        self._stride = stride
        self._acts: dict[tuple[int, str], dict[int, tuple[float, float]]] = defaultdict(dict)

    def see(self, index: int, track_id: int, target: FaceReading, output: FaceReading) -> None:
        for name in ACTS:
            own, new = (act(name, r.blendshapes, r.landmarks_xyz) for r in (target, output))
            self._acts[track_id, name][index] = own, new

    def figures(self) -> dict[str, float]:
        """Correlations (of several people their mean, by frames) and the largest lags."""
        found: dict[str, float] = {}
        for name in ACTS:
            acted = [pair for pair in self._series(name) if is_acted(pair[0], name)]
            told = [
                (value, len(pair[0])) for pair in acted if (value := correlation(*pair)) is not None
            ]
            if told:
                values, weights = zip(*told, strict=True)
                found[f"{name}_correlation"] = float(np.average(values, weights=weights))
            if name in LAGS and self._stride == 1:
                lags = [lag for pair in acted if (lag := lag_frames(*pair)) is not None]
                if lags:
                    found[f"{name}_lag"] = float(max(abs(lag) for lag in lags))
        return found

    def _series(self, name: str) -> Iterator[tuple[Series, Series]]:
        """Target and output of each person, one value for each frame that could be looked at."""
        for (_, own), seen in self._acts.items():
            if own != name:
                continue
            first, last = min(seen), max(seen)
            series = np.full((2, (last - first) // self._stride + 1), np.nan)
            for index, pair in seen.items():
                series[:, (index - first) // self._stride] = pair
            yield series[0], series[1]
