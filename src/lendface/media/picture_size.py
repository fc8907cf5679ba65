"""What a still picture says of itself, before anything of it is decoded: its format and its size.

A file of a few bytes can claim 100000x100000 pixels, and a decoder would make room for them. The
headers are read as the decoders read them; where they do not say a size the file is refused.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from ..errors import UnreadableMediaError
from .failures import check_readable
from .heif import heif_format, read_facts

WEBP_IS_ANIMATED = 0x02  # flag of VP8X
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
NO_PICTURE = "it is not a JPEG, PNG, WebP, HEIC or AVIF picture"
MOST_SEGMENTS = 20_000
MOST_GARBAGE = 1 << 20  # bytes between two segments
TIFF_SIDES = {256: 0, 257: 1, 322: 0, 323: 1}  # picture and tile, width and length
TIFF_STRIP_ROWS = 278
TIFF_NUMBERS = {3: "H", 4: "I"}  # short and long; nobody writes a size otherwise
MOST_TIFF_TAGS = 4096
MOST_SCANS = 100  # of a progressive JPEG, which is decoded once for each; programs write ten
JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # that ends the data of a scan


def find_format(path: Path) -> str | None:
    """jpeg, png, webp, heic, avif, tiff or bmp by the first bytes; None for all else, animations
    too."""
    if find_animation(path) is not None:
        return None
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(b"\xff\xd8\xff"):
        return None if path.suffix.lower() in (".mjpeg", ".mjpg") else "jpeg"
    if head.startswith(PNG_SIGNATURE):
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if (kind := heif_format(head)) is not None:
        return kind
    if head[:4] in (b"II*\x00", b"MM\x00*"):
        return "tiff"
    return "bmp" if head[:2] == b"BM" and head[6:10] == b"\x00\x00\x00\x00" else None


def find_animation(path: Path) -> str | None:
    """apng or webp where the file is one with several frames; None for all else.

    What says so may lie far behind the start, so the chunks are walked, not searched.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if head[:8] == PNG_SIGNATURE:
            return "apng" if count_png_frames(file) > 1 else None
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return "webp" if is_webp_animation(file) else None
    return None


def count_png_frames(file: IO[bytes]) -> int:
    """What ``acTL`` says, which stands before the picture (PNG 3rd edition, section 11.3.7)."""
    file.seek(8)
    for _ in range(MOST_SEGMENTS):
        length, kind, frames = struct.unpack(">I4sI", file.read(12).ljust(12, b"\0"))
        if kind == b"acTL":
            return frames
        if kind in (b"IDAT", b"IEND", b"\0\0\0\0"):
            return 1
        file.seek(length, 1)  # its four bytes that were read stand for those of the checksum
    return 1


def is_webp_animation(file: IO[bytes]) -> bool:
    """Whether it says so and does not have just one ``ANMF`` (RFC 9649, section 2.7)."""
    file.seek(12)
    head = file.read(18)
    if head[:4] != b"VP8X" or not head[8:9] or not head[8] & WEBP_IS_ANIMATED:
        return False
    frames = 0
    for _ in range(MOST_SEGMENTS):
        kind, length = struct.unpack("<4sI", file.read(8).ljust(8, b"\0"))
        frames += kind == b"ANMF"
        if frames > 1 or kind == b"\0\0\0\0":
            break
        file.seek(length + (length & 1), 1)
    return frames != 1


def count_plays(path: Path) -> int:
    """How often an animated GIF, PNG or WebP is shown, 0 for ever; so is what is none of them."""
    with path.open("rb") as file:
        head = file.read(4096)
        if head[:4] == b"GIF8":  # the Netscape extension, which each program writes at the start
            _, found, rest = head.partition(b"NETSCAPE2.0\x03\x01")
            times = int.from_bytes(rest[:2], "little")
            return times + 1 if times else 0 if found else 1
        if head[:8] == PNG_SIGNATURE and count_png_frames(file) > 1:
            return struct.unpack(">I", file.read(4).rjust(4, b"\0"))[0]
        if head[:4] == b"RIFF" and (at := head.find(b"ANIM\6\0\0\0")) > 0:
            return int.from_bytes(head[at + 12 : at + 14], "little")
    return 0


