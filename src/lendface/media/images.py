"""Still pictures in and out, with their colour profile, EXIF and transparency."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..engine.picture import ArrayPicture, ScratchPicture, strips_of
from ..engine.types import Array, Box, Picture, Pixels
from ..errors import (
    DiskFullError,
    MediaTooManyPixelsError,
    OutputError,
    OutputFormatError,
    UnreadableMediaError,
)
from .colour import HLG, PQ, get_curve
from .failures import FULL, check_readable
from .heif import decode_apart, read_facts
from .icc import profile_of
from .output import atomic_output
from .picture_size import MOST_SCANS, NO_PICTURE, count_scans, find_format, read_picture_size
from .placement import STRAIGHT, Placement, Turn

MOST_PIXELS = 250_000_000  # of a picture: no camera has more, and its pixels are 750 MB

FORMAT_BY_SUFFIX = {  # of pictures that are written
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "jpeg"),
    ".png": "png",
    ".webp": "webp",
    ".avif": "avif",
}
HEIF_FORMATS = ("heic", "avif")
TURN_BY_ORIENTATION: dict[int, Turn] = {
    1: STRAIGHT,
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
TRANSPARENT = ("png", "webp", "avif")
AVIF_SPEED = 6  # 0..10: a few seconds for 12 megapixels
ORIENTATION_TAG = 0x0112
EXIF, ICC = int(cv2.IMAGE_METADATA_EXIF), int(cv2.IMAGE_METADATA_ICCP)
XMP = int(cv2.IMAGE_METADATA_XMP)


@dataclass(frozen=True, eq=False)
class ImageInfo:
    """What a picture file has besides its colours."""

    format: str  # jpeg, png, webp, heic, avif, bmp, tiff
    bit_depth: int = 8  # of the file; pictures are handled with 8
    alpha: Pixels | None = None  # (h, w), upright
    exif: bytes | None = None  # TIFF structure, its orientation already made 1
    icc: bytes | None = None
    xmp: bytes | None = None


def is_image(path: Path) -> bool:
    """True for a still picture, by its first bytes; animations count as video."""
    return find_format(path) is not None


def read_image(path: Path) -> tuple[ArrayPicture, ImageInfo]:
    """The picture, upright, and what to keep of its file.

    It takes three bytes a pixel, and three more on the way where it has to be turned.
    Raises FileMissingError, EmptyFileError, UnreadableMediaError, MediaTooManyPixelsError.
    """
    path = Path(path)
    check_readable(path)
    kind = find_format(path)
    if kind is None:
        raise UnreadableMediaError(path.name, NO_PICTURE)
    size_wh = check_decodable(path, kind)
    colours, alpha, depth, metadata = decode_as(path, kind, size_wh)
    exif = metadata.get(EXIF)
    place = Placement(
        (colours.shape[1], colours.shape[0]), TURN_BY_ORIENTATION.get(orientation(exif), STRAIGHT)
    )
    colours = np.ascontiguousarray(place.upright(colours))
    if alpha is not None:
        alpha = np.ascontiguousarray(place.upright(alpha))
    info = ImageInfo(
        kind, depth, alpha, with_orientation_1(exif), for_rgb(metadata.get(ICC)), metadata.get(XMP)
    )
    return ArrayPicture(colours), info


def check_decodable(path: Path, kind: str) -> tuple[int, int]:
    """The size that the file claims. Raises MediaTooManyPixelsError; UnreadableMediaError for what
    only keeps a decoder busy."""
    size_wh = read_picture_size(path)
    if size_wh[0] * size_wh[1] > MOST_PIXELS:
        raise MediaTooManyPixelsError(path.name, size_wh, MOST_PIXELS, of_a_side=False)
    if kind == "jpeg" and count_scans(path) > MOST_SCANS:
        raise UnreadableMediaError(path.name, f"it has more than {MOST_SCANS} scans")
    return size_wh


def decode_as(
    path: Path, kind: str, size_wh: tuple[int, int]
) -> tuple[Pixels, Pixels | None, int, dict[int, bytes]]:
    """``decode`` by what knows the format best."""
    if kind in HEIF_FORMATS:
        return decode_boxed(path, kind, size_wh)
    if kind != "tiff":
        return decode(path)
    try:
        read = decode_apart(path, kind, size_wh)
    except UnreadableMediaError:  # floating point, and 16 bits of gray
        return decode(path)
    kept = {XMP: read.xmp, ICC: read.icc}  # it is turned already
    return read.rgb, read.alpha, read.bit_depth, {tag: v for tag, v in kept.items() if v}


def decode(path: Path) -> tuple[Pixels, Pixels | None, int, dict[int, bytes]]:
    """RGB, alpha, the bits of a sample of the file, and its metadata by kind; not turned."""
    name: Any = os.fsencode(path)
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels, kinds, values = cv2.imreadWithMetadata(name, flags=flags)
    except cv2.error:
        pixels, kinds, values = None, [], []
    if pixels is None:
        raise UnreadableMediaError(path.name, "the picture does not decode")
    pairs = zip(kinds, values, strict=True)
    depth = 16 if pixels.dtype == np.uint16 else 8
    metadata = {int(kind): np.asarray(value).tobytes() for kind, value in pairs}
    return *split(pixels), depth, metadata


def decode_boxed(
    path: Path, kind: str, size_wh: tuple[int, int]
) -> tuple[Pixels, Pixels | None, int, dict[int, bytes]]:
    """``decode`` for HEIC and AVIF. Their orientation is that of the file's boxes; an EXIF that
    says another is wrong (ISO/IEC 23000-22, section 7.3.6.7). HDR is shown as SDR."""
    with path.open("rb") as file:
        facts = read_facts(file)
    read = decode_apart(path, kind, size_wh)
    primaries, transfer = facts.colour or (2, 2)
    icc = read.icc
    if transfer in (PQ, HLG):
        codes = np.repeat(np.arange(256, dtype=np.float32)[:, None, None], 3, axis=2)
        table = np.uint8(np.rint(get_curve(transfer).forward(codes)))
        cv2.LUT(read.rgb, table, dst=read.rgb)
        icc = None
    metadata = {EXIF: read.exif, XMP: read.xmp, ICC: icc or profile_of(primaries, transfer)}
    kept = {kind: value for kind, value in metadata.items() if value}
    return read.rgb, read.alpha, facts.bit_depth, kept


def for_rgb(icc: bytes | None) -> bytes | None:
    """The profile of a picture in CMYK or gray does not fit the RGB that it became."""
    return icc if icc is not None and icc[16:20] == b"RGB " else None


def split(bgr: Array) -> tuple[Pixels, Pixels | None]:
    """RGB and alpha of what OpenCV decoded, both 8 bits; a plain BGR picture is changed where it
    lies, for a second one of that size may not fit."""
    if bgr.ndim == 3 and bgr.shape[2] == 3 and bgr.dtype == np.uint8:
        swap_channels(bgr)
        return bgr, None
    rgb = np.empty((*bgr.shape[:2], 3), np.uint8)
    alpha = np.empty(bgr.shape[:2], np.uint8) if bgr.ndim == 3 and bgr.shape[2] == 4 else None
    for rows in strips_of(rgb):
        strip = to_8_bit(bgr[rows])
        rgb[rows] = strip[..., None] if strip.ndim == 2 else strip[..., 2::-1]
        if alpha is not None:
            alpha[rows] = strip[..., 3]
    return rgb, alpha


def swap_channels(pixels: Pixels) -> None:
    """RGB becomes BGR, or the other way round, where it lies."""
    for rows in strips_of(pixels):
        pixels[rows] = cv2.cvtColor(pixels[rows], cv2.COLOR_RGB2BGR)


def to_8_bit(pixels: Array) -> Pixels:
    if pixels.dtype == np.uint16:
        return cv2.convertScaleAbs(pixels, alpha=255 / 65535)
    if pixels.dtype == np.uint8:
        return pixels
    return cv2.convertScaleAbs(pixels, alpha=255)  # floating point, 0..1


def write_image(path: Path, picture: Picture, info: ImageInfo, quality: int = 95) -> None:
    """Write JPEG, PNG, WebP or AVIF by the suffix of ``path``; it appears whole or not at all.

    EXIF (upright), colour profile, XMP and, but for JPEG, transparency are kept.
    Raises OutputFormatError, OutputFolderMissingError, OutputError, DiskFullError.
    """
    path = Path(path)
    kind = FORMAT_BY_SUFFIX.get(path.suffix.lower())
    if kind is None:
        raise OutputFormatError(f"{path.name}: pictures are written as .jpg, .png, .webp or .avif")
    alpha = info.alpha if kind in TRANSPARENT else None
    data = encode(kind, bgr_of(picture, alpha), info, quality)
    with atomic_output(path) as part:
        try:
            part.write_bytes(data)
        except OSError as fault:
            raise (
                DiskFullError()
                if fault.errno in FULL
                else OutputError(f"{path.name} cannot be written")
            ) from fault


def bgr_of(picture: Picture, alpha: Pixels | None) -> Pixels:
    """(H, W, 3), or 4 with ``alpha`` (H, W), for an encoder. A ``ScratchPicture`` without alpha is
    changed where it lies."""
    width, height = picture.size_wh
    if isinstance(picture, ScratchPicture) and alpha is None:
        swap_channels(picture.pixels)
        return picture.pixels
    bgr = np.empty((height, width, 3 if alpha is None else 4), np.uint8)
    for rows in strips_of(bgr):
        strip = picture.region(Box(0, rows.start, width, rows.stop))
        bgr[rows, :, :3] = np.uint8(np.rint(strip))[..., ::-1]
        if alpha is not None:
            bgr[rows, :, 3] = alpha[rows]
    return bgr


def encode_image(rgb: Pixels, kind: str = "jpg", quality: int = 92) -> bytes:
    """(H, W, 3) RGB as the bytes of a JPEG, PNG or WebP. Raises OutputFormatError."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    kind = FORMAT_BY_SUFFIX.get(f".{kind}", kind)
    return encode(kind, bgr, ImageInfo(kind), quality).tobytes()


