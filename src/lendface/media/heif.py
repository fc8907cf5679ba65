"""HEIC and AVIF photos: what their boxes say, and their pixels, which another process decodes.

So it does those of TIFF, whose turning, transparency and profile OpenCV does not read.

The libraries that know these formats are large and often in need of mending, so they see a file
only behind the sandbox of ``sandbox.py``; its pixels come back by a pipe.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from threading import Timer
from typing import IO, Any

import numpy as np

from ..engine.types import Pixels
from ..errors import UnreadableMediaError
from .environment import bare

PROGRAM = Path(__file__).with_name("heif_decoder.py")
PILLOWS_NAMES = {"heic": "HEIF", "avif": "AVIF", "tiff": "TIFF"}
LIBRARIES = ("PIL", "pillow_heif", "pi_heif")  # the last two read the same, either will do
LEAST_MEMORY = 768 << 20
MEMORY_PER_PIXEL = 48  # as for a film: planes of 16 bits, tiles, and the picture twice
CPU_S, WALL_S = 120, 600
MOST_META = 8 << 20  # bytes of the box that lists what is in the file
MOST_BOXES = 10_000
# Major brands. Those of sequences, which move, are not among them: avis, msf1, hevc, hevx.
HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis"})
ANY_BRANDS = frozenset({b"mif1", b"mif2", b"mif3", b"miaf", b"1pic"})  # of either
NOT_BEGUN = 3  # exit code of the program where its libraries are missing
NO_DECODE = "the picture does not decode"


@dataclass(frozen=True, slots=True)
class HeifFacts:
    """What the boxes of a file claim. ISO/IEC 23008-12; properties by ISO/IEC 14496-12."""

    size_wh: tuple[int, int]  # the largest of all pictures and tiles in it
    bit_depth: int = 8
    colour: tuple[int, int] | None = None  # primaries and transfer of the picture, by H.273


@dataclass(frozen=True, eq=False)
class DecodedPicture:
    """A decoded picture, not yet turned by what ``exif`` says."""

    bit_depth: int  # of the file, where the decoder tells it; else 8
    rgb: Pixels
    alpha: Pixels | None
    exif: bytes | None  # TIFF structure; its orientation is that of the file's own boxes
    icc: bytes | None
    xmp: bytes | None


def heif_format(head: bytes) -> str | None:
    """heic or avif by the first bytes of a file; None for all else, sequences too."""
    if head[4:8] != b"ftyp":
        return None
    size, major = int.from_bytes(head[:4], "big"), head[8:12]
    brands = {head[at : at + 4] for at in range(16, min(size, len(head)) - 3, 4)}
    if major == b"avif" or (major in ANY_BRANDS and b"avif" in brands):
        return "avif"
    return "heic" if major in HEIC_BRANDS | ANY_BRANDS else None


def read_facts(file: IO[bytes]) -> HeifFacts:
    """Raises ValueError and struct.error where the boxes do not say a size."""
    meta = dict(boxes(find_meta(file)[4:]))
    properties = dict(boxes(meta[b"iprp"]))
    listed = list(boxes(properties[b"ipco"]))
    sizes = [struct.unpack_from(">II", body, 4) for kind, body in listed if kind == b"ispe"]
    if not sizes:
        raise ValueError
    facts = HeifFacts(max(sizes, key=lambda wh: wh[0] * wh[1]))
    with suppress(KeyError, IndexError, struct.error):  # the size is all that is needed
        own = properties_of(primary_item(meta[b"pitm"]), properties[b"ipma"])
        for kind, body in (listed[number - 1] for number in own if number):
            if kind == b"pixi":
                facts = replace(facts, bit_depth=max(body[5 : 5 + body[4]]))
            elif kind == b"colr" and body[:4] == b"nclx":
                facts = replace(facts, colour=struct.unpack_from(">HH", body, 4))
    return facts


def find_meta(file: IO[bytes]) -> bytes:
    """The body of the file's meta box."""
    for _ in range(MOST_BOXES):
        head = file.read(16)
        size, kind = struct.unpack_from(">I4s", head)
        start = 8
        if size == 1:
            (size,), start = struct.unpack_from(">Q", head, 8), 16
        if kind == b"meta":
            if not start < size <= MOST_META:
                raise ValueError
            file.seek(start - len(head), 1)
            return file.read(size - start)
        if size < start:
            raise ValueError
        file.seek(size - len(head), 1)
    raise ValueError


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, body) of each, one after the other."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            return
        yield kind, data[at + 8 : at + size]
        at += size