def read_picture_size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels as stored, not yet turned; no less than a decoder makes room for.

    Raises FileMissingError, EmptyFileError, UnreadableMediaError.
    """
    check_readable(path)
    kind = find_format(path)
    if kind is None:
        raise UnreadableMediaError(path.name, NO_PICTURE)
    with path.open("rb") as file:
        try:
            width, height = READERS[kind](file)
        except (struct.error, ValueError, LookupError):
            width = height = 0
    if width <= 0 or height <= 0:
        raise UnreadableMediaError(path.name, "the picture does not say its size")
    return width, height


def png_size(file: IO[bytes]) -> tuple[int, int]:
    head = file.read(24)
    if head[12:16] != b"IHDR":
        raise ValueError
    return struct.unpack(">II", head[16:24])


def jpeg_size(file: IO[bytes]) -> tuple[int, int]:
    """Of the first frame header, which stands before the first scan."""
    file.read(2)
    for _ in range(MOST_SEGMENTS):
        marker = _next_jpeg_marker(file)
        if marker in JPEG_ALONE:
            continue
        length = struct.unpack(">H", file.read(2))[0]
        if marker in JPEG_FRAMES:
            _, height, width = struct.unpack(">BHH", file.read(5))
            return width, height
        if length < 2 or marker in (0xD9, 0xDA):
            raise ValueError
        file.seek(length - 2, 1)
    raise ValueError


def count_scans(path: Path) -> int:
    """How many scans a JPEG has, to its end or until there are more than ``MOST_SCANS``."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = count = 0
        while count <= MOST_SCANS and (found := JPEG_MARKER.search(data, at)):
            at, marker = found.end(), data[found.end() - 1]
            if marker == 0xD9 and count:  # the end of the picture; of what follows nobody reads
                break
            if marker in JPEG_ALONE or at + 2 > len(data):
                continue
            count += marker == 0xDA
            at += struct.unpack_from(">H", data, at)[0]
        return count


def _next_jpeg_marker(file: IO[bytes]) -> int:
    """The first marker after 0xFF; what stands before it is skipped, as libjpeg does."""
    previous = b""
    for _ in range(MOST_GARBAGE):
        if not (byte := file.read(1)):
            break
        if previous == b"\xff" and byte not in (b"\x00", b"\xff"):
            return byte[0]
        previous = byte
    raise ValueError


def webp_size(file: IO[bytes]) -> tuple[int, int]:
    """The largest of what the canvas and the picture itself claim."""
    file.read(12)
    size = (0, 0)
    for _ in range(MOST_SEGMENTS):
        head = file.read(8)
        if len(head) < 8:
            break
        kind, length = head[:4], struct.unpack("<I", head[4:])[0]
        start = file.tell()
        if kind in WEBP_SIZES:
            claimed = WEBP_SIZES[kind](file.read(10))
            size = max(size[0], claimed[0]), max(size[1], claimed[1])
        if kind in (b"VP8 ", b"VP8L", b"ANMF"):
            return size
        file.seek(start + length + (length & 1))
    raise ValueError


def vp8x_size(data: bytes) -> tuple[int, int]:
    return 1 + int.from_bytes(data[4:7], "little"), 1 + int.from_bytes(data[7:10], "little")


def vp8_size(data: bytes) -> tuple[int, int]:
    if data[3:6] != b"\x9d\x01\x2a":
        raise ValueError
    width, height = struct.unpack("<HH", data[6:10])
    return width & 0x3FFF, height & 0x3FFF


def vp8l_size(data: bytes) -> tuple[int, int]:
    if data[:1] != b"\x2f":
        raise ValueError
    bits = int.from_bytes(data[1:5], "little")
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)


def heif_size(file: IO[bytes]) -> tuple[int, int]:
    return read_facts(file).size_wh


def bmp_size(file: IO[bytes]) -> tuple[int, int]:
    head = file.read(26)
    (length,) = struct.unpack("<I", head[14:18])
    if length == 12:
        return struct.unpack("<HH", head[18:22])
    width, height = struct.unpack("<ii", head[18:26])
    return width, abs(height)


def tiff_size(file: IO[bytes]) -> tuple[int, int]:
    """Of the first picture, or of its tiles or strips where those are larger."""
    head = file.read(8)
    order = "<" if head[:2] == b"II" else ">"
    file.seek(struct.unpack(f"{order}I", head[4:8])[0])
    (count,) = struct.unpack(f"{order}H", file.read(2))
    entries = file.read(12 * min(count, MOST_TIFF_TAGS))
    sides, strip_rows = [0, 0], 0
    for at in range(0, len(entries) - 11, 12):
        tag, kind = struct.unpack_from(f"{order}HH", entries, at)
        if tag in TIFF_SIDES or tag == TIFF_STRIP_ROWS:
            (value,) = struct.unpack_from(order + TIFF_NUMBERS[kind], entries, at + 8)
            side = TIFF_SIDES.get(tag)
            if side is None:
                strip_rows = value
            else:
                sides[side] = max(sides[side], value)
    if not all(sides) or strip_rows in (0, 0xFFFFFFFF):
        return sides[0], sides[1]
    return sides[0], max(sides[1], strip_rows)


WEBP_SIZES: Mapping[bytes, Callable[[bytes], tuple[int, int]]] = {
    b"VP8X": vp8x_size,
    b"VP8 ": vp8_size,
    b"VP8L": vp8l_size,
}
READERS: Mapping[str, Callable[[IO[bytes]], tuple[int, int]]] = {
    "png": png_size,
    "jpeg": jpeg_size,
    "webp": webp_size,
    "bmp": bmp_size,
    "heic": heif_size,
    "avif": heif_size,
    "tiff": tiff_size,
}