def encode(kind: str, bgr: Pixels, info: ImageInfo, quality: int) -> memoryview:
    """A file of that format. Raises OutputFormatError."""
    if kind == "avif":
        return encode_avif(bgr, info, quality)
    kept = {EXIF: info.exif, XMP: info.xmp, ICC: info.icc}
    kinds = [kind for kind, value in kept.items() if value]
    values = [np.frombuffer(value, np.uint8) for value in kept.values() if value]
    flags = quality_flags(kind, quality)
    try:
        done, data = cv2.imencodeWithMetadata(f".{kind}", bgr, kinds, values, flags)
    except cv2.error as fault:
        raise OutputFormatError(f"the picture does not fit a {kind} file") from fault
    if not done:
        raise OutputFormatError(f"the picture does not fit a {kind} file")
    return data.data


def encode_avif(bgr: Pixels, info: ImageInfo, quality: int) -> memoryview:
    """4:4:4, as JPEG is written: a swapped face must not bleed its colours."""
    from PIL import Image

    has_alpha = bgr.shape[2] == 4
    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGRA2RGBA if has_alpha else cv2.COLOR_BGR2RGB)
    kept = {"exif": info.exif, "xmp": info.xmp, "icc_profile": info.icc}
    made = io.BytesIO()
    try:
        Image.fromarray(rgb).save(
            made,
            format="AVIF",
            quality=quality,
            subsampling="4:4:4",
            speed=AVIF_SPEED,
            **{name: value for name, value in kept.items() if value},
        )
    except (OSError, ValueError, SyntaxError) as fault:
        raise OutputFormatError("the picture does not fit an avif file") from fault
    return made.getbuffer()


