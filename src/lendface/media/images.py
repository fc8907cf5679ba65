"""Still pictures in and out, with their colour profile, EXIF and transparency."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..engine.picture import ArrayPicture
from ..engine.types import Array, Box, Picture, Pixels
from ..errors import DiskFullError, OutputError, OutputFormatError, UnreadableMediaError
from .failures import FULL, check_readable
from .output import atomic_output
from .placement import STRAIGHT, Placement, Turn

FORMAT_BY_SUFFIX = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}
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
ORIENTATION_TAG = 0x0112
EXIF, ICC = int(cv2.IMAGE_METADATA_EXIF), int(cv2.IMAGE_METADATA_ICCP)
XMP = int(cv2.IMAGE_METADATA_XMP)


@dataclass(frozen=True, eq=False)
class ImageInfo:
    """What a picture file has besides its colours."""

    format: str  # jpeg, png, webp, bmp, tiff
    bit_depth: int = 8  # of the file; pictures are handled with 8
    alpha: Pixels | None = None  # (h, w), upright
    exif: bytes | None = None  # TIFF structure, its orientation already made 1
    icc: bytes | None = None
    xmp: bytes | None = None


def is_image(path: Path) -> bool:
    """True for a still picture, by its first bytes; animations count as video."""
    return find_format(path) is not None


def find_format(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(b"\xff\xd8\xff"):
        return None if path.suffix.lower() in (".mjpeg", ".mjpg") else "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return None if b"acTL" in head else "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        is_animated = head[12:16] == b"VP8X" and head[20:21] and head[20] & 2
        return None if is_animated else "webp"
    if head[:4] in (b"II*\x00", b"MM\x00*"):
        return "tiff"
    return "bmp" if head[:2] == b"BM" and head[6:10] == b"\x00\x00\x00\x00" else None


def read_image(path: Path) -> tuple[ArrayPicture, ImageInfo]:
    """The picture, upright, and what to keep of its file.

    Raises FileMissingError, EmptyFileError, UnreadableMediaError.
    """
    path = Path(path)
    check_readable(path)
    kind = find_format(path)
    if kind is None:
        raise UnreadableMediaError(path.name, "it is not a JPEG, PNG or WebP picture")
    pixels, metadata = decode(path)
    exif = metadata.get(EXIF)
    place = Placement(
        (pixels.shape[1], pixels.shape[0]), TURN_BY_ORIENTATION.get(orientation(exif), STRAIGHT)
    )
    depth = 16 if pixels.dtype == np.uint16 else 8
    upright = np.ascontiguousarray(place.upright(to_8_bit(pixels)))
    colours, alpha = split(upright)
    info = ImageInfo(
        kind, depth, alpha, with_orientation_1(exif), metadata.get(ICC), metadata.get(XMP)
    )
    return ArrayPicture(colours), info


def decode(path: Path) -> tuple[Array, dict[int, bytes]]:
    data = np.frombuffer(path.read_bytes(), np.uint8)
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels, kinds, values = cv2.imdecodeWithMetadata(data, flags=flags)
    except cv2.error:
        pixels, kinds, values = None, [], []
    if pixels is None:
        raise UnreadableMediaError(path.name, "the picture does not decode")
    pairs = zip(kinds, values, strict=True)
    return pixels, {int(kind): np.asarray(value).tobytes() for kind, value in pairs}


def to_8_bit(pixels: Array) -> Pixels:
    if pixels.dtype == np.uint16:
        return cv2.convertScaleAbs(pixels, alpha=255 / 65535)
    if pixels.dtype == np.uint8:
        return pixels
    return cv2.convertScaleAbs(pixels, alpha=255)  # floating point, 0..1


def split(bgr: Pixels) -> tuple[Pixels, Pixels | None]:
    """RGB and alpha of what OpenCV decoded."""
    if bgr.ndim == 2:
        return cv2.cvtColor(bgr, cv2.COLOR_GRAY2RGB), None
    if bgr.shape[2] == 4:
        return cv2.cvtColor(bgr, cv2.COLOR_BGRA2RGB), np.ascontiguousarray(bgr[..., 3])
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), None


def write_image(path: Path, picture: Picture, info: ImageInfo, quality: int = 95) -> None:
    """Write JPEG, PNG or WebP by the suffix of ``path``; it appears whole or not at all.

    EXIF (upright), colour profile, XMP and, but for JPEG, transparency are kept.
    Raises OutputFormatError, OutputFolderMissingError, OutputError, DiskFullError.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMAT_BY_SUFFIX:
        raise OutputFormatError(f"{path.name}: pictures are written as .jpg, .png or .webp")
    rgb = np.uint8(np.rint(picture.region(Box(0, 0, *picture.size_wh))))
    if info.alpha is not None and suffix not in (".jpg", ".jpeg"):
        pixels = cv2.cvtColor(np.dstack([rgb, info.alpha]), cv2.COLOR_RGBA2BGRA)
    else:
        pixels = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    data = encode(suffix, pixels, info, quality)
    with atomic_output(path) as part:
        try:
            part.write_bytes(data)
        except OSError as fault:
            raise (
                DiskFullError()
                if fault.errno in FULL
                else OutputError(f"{path.name} cannot be written")
            ) from fault


def encode_image(rgb: Pixels, kind: str = "jpg", quality: int = 92) -> bytes:
    """(H, W, 3) RGB as the bytes of a JPEG, PNG or WebP. Raises OutputFormatError."""
    return encode(f".{kind}", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), ImageInfo(kind), quality)


def encode(suffix: str, bgr: Pixels, info: ImageInfo, quality: int) -> bytes:
    kept = {EXIF: info.exif, XMP: info.xmp, ICC: info.icc}
    kinds = [kind for kind, value in kept.items() if value]
    values = [np.frombuffer(value, np.uint8) for value in kept.values() if value]
    flags = quality_flags(suffix, quality)
    try:
        done, data = cv2.imencodeWithMetadata(suffix, bgr, kinds, values, flags)
    except cv2.error as fault:
        raise OutputFormatError(f"the picture does not fit a {suffix} file") from fault
    if not done:
        raise OutputFormatError(f"the picture does not fit a {suffix} file")
    return data.tobytes()


def quality_flags(suffix: str, quality: int) -> list[Any]:
    """Encoder parameters; a format takes only its own."""
    if suffix == ".webp":
        return [cv2.IMWRITE_WEBP_QUALITY, quality]
    if suffix == ".png":
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