def primary_item(body: bytes) -> int:
    return struct.unpack_from(">I" if body[0] else ">H", body, 4)[0]


def properties_of(item: int, body: bytes) -> list[int]:
    """The numbers of an item's properties, from 1."""
    version, flags = body[0], body[3]
    (count,) = struct.unpack_from(">I", body, 4)
    at = 8
    for _ in range(min(count, MOST_BOXES)):
        (found,) = struct.unpack_from(">I" if version else ">H", body, at)
        at += 4 if version else 2
        many, at = body[at], at + 1
        wide = 2 if flags & 1 else 1
        numbers = [
            int.from_bytes(body[at + wide * n : at + wide * (n + 1)], "big") for n in range(many)
        ]
        if found == item:
            return [number & (0x7FFF if wide == 2 else 0x7F) for number in numbers]
        at += wide * many
    return []


def decode_apart(path: Path, kind: str, size_wh: tuple[int, int]) -> DecodedPicture:
    """``size_wh`` is what the file claims; a picture with more pixels is not decoded.

    Raises UnreadableMediaError, and RuntimeError where the other process could not even begin.
    """
    most = size_wh[0] * size_wh[1]
    with start(question_about(path, kind, most)) as process:
        clock = Timer(WALL_S, process.kill)
        clock.start()
        try:
            return receive(path, process, most)
        finally:
            clock.cancel()
            process.kill()


def question_about(path: Path, kind: str, most_pixels: int) -> dict[str, Any]:
    found = (find_spec(name) for name in LIBRARIES)
    return {
        "path": os.path.abspath(path),
        "paths": sorted(
            {str(Path(spec.origin).parents[1]) for spec in found if spec and spec.origin}
        ),
        "format": PILLOWS_NAMES[kind],
        "max_pixels": most_pixels,
        "memory_bytes": LEAST_MEMORY + MEMORY_PER_PIXEL * most_pixels,
        "cpu_s": CPU_S,
    }


def start(question: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", str(PROGRAM), json.dumps(question)],
        env=bare(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def receive(path: Path, process: subprocess.Popen[bytes], most_pixels: int) -> DecodedPicture:
    """One line of JSON, and then the pixels."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        if process.wait() == NOT_BEGUN:
            raise RuntimeError("the decoder of HEIC and AVIF does not run")
        raise UnreadableMediaError(
            path.name, "it needs more memory or time than such a file should"
        )
    told = json.loads(line)
    if "fault" in told:
        raise UnreadableMediaError(path.name, NO_DECODE)
    (width, height), channels = told["size_wh"], told["channels"]
    if not 0 < width * height <= most_pixels or channels not in (3, 4):
        raise UnreadableMediaError(path.name, NO_DECODE)
    pixels = np.empty((height, width, channels), np.uint8)
    if process.stdout.readinto(memoryview(pixels).cast("B")) != pixels.size:  # type: ignore[attr-defined]
        raise UnreadableMediaError(path.name, NO_DECODE)
    kept = {name: b64decode(told[name]) or None for name in ("exif", "icc", "xmp")}
    if channels == 3:
        return DecodedPicture(told["bit_depth"], pixels, None, **kept)
    rgb, alpha = np.ascontiguousarray(pixels[..., :3]), pixels[..., 3].copy()
    return DecodedPicture(told["bit_depth"], rgb, alpha, **kept)
