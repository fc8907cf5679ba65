"""``python -m benchmarks.passing IN OUT``: the render pass of a film in which nobody is swapped."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

from lendface.app import build
from lendface.engine.memory import own_process
from lendface.engine.plan import SwapPlan
from lendface.engine.rows import MemoryLog
from lendface.engine.tracks import Tracks
from lendface.media import list_packets
from lendface.pipeline.rendering import Rendering
from lendface.pipeline.scans import Scan
from lendface.pipeline.targets import Trim, VideoTarget, open_target


def render_nobody(path: Path, output: Path) -> None:
    target = open_target(path, Trim())
    assert isinstance(target, VideoTarget)
    packets, base = list_packets(path)
    times = sorted(Fraction(pts or 0) * base for pts, _ in packets)
    found = Scan(Tracks((), len(times), {}, MemoryLog()), times)
    Rendering(found, SwapPlan({}), build().swapper).write_video(target, output)


if __name__ == "__main__":
    own_process()  # as the command does
    render_nobody(Path(sys.argv[1]), Path(sys.argv[2]))