def quality_flags(kind: str, quality: int) -> list[Any]:
    """Encoder parameters; a format takes only its own."""
    if kind == "webp":
        return [cv2.IMWRITE_WEBP_QUALITY, quality]
    if kind == "png":
        return []
    # 4:4:4: a swapped face must not bleed its colours
    full_colour = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return [cv2.IMWRITE_JPEG_QUALITY, quality, *full_colour]


def orientation(exif: bytes | None) -> int:
    """The EXIF orientation, 1..8; 1 where there is none."""
    place = find_orientation(exif)
    if exif is None or place is None:
        return 1
    value = int.from_bytes(exif[place : place + 2], byte_order(exif))
    return value if value in TURN_BY_ORIENTATION else 1


def with_orientation_1(exif: bytes | None) -> bytes | None:
    """The same EXIF for pixels that are upright already."""
    place = find_orientation(exif)
    if exif is None or place is None:
        return exif
    return exif[:place] + (1).to_bytes(2, byte_order(exif)) + exif[place + 2 :]


def byte_order(exif: bytes) -> Any:
    return "little" if exif[:2] == b"II" else "big"


def find_orientation(exif: bytes | None) -> int | None:
    """Where the orientation's two bytes are in the first directory of a TIFF structure."""
    if exif is None or exif[:2] not in (b"II", b"MM") or len(exif) < 10:
        return None
    order = byte_order(exif)
    start = int.from_bytes(exif[4:8], order)
    count = int.from_bytes(exif[start : start + 2], order)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(exif) - 11), 12):
        if int.from_bytes(exif[entry : entry + 2], order) == ORIENTATION_TAG:
            return entry + 8
    return None
