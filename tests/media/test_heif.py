"""HEIC and AVIF pictures, as phones make them."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Pixels
from lendface.errors import MediaTooManyPixelsError, UnreadableMediaError
from lendface.media import heif
from lendface.media.heif import HeifFacts, heif_format, read_facts
from lendface.media.icc import profile_of
from lendface.media.images import ImageInfo, find_format, read_image, write_image

pillow_heif.register_heif_opener()

WIDTH, HEIGHT = 200, 120
RED, GREEN, BLUE = (200, 40, 40), (40, 200, 40), (40, 40, 200)
NEAR = 4  # lossy, but flat
FORMATS = ("heic", "avif")
ORIENTATION, NO_TAG, MAKE = 0x0112, 0x0113, 0x010F
P3, BT2020, SRGB, PQ, HLG = 12, 9, 13, 16, 18


def flags() -> Pixels:
    """Red on the left, green above blue on the right."""
    pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:, : WIDTH // 2] = RED
    pixels[: HEIGHT // 2, WIDTH // 2 :] = GREEN
    pixels[HEIGHT // 2 :, WIDTH // 2 :] = BLUE
    return pixels


def exif_with(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKE] = orientation, "Phone"
    return exif.tobytes()


def write(path: Path, **how: Any) -> Path:
    Image.fromarray(flags()).save(path, quality=95, **how)
    return path


def write_deep(path: Path, **nclx: int) -> Path:
    """10 bits a sample; what H.273 says of the colours may be given."""
    data = (flags().astype(np.uint16) * 257).tobytes()
    picture = pillow_heif.from_bytes(mode="RGB;16", size=(WIDTH, HEIGHT), data=data)
    picture.save(path, quality=95, chroma=444, **nclx)
    return path


def corners(path: Path) -> list[Any]:
    """Top left, top right, bottom right, bottom left."""
    pixels = read_image(path)[0].pixels
    return [pixels[9, 9], pixels[9, -9], pixels[-9, -9], pixels[-9, 9]]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_photo_is_read_with_its_colours(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"a.{kind}")
    picture, info = read_image(path)
    assert (picture.size_wh, info.format, info.bit_depth) == ((WIDTH, HEIGHT), kind, 8)
    assert np.allclose(corners(path), [RED, GREEN, BLUE, RED], atol=NEAR)
    assert (info.alpha, info.icc) == (None, None)
    assert picture.pixels.flags.writeable


def test_a_photo_of_tiles_is_read_as_one(tmp_path: Path) -> None:
    """As iPhones write them: FFmpeg would show one tile."""
    path = write(tmp_path / "a.heic", tile_size=64)
    assert read_image(path)[0].size_wh == (WIDTH, HEIGHT)
    assert np.allclose(corners(path), [RED, GREEN, BLUE, RED], atol=NEAR)


# As a player turns them: what is top left, top right, bottom right, bottom left
TURNED = {
    2: [GREEN, RED, RED, BLUE],
    3: [BLUE, RED, RED, GREEN],
    6: [RED, RED, GREEN, BLUE],
    8: [GREEN, BLUE, RED, RED],
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("orientation", TURNED)
def test_a_photo_is_turned_once_by_its_boxes(tmp_path: Path, kind: str, orientation: int) -> None:
    """Pillow writes the orientation of the EXIF as irot and imir."""
    path = write(tmp_path / f"a.{kind}", exif=exif_with(orientation))
    assert np.allclose(corners(path), TURNED[orientation], atol=NEAR)
    exif = Image.Exif()
    exif.load(read_image(path)[1].exif)
    assert (exif[ORIENTATION], exif[MAKE]) == (1, "Phone")


@pytest.mark.parametrize("kind", FORMATS)
def test_an_exif_that_turns_what_the_boxes_do_not_is_not_believed(
    tmp_path: Path, kind: str
) -> None:
    """As browsers and phones show it."""
    exif = Image.Exif()
    exif[NO_TAG] = 6  # which Pillow keeps, as it does not keep an orientation
    path = write(tmp_path / f"a.{kind}", exif=exif.tobytes())
    data = path.read_bytes()
    entry, turned = (struct.pack(">HHIH", tag, 3, 1, 6) for tag in (NO_TAG, ORIENTATION))
    assert entry in data
    path.write_bytes(data.replace(entry, turned))
    assert np.allclose(corners(path), [RED, GREEN, BLUE, RED], atol=NEAR)
    exif = Image.Exif()
    exif.load(read_image(path)[1].exif)
    assert exif[ORIENTATION] == 1


@pytest.mark.parametrize("kind", FORMATS)
def test_transparency_is_kept(tmp_path: Path, kind: str) -> None:
    image = Image.fromarray(flags())
    image.putalpha(Image.fromarray(np.tile(np.arange(WIDTH, dtype=np.uint8), (HEIGHT, 1))))
    image.save(tmp_path / f"a.{kind}", quality=95)
    picture, info = read_image(tmp_path / f"a.{kind}")
    assert info.alpha is not None
    assert np.abs(info.alpha[60].astype(int) - np.arange(WIDTH)).max() <= NEAR
    assert np.allclose(picture.pixels[9, 80], RED, atol=NEAR)


def test_ten_bits_are_read_as_eight(tmp_path: Path) -> None:
    path = write_deep(tmp_path / "a.heic")
    assert read_image(path)[1].bit_depth == 10
    assert np.allclose(corners(path), [RED, GREEN, BLUE, RED], atol=NEAR)


def test_colours_told_by_numbers_get_a_profile(tmp_path: Path) -> None:
    """Display P3 by nclx alone: a JPEG without a profile would look pale."""
    wide = {"color_primaries": P3, "transfer_characteristics": SRGB, "matrix_coefficients": 5}
    path = write_deep(tmp_path / "a.heic", **wide)
    _, info = read_image(path)
    assert info.icc == profile_of(P3, SRGB)
    assert info.icc is not None
    shown = in_srgb(info.icc, (200, 40, 40))
    # By the definitions of Display P3 and sRGB (linear light, matrix over XYZ)
    assert np.allclose(shown, srgb_of_p3((200, 40, 40)), atol=1)
    assert np.allclose(in_srgb(info.icc, (90, 90, 90)), (90, 90, 90), atol=1)


def in_srgb(icc: bytes, rgb: tuple[int, int, int]) -> Any:
    pixel = Image.new("RGB", (1, 1), rgb)
    own = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    shown = ImageCms.profileToProfile(pixel, own, ImageCms.createProfile("sRGB"))
    assert shown is not None
    return shown.getpixel((0, 0))


def srgb_of_p3(rgb: tuple[int, int, int]) -> Any:
    """Matrix of Display P3 to sRGB, CSS Color 4."""
    code = np.array(rgb) / 255
    light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    matrix = [
        [1.2249401, -0.2249402, 0.0],
        [-0.0420569, 1.0420571, 0.0],
        [-0.0196376, -0.0786361, 1.0982735],
    ]
    light = np.clip(np.array(matrix) @ light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def test_a_profile_of_the_file_is_kept(tmp_path: Path) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in FORMATS:
        assert read_image(write(tmp_path / f"a.{kind}", icc_profile=icc))[1].icc == icc


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_is_shown_as_sdr(tmp_path: Path, transfer: int) -> None:
    """Diffuse white of PQ (203 cd/m2, code 0.58) and HLG (0.75) is light, and not gray."""
    code = {PQ: 0.58, HLG: 0.75}[transfer]
    gray = np.full((64, 64, 3), round(code * 65535), np.uint16)
    picture = pillow_heif.from_bytes(mode="RGB;16", size=(64, 64), data=gray.tobytes())
    wide = {"color_primaries": BT2020, "transfer_characteristics": transfer}
    picture.save(tmp_path / "a.heic", quality=95, matrix_coefficients=9, **wide)
    read, info = read_image(tmp_path / "a.heic")
    assert 195 < read.pixels[30, 30].mean() < 235
    assert info.icc == profile_of(BT2020, transfer)


def test_a_picture_is_written_as_avif_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    icc = profile_of(P3, SRGB)
    exif = exif_with(1).removeprefix(b"Exif\0\0")
    alpha = np.full((HEIGHT, WIDTH), 77, np.uint8)
    info = ImageInfo("png", 8, alpha, exif, icc, b"<x:xmpmeta/>")
    write_image(tmp_path / "a.avif", ArrayPicture(flags()), info)
    picture, back = read_image(tmp_path / "a.avif")
    assert np.abs(picture.pixels.astype(int) - flags()).mean() < 1
    assert (back.icc, back.xmp) == (icc, b"<x:xmpmeta/>")
    assert back.alpha is not None
    assert abs(int(back.alpha[50, 50]) - 77) <= NEAR
    kept = Image.Exif()
    kept.load(back.exif)
    assert kept[MAKE] == "Phone"


# Files that lie


def ispe(width: int, height: int) -> bytes:
    return b"ispe" + bytes(4) + struct.pack(">II", width, height)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("claimed", "error"),
    [
        ((60_000, 60_000), MediaTooManyPixelsError),
        ((0, 120), UnreadableMediaError),
    ],
)
def test_a_size_that_is_claimed_is_checked_before_it_is_decoded(
    tmp_path: Path, kind: str, claimed: tuple[int, int], error: type[Exception]
) -> None:
    path = write(tmp_path / f"a.{kind}")
    data = path.read_bytes()
    assert ispe(WIDTH, HEIGHT) in data
    path.write_bytes(data.replace(ispe(WIDTH, HEIGHT), ispe(*claimed)))
    with pytest.raises(error, match=f"a.{kind}"):
        read_image(path)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_never_gets_larger_than_it_claims(tmp_path: Path, kind: str) -> None:
    """libavif makes it as small as that, libheif would return what it found."""
    path = write(tmp_path / f"a.{kind}")
    path.write_bytes(path.read_bytes().replace(ispe(WIDTH, HEIGHT), ispe(8, 8)))
    if kind == "avif":
        assert read_image(path)[0].size_wh == (8, 8)
        return
    with pytest.raises(UnreadableMediaError, match="does not decode"):
        read_image(path)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_is_cut_off_is_unreadable(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"a.{kind}")
    whole = path.read_bytes()
    for end in (20, 100, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:end])
        with pytest.raises(UnreadableMediaError):
            read_image(path)


@pytest.mark.parametrize("kind", FORMATS)
def test_any_byte_may_be_wrong(tmp_path: Path, kind: str) -> None:
    """Nothing but our own errors, and never a picture larger than it claims."""
    path = write(tmp_path / f"a.{kind}")
    whole = path.read_bytes()
    dice = np.random.default_rng(3)
    for _ in range(60):
        broken = bytearray(whole)
        for at in dice.integers(8, len(whole), 3):
            broken[at] = dice.integers(256)
        try:
            facts = read_facts(io.BytesIO(bytes(broken)))
        except (ValueError, LookupError, struct.error):
            continue
        assert len(facts.size_wh) == 2


def test_the_decoder_sees_only_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It decodes behind the sandbox: with nothing but what is named, and bounded."""
    asked: list[dict[str, Any]] = []
    real = heif.start
    monkeypatch.setattr(
        heif, "start", lambda question: asked.append(dict(question)) or real(question)
    )
    path = write(tmp_path / "a.heic")
    read_image(path)
    assert asked[0]["max_pixels"] == WIDTH * HEIGHT
    assert asked[0]["memory_bytes"] < 1 << 30
    assert asked[0]["path"] == str(path)


