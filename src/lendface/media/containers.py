"""What a film's file would be called: FFmpeg has one name for several containers."""

from __future__ import annotations

import struct
from pathlib import Path

ANIMATIONS = {"gif": ".gif", "apng": ".png", "webp": ".webp"}
HEAD_BYTES = 4096
DOC_TYPE = b"\x42\x82"  # of an EBML header, RFC 8794, section 11.2.4
QUICKTIME = b"qt  "  # brand of the QuickTime file format


def ending_of(path: Path, demuxer: str) -> str:
    """``.mov``, ``.mkv``, ``.webm``, and those of animations, for films that are that; ``.mp4`` for
    all others.

    ``demuxer`` is FFmpeg's name, such as ``mov,mp4,m4a,3gp,3g2,mj2``.
    """
    if demuxer in ANIMATIONS:
        return ANIMATIONS[demuxer]
    names = demuxer.split(",")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if "matroska" in names:
        return ".webm" if _doc_type(head) == b"webm" else ".mkv"
    if "mov" in names:
        return ".mov" if _brand(head) in (None, QUICKTIME) else ".mp4"
    return ".mp4"


def _brand(head: bytes) -> bytes | None:
    """Of an ISO base media file; QuickTime's first files had none (ISO 14496-12, section 4.3)."""
    size, kind, brand = struct.unpack_from(">I4s4s", head.ljust(12, b"\0"))
    return brand if kind == b"ftyp" and size >= 12 else None


def _doc_type(head: bytes) -> bytes:
    """The text of the EBML header's DocType, whose length fits into one byte; else nothing."""
    _, found, rest = head.partition(DOC_TYPE)
    if not found or not rest or not rest[0] & 0x80:
        return b""
    return rest[1 : 1 + (rest[0] & 0x7F)].rstrip(b"\0")
