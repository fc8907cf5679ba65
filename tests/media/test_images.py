"""Still pictures, with what else their files hold."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Box, Patch
from lendface.errors import NoVideoError, OutputFormatError, UnreadableMediaError
from lendface.media import ImageInfo, is_image, open_video, probe, read_image, write_image
from lendface.media.images import EXIF, ICC, TURN_BY_ORIENTATION, orientation
from lendface.media.placement import Placement

NOTE = b"text\0\0\0\0" + np.random.default_rng(3).bytes(192)
PROFILE = (  # an ICC profile with nothing but a copyright note
    (344).to_bytes(4, "big")
    + b"lcms\x02\x10\0\0mntrRGB XYZ "
    + bytes(12)
    + b"acsp"
    + bytes(28)
    + bytes.fromhex("0000f6d6 00010000 0000d32d")
    + bytes(48)
    + (1).to_bytes(4, "big")
    + b"cprt"
    + (144).to_bytes(4, "big")
    + (200).to_bytes(4, "big")
    + NOTE
)


def exif_with(value: int, order: str) -> bytes:
    """A TIFF structure that holds an orientation and a software name."""
    little = order == "little"

    def number(n: int, size: int) -> bytes:
        return n.to_bytes(size, "little" if little else "big")

    def short(n: int) -> bytes:
        return number(n, 2) + b"\0\0"

    head = (b"II" if little else b"MM") + number(42, 2) + number(8, 4) + number(2, 2)
    turned = number(0x0112, 2) + number(3, 2) + number(1, 4) + short(value)
    named = number(0x0131, 2) + number(2, 2) + number(4, 4) + b"abc\0"
    return head + turned + named + number(0, 4)


def write_with(path: Path, pixels: np.ndarray, exif: bytes | None, icc: bytes | None) -> Path:
    kinds = [kind for kind, value in ((EXIF, exif), (ICC, icc)) if value]
    values = [np.frombuffer(value, np.uint8) for value in (exif, icc) if value]
    flags = [cv2.IMWRITE_WEBP_QUALITY, 101] if path.suffix == ".webp" else []
    done, data = cv2.imencodeWithMetadata(path.suffix, pixels, kinds, values, flags)
    assert done
    path.write_bytes(data.tobytes())
    return path


def corners(pixels: np.ndarray) -> list[int]:
    """Which of four greys is in each corner, clockwise from top-left."""
    picked = [pixels[3, 3], pixels[3, -4], pixels[-4, -4], pixels[-4, 3]]
    return [round(float(p.mean()) / 60) for p in picked]


def four_greys() -> np.ndarray:
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, 24:], pixels[16:, 24:], pixels[16:, :24] = 60, 120, 180
    return pixels


UPRIGHT = {1: [0, 1, 2, 3], 2: [1, 0, 3, 2], 3: [2, 3, 0, 1], 4: [3, 2, 1, 0]}
UPRIGHT |= {5: [0, 3, 2, 1], 6: [3, 0, 1, 2], 7: [2, 1, 0, 3], 8: [1, 2, 3, 0]}


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("order", ["little", "big"])
def test_every_exif_orientation_is_seen_upright_and_written_as_such(
    value: int, ending: str, order: str, tmp_path: Path
) -> None:
    path = write_with(tmp_path / f"in{ending}", four_greys(), exif_with(value, order), None)
    shown, info = read_image(path)
    assert corners(shown.pixels) == UPRIGHT[value]
    assert shown.size_wh == ((48, 32) if value < 5 else (32, 48))
    assert probe(path).size_wh == shown.size_wh
    write_image(tmp_path / f"out{ending}", shown, info)
    again, new = read_image(tmp_path / f"out{ending}")
    assert corners(again.pixels) == UPRIGHT[value]
    assert new.exif == exif_with(1, order)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_the_colour_profile_and_exif_stay(ending: str, tmp_path: Path) -> None:
    exif = exif_with(1, "little")
    path = write_with(tmp_path / f"in{ending}", four_greys(), exif, PROFILE)
    shown, info = read_image(path)
    assert (info.icc, info.exif) == (PROFILE, exif)
    write_image(tmp_path / f"out{ending}", shown, info)
    _, new = read_image(tmp_path / f"out{ending}")
    assert (new.icc, new.exif) == (PROFILE, exif)


def test_png_is_lossless_and_keeps_its_transparency(tmp_path: Path) -> None:
    rgba = np.random.default_rng(1).integers(0, 255, (20, 30, 4), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "in.png"), cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))
    shown, info = read_image(tmp_path / "in.png")
    np.testing.assert_array_equal(shown.pixels, rgba[..., :3])
    assert info.alpha is not None
    np.testing.assert_array_equal(info.alpha, rgba[..., 3])
    patch = Patch(Box(2, 3, 6, 8), np.zeros((5, 4, 3), "f4"), np.ones((5, 4), "f4"))
    write_image(tmp_path / "out.png", shown.pasted([patch]), info)
    again, new = read_image(tmp_path / "out.png")
    expected = rgba[..., :3].copy()
    expected[3:8, 2:6] = 0
    np.testing.assert_array_equal(again.pixels, expected)
    assert new.alpha is not None
    np.testing.assert_array_equal(new.alpha, rgba[..., 3])


def test_a_jpeg_has_no_transparency_to_keep(tmp_path: Path) -> None:
    alpha = np.full((16, 16), 9, np.uint8)
    shown = ArrayPicture(np.full((16, 16, 3), 77, np.uint8))
    write_image(tmp_path / "out.jpg", shown, ImageInfo("png", alpha=alpha))
    again, info = read_image(tmp_path / "out.jpg")
    assert (np.unique(again.pixels).tolist(), info.alpha) == ([77], None)


def test_grey_and_16_bit_pictures_are_read_as_8_bit_rgb(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "deep.png"), np.uint16(grey) * 257)
    for name, bits in (("grey.png", 8), ("deep.png", 16)):
        shown, info = read_image(tmp_path / name)
        np.testing.assert_array_equal(shown.pixels, np.dstack([grey] * 3))
        assert info.bit_depth == bits


def test_a_picture_is_told_from_a_film(tmp_path: Path) -> None:
    from make_media import make_video

    film = make_video(tmp_path / "in.mp4", 3)
    still = write_with(tmp_path / "in.jpg", four_greys(), None, None)
    assert (is_image(film), is_image(still)) == (False, True)
    assert (probe(film).kind, probe(still).kind) == ("video", "image")
    with pytest.raises(UnreadableMediaError):
        read_image(film)
    with pytest.raises(NoVideoError), open_video(still):
        pass


def test_a_cut_off_picture_is_unreadable(tmp_path: Path) -> None:
    path = write_with(tmp_path / "in.png", four_greys(), None, None)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UnreadableMediaError):
        read_image(path)
    with pytest.raises(UnreadableMediaError):
        probe(path)


def test_pictures_are_written_in_four_formats_only(tmp_path: Path) -> None:
    shown = ArrayPicture(four_greys())
    with pytest.raises(OutputFormatError, match=r"\.jpg, \.png, \.webp or \.avif"):
        write_image(tmp_path / "out.gif", shown, ImageInfo("gif"))


def test_broken_exif_counts_as_none() -> None:
    for data in (None, b"", b"II*\0", b"XX" + bytes(30), b"II*\0" + b"\xff" * 30):
        assert orientation(data) == 1


def test_the_table_of_orientations_has_all_eight_turns() -> None:
    assert len({Placement((4, 2), turn).turn for turn in TURN_BY_ORIENTATION.values()}) == 8
