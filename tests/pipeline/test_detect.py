"""A look at a few frames of a film costs what lies between them and their keyframes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lendface.errors import MediaTooMuchWorkError
from lendface.pipeline import detect as module
from lendface.pipeline.detect import detect
from lendface.pipeline.parts import Parts
from make_media import make_video

FRAMES, LOOKS, SIZE_WH = 250, 10, (64, 48)
GIGAPIXELS = FRAMES * 64 * 48 / 1e9  # of all frames once


def test_many_looks_at_a_film_with_one_keyframe_are_refused(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would decode the film from its start."""
    monkeypatch.setattr(module, "MOST_GIGAPIXELS", 2 * GIGAPIXELS)
    usual = make_video(tmp_path / "usual.mp4", FRAMES, SIZE_WH, gop=10)
    assert len(detect(usual, parts, LOOKS).frames) == LOOKS
    far = make_video(tmp_path / "far.mp4", FRAMES, SIZE_WH, gop=1000)
    with pytest.raises(MediaTooMuchWorkError) as caught:
        detect(far, parts, LOOKS)
    assert caught.value.frames > 4 * FRAMES
    assert len(detect(far, parts, 2).frames) == 2