def test_a_decoder_that_is_ended_is_an_error_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heif, "LEAST_MEMORY", 0)
    monkeypatch.setattr(heif, "MEMORY_PER_PIXEL", 0)
    with pytest.raises(UnreadableMediaError):
        read_image(write(tmp_path / "a.heic"))


def test_formats_are_told_apart_by_their_brands(tmp_path: Path) -> None:
    def head(major: bytes, *others: bytes) -> bytes:
        body = major + bytes(4) + b"".join(others)
        return struct.pack(">I", 8 + len(body)) + b"ftyp" + body

    assert heif_format(head(b"heic", b"mif1", b"heic")) == "heic"
    assert heif_format(head(b"mif1", b"heic")) == "heic"
    assert heif_format(head(b"mif1", b"avif", b"miaf")) == "avif"
    assert heif_format(head(b"avif", b"mif1")) == "avif"
    for film in (b"avis", b"msf1", b"hevc", b"isom", b"qt  "):
        assert heif_format(head(film, b"avif", b"heic")) is None
    assert heif_format(b"RIFF") is None
    path = write(tmp_path / "called.jpg.heic").rename(tmp_path / "called.jpg")
    assert find_format(path) == "heic"  # whatever it is called


def test_facts_are_those_of_the_picture_itself(tmp_path: Path) -> None:
    with write(tmp_path / "a.heic", tile_size=64).open("rb") as file:
        assert read_facts(file) == HeifFacts((WIDTH, HEIGHT), 8, (1, SRGB))
