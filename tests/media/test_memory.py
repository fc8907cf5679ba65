"""Memory does not grow with the length of a film."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from make_media import Sound, make_video
from peak_memory import PEAK_MIB

COPY = (
    PEAK_MIB
    + """
import sys
from pathlib import Path
import numpy as np
from lendface.engine.types import Box, Patch
from lendface.media import EncodeOptions, open_video, open_writer, prefetch

patch = Patch(Box(700, 300, 1200, 800), np.full((500, 500, 3), 99, "f4"), np.ones((500, 500), "f4"))
source, target = map(Path, sys.argv[1:])
with open_video(source) as reader, open_writer(target, reader, EncodeOptions()) as writer:
    for frame in prefetch(reader.frames()):
        frame.picture.reduced(640)
        writer.write(type(frame)(frame.index, frame.time, frame.picture.pasted([patch])))
        if frame.index == 120:
            early = peak_mib()
print(early, peak_mib())
"""
)


@pytest.mark.slow
def test_a_long_full_hd_film_needs_less_than_a_gibibyte(tmp_path: Path) -> None:
    source = make_video(
        tmp_path / "in.mp4",
        300,
        (1920, 1080),
        gop=50,
        sounds=[Sound(seconds=12)],
        options={"preset": "ultrafast", "crf": "28"},
    )
    done = subprocess.run(
        [sys.executable, "-c", COPY, str(source), str(tmp_path / "out.mp4")],
        capture_output=True,
        text=True,
        check=True,
        timeout=500,
    )
    early, last = map(int, done.stdout.split())
    assert last < 1024
    assert last - early < 48
