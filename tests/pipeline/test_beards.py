"""What is told of a beard that should go and stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from faces import posed, rotation
from lendface.engine.mesh.topology import Topology
from lendface.engine.plan import SwapPlan
from lendface.engine.rows import MemoryLog, pack_row
from lendface.engine.tracks import Place, Tracks
from lendface.engine.types import Beard, Floats, SourceFace, Track
from lendface.pipeline.beards import beard_warnings
from lendface.pipeline.scans import Scan

SIZE_WH = (400, 400)
BEARD = Beard(
    np.zeros((1, 3), np.float16), np.full((1, 41), 0.3, np.float16), np.ones(1, np.float16), 0.8
)
PERSON = Track(1, np.zeros(128, np.float32), np.zeros((468, 3), np.float32), 4, 100, 100, 0, 1,
               ((0, 4),), 0, beard=BEARD)  # fmt: skip


def scan_of(topology: Topology, turns: Sequence[Floats], person: Track = PERSON) -> Scan:
    """A film of one person whose head turns."""
    log, light = MemoryLog(), np.zeros((16, 16, 3), np.float32)
    for index, turn in enumerate(turns):
        landmarks = posed(topology, turn, shift_xyz=(200, 160, 0))
        log.append(pack_row(index, 0, 1.0, landmarks, light, ()))
    places = {k: (Place(k, 1, k, k, 0.0, 1.0),) for k in range(len(turns))}
    times = [Fraction(k, 25) for k in range(len(turns))]
    return Scan(Tracks((person,), len(turns), places, log), times)


def test_the_frames_are_told_in_which_it_stays(
    topology: Topology, sources: dict[str, SourceFace]
) -> None:
    film = scan_of(topology, [rotation()] * 3 + [rotation(yaw_deg=55)])
    (told,) = beard_warnings(film, SwapPlan({1: sources["P010"]}), topology, SIZE_WH)
    assert told.startswith("face 1 has a beard and its source has none")
    assert "stays in 25 % of frames" in told


def test_nothing_is_told_where_it_goes_or_may_stay(
    topology: Topology, sources: dict[str, SourceFace]
) -> None:
    ahead, turned = [rotation()] * 3, [rotation(yaw_deg=55)] * 3
    bare = replace(PERSON, beard=None)
    told = [
        beard_warnings(scan_of(topology, turns, person), plan, topology, SIZE_WH)
        for turns, person, plan in (
            (ahead, PERSON, SwapPlan({1: sources["P010"]})),
            (turned, PERSON, SwapPlan({1: sources["P005"]})),
            (turned, PERSON, SwapPlan({})),
            (turned, bare, SwapPlan({1: sources["P010"]})),
        )
    ]
    assert told == [[], [], [], []]
