"""A large still picture is in memory once, and once more on the way: three bytes a pixel each.

The encoder of WebP keeps planes of its own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from lendface.errors import MediaTooManyPixelsError, UnreadableMediaError
from lendface.media import read_image
from lendface.media.images import MOST_PIXELS
from lendface.media.picture_size import MOST_SCANS, count_scans
from media.test_images import exif_with, write_with
from peak_memory import PEAK_MIB
from pipeline.test_limits import png_claiming

SIZE_WH = (6000, 4000)
PIXELS_MIB = 3 * SIZE_WH[0] * SIZE_WH[1] / (1 << 20)
ROOM_MIB = 8
MEASURE = (
    PEAK_MIB
    + """
import sys
from pathlib import Path
from lendface.media import read_image, write_image
from lendface.engine.picture import ScratchPicture

def copy(source, target):
    picture, info = read_image(source)
    scratch = ScratchPicture(picture.pixels)
    del picture
    write_image(target, scratch, info)

small, large, target = map(Path, sys.argv[1:])
copy(small, target)
before = peak_mib()
copy(large, target)
print(peak_mib() - before)
"""
)


def plain(size_wh: tuple[int, int]) -> np.ndarray:
    """What packs well, so that the file itself counts for nothing."""
    width, height = size_wh
    ramp = np.linspace(0, 255, width, dtype=np.uint8)
    return np.ascontiguousarray(np.broadcast_to(ramp[:, None], (height, width, 3)))


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "times"), [(".jpg", 2), (".png", 2), (".webp", 2.4)])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_picture_is_read_and_written_in_six_bytes_a_pixel(
    tmp_path: Path, ending: str, times: float, orientation: int
) -> None:
    exif = exif_with(orientation, "little")
    small = write_with(tmp_path / f"small{ending}", plain((64, 64)), exif, None)
    large = write_with(tmp_path / f"large{ending}", plain(SIZE_WH), exif, None)
    command = [sys.executable, "-c", MEASURE, small, large, tmp_path / f"out{ending}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert PIXELS_MIB * 0.9 < float(done.stdout) < times * PIXELS_MIB + ROOM_MIB


def test_a_picture_that_claims_more_than_any_camera_has_is_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "giant.png"
    path.write_bytes(png_claiming(50_000, 50_000))
    with pytest.raises(MediaTooManyPixelsError, match=f"50000x50000; at most {MOST_PIXELS} px"):
        read_image(path)


def progressive(path: Path, more_scans: int) -> Path:
    """A JPEG whose last scan comes so many times more."""
    flags = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    _, data = cv2.imencode(".jpg", plain((320, 240)), flags)
    whole = data.tobytes()
    last = whole.rindex(b"\xff\xda")
    path.write_bytes(whole[:-2] + more_scans * whole[last:-2] + whole[-2:])
    return path


def test_a_jpeg_of_endless_scans_is_refused(tmp_path: Path) -> None:
    usual = progressive(tmp_path / "usual.jpg", 0)
    assert 1 < count_scans(usual) < 20
    assert read_image(usual)[0].size_wh == (320, 240)
    with pytest.raises(UnreadableMediaError, match="more than 100 scans"):
        read_image(progressive(tmp_path / "bomb.jpg", MOST_SCANS))


def test_what_follows_a_picture_in_its_file_is_no_scan(tmp_path: Path) -> None:
    """Phones put films and depths behind their photos."""
    path = progressive(tmp_path / "moving.jpg", 0)
    scans = count_scans(path)
    path.write_bytes(path.read_bytes() + 1000 * b"\xff\xda\x00\x08 a film ")
    assert count_scans(path) == scans
