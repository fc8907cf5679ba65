"""Gray films."""

from pathlib import Path

import av
import numpy as np
import pytest

from lendface.engine.types import Box
from lendface.media import open_video


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le", "yuv420p"])
def test_a_gray_film_is_seen_gray(tmp_path: Path, pix_fmt: str) -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    path = tmp_path / "gray.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, pix_fmt
        file.mux(stream.encode(av.VideoFrame.from_ndarray(ramp, format="gray")))
        file.mux(stream.encode(None))
    with open_video(path) as reader:
        picture = next(reader.frames()).picture
    seen = picture.region(Box(0, 0, 64, 64))
    # One step of a limited range is 1.16 of 255, and each conversion rounds once.
    np.testing.assert_allclose(seen, np.repeat(ramp[..., None], 3, -1), atol=1.7)
    np.testing.assert_allclose(picture.reduced(64), seen, atol=1.0)
