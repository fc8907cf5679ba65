"""The digital source type of the IPTC, in the XMP packet of a file.

Other programs read it without knowing C2PA. It is not signed by itself, but it is written before
the manifest, which covers it. XMP specification part 3 says where the packet lies in each format.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
PROPERTY = "Iptc4xmpExt:DigitalSourceType"
JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
# The others are what OpenCV makes of a packet from another format
JPEG_XMP_STARTS = (JPEG_XMP, b"<?xpacket", b"<x:xmpmeta")
JPEG_MOST = 65533  # bytes of one segment after its length
PNG_HEAD, PNG_XMP = b"\x89PNG\r\n\x1a\n", b"XML:com.adobe.xmp"
WEBP_HAS_XMP, WEBP_HAS_ALPHA = 0x04, 0x10
XMP_UUID = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
MOST_XMP = 1 << 20
MOST_BOXES = 100_000  # a file of strangers may hold nothing but tiny ones
UNREADABLE = (KeyError, ValueError, IndexError, StopIteration, struct.error, zlib.error)

NEW_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{}</rdf:RDF>'
    '</x:xmpmeta><?xpacket end="w"?>'
)
# The property as an attribute or as an element, so that it is never there twice
OLDER = re.compile(
    r"""\s+Iptc4xmpExt:DigitalSourceType\s*=\s*(?:"[^"]*"|'[^']*')"""
    r"|<Iptc4xmpExt:DigitalSourceType\b[^>]*?(?:/>|>.*?</Iptc4xmpExt:DigitalSourceType\s*>)",
    re.DOTALL,
)
EMPTIED = re.compile(
    rf"""<rdf:Description\s+rdf:about\s*=\s*(?:"[^"<]*"|'[^'<]*')\s+"""
    rf"""xmlns:Iptc4xmpExt="{re.escape(IPTC)}"\s*(?:/>|>\s*</rdf:Description>)"""
)
ABOUT = re.compile(r"""rdf:about\s*=\s*("[^"<]*"|'[^'<]*')""")
FOUND = re.compile(r"""Iptc4xmpExt:DigitalSourceType(?:\s*=\s*["']|[^>]*>\s*)([^"'<\s]+)""")


def write_source_type(path: Path, uri: str) -> bool:
    """Put it into the file, beside what other metadata there is; the pictures stay as they are.

    False where the format has no place that we know: Matroska, WebM. Raises OSError.
    """
    suffix = path.suffix.lower()
    try:
        if suffix in (".mp4", ".m4v", ".mov"):
            return _write_box(path, uri)
        data = CHANGE_BY_SUFFIX[suffix](path.read_bytes(), uri)
    except UNREADABLE:
        return False
    path.write_bytes(data)
    return True


def find_source_type(path: Path) -> str | None:
    """What the file's XMP says, in any of the formats. Raises OSError."""
    suffix = path.suffix.lower()
    try:
        if suffix in (".mp4", ".m4v", ".mov"):
            packet = _find_box_packet(path)
        else:
            packet = PACKET_BY_SUFFIX[suffix](path.read_bytes())
    except UNREADABLE:
        return None
    found = FOUND.search(packet.decode("utf-8", "replace")) if packet else None
    return found[1] if found else None


# The packet


def with_source_type(packet: bytes | None, uri: str) -> bytes:
    """The same XMP with the property; a packet that we cannot read gives way to a new one.

    >>> b"/composite<" in with_source_type(None, "http://example.org/composite")
    True
    """
    text = (packet or b"").decode("utf-8", "ignore").strip("\0")
    text = EMPTIED.sub("", OLDER.sub("", text[max(0, text.find("<")) :]))
    cut = text.rfind("</rdf:RDF>")
    if cut < 0:
        return NEW_PACKET.format(_description(uri)).encode()
    about = ABOUT.search(text)  # all parts of a packet are about the same
    added = _description(uri, about[1] if about else '""')
    return (text[:cut] + added + text[cut:]).encode()


def _description(uri: str, about: str = '""') -> str:
    return (
        f'<rdf:Description rdf:about={about} xmlns:Iptc4xmpExt="{IPTC}">'
        f"<{PROPERTY}>{uri}</{PROPERTY}></rdf:Description>"
    )


# JPEG: a segment APP1 before the picture


def _in_jpeg(data: bytes, uri: str) -> bytes:
    segments, rest = _jpeg_segments(data)
    packet = with_source_type(_jpeg_packet(data), uri)
    if len(JPEG_XMP) + len(packet) > JPEG_MOST:
        raise ValueError("the XMP does not fit a segment")
    kept = [(mark, body) for mark, body in segments if not _is_jpeg_xmp(mark, body)]
    # after JFIF and EXIF, which readers want first
    place = sum(1 for mark, body in kept if mark == 0xE0 or body.startswith(b"Exif\0"))
    kept.insert(place, (0xE1, JPEG_XMP + packet))
    heads = (struct.pack(">BBH", 0xFF, mark, len(body) + 2) + body for mark, body in kept)
    return b"".join([data[:2], *heads, rest])


def _jpeg_packet(data: bytes) -> bytes | None:
    segments, _ = _jpeg_segments(data)
    return next((body for mark, body in segments if _is_jpeg_xmp(mark, body)), None)


def _jpeg_segments(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """(mark, body) of each segment before the picture itself, and the rest."""
    if data[:2] != b"\xff\xd8":
        raise ValueError("no JPEG")
    segments, at = [], 2
    while data[at] == 0xFF and data[at + 1] != 0xDA:
        mark, size = struct.unpack_from(">BH", data, at + 1)
        if size < 2:
            raise ValueError("a broken segment")
        segments.append((mark, data[at + 4 : at + 2 + size]))
        at += 2 + size
    return segments, data[at:]


def _is_jpeg_xmp(mark: int, body: bytes) -> bool:
    return mark == 0xE1 and body.startswith(JPEG_XMP_STARTS)


# PNG: a chunk iTXt before the picture


def _in_png(data: bytes, uri: str) -> bytes:
    chunks = list(_png_chunks(data))
    packet = with_source_type(_png_packet(data), uri)
    kept = [(kind, body) for kind, body in chunks if not _is_png_xmp(kind, body)]
    place = next(n for n, (kind, _) in enumerate(kept) if kind == b"IDAT")
    kept.insert(place, (b"iTXt", PNG_XMP + bytes(5) + packet))
    return PNG_HEAD + b"".join(_png_chunk(kind, body) for kind, body in kept)


def _png_packet(data: bytes) -> bytes | None:
    return next((_png_text(*chunk) for chunk in _png_chunks(data) if _is_png_xmp(*chunk)), None)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not data.startswith(PNG_HEAD):
        raise ValueError("no PNG")
    at = len(PNG_HEAD)
    while at + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + 8 + size]
        at += 12 + size


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _is_png_xmp(kind: bytes, body: bytes) -> bool:
    return kind in (b"iTXt", b"tEXt") and body.startswith(PNG_XMP + b"\0")  # OpenCV writes tEXt


def _png_text(kind: bytes, body: bytes) -> bytes:
    if kind == b"tEXt":
        return body[len(PNG_XMP) + 1 :]
    is_packed = body[len(PNG_XMP) + 1] == 1
    *_, text = body[len(PNG_XMP) + 3 :].split(b"\0", 2)  # after the language and its keyword
    return zlib.decompressobj().decompress(text, MOST_XMP) if is_packed else text


# WebP: a chunk after the picture, and a flag in the head


def _in_webp(data: bytes, uri: str) -> bytes:
    chunks = list(_webp_chunks(data))
    older = next((body for kind, body in chunks if kind == b"XMP "), None)
    kept = [(kind, body) for kind, body in chunks if kind != b"XMP "]
    if kept[0][0] != b"VP8X":
        kept.insert(0, (b"VP8X", _webp_head(*kept[0])))
    head = kept[0][1]
    kept[0] = (b"VP8X", bytes([head[0] | WEBP_HAS_XMP]) + head[1:])
    kept.append((b"XMP ", with_source_type(older, uri)))
    body = b"WEBP" + b"".join(
        struct.pack("<4sI", kind, len(chunk)) + chunk + bytes(len(chunk) % 2)
        for kind, chunk in kept
    )
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def _webp_packet(data: bytes) -> bytes | None:
    return next((body for kind, body in _webp_chunks(data) if kind == b"XMP "), None)


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise ValueError("no WebP")
    at = 12
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        yield kind, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _webp_head(kind: bytes, body: bytes) -> bytes:
    """The extended head of a file that had only a picture: flags, width, height."""
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width, height, flags = bits & 0x3FFF, bits >> 14 & 0x3FFF, WEBP_HAS_ALPHA * (bits >> 28 & 1)
    elif kind == b"VP8 ":
        wide, high = struct.unpack_from("<HH", body, 6)
        width, height, flags = (wide & 0x3FFF) - 1, (high & 0x3FFF) - 1, 0
    else:
        raise ValueError("no picture")
    return bytes([flags, 0, 0, 0]) + width.to_bytes(3, "little") + height.to_bytes(3, "little")


# MP4 and MOV: a box of its own after all others, so that nothing else moves


def _write_box(path: Path, uri: str) -> bool:
    with path.open("r+b") as file:
        boxes = _top_boxes(file)
        if boxes is None:
            return False
        older = next((at for at, kind, _ in boxes if kind == XMP_UUID), None)
        if older is not None and older != boxes[-1][0]:
            return False  # somebody else's, in the midst
        packet = with_source_type(older and _packet_at(file, boxes[-1]), uri)
        file.seek(0 if older is None else older, 2 if older is None else 0)
        file.truncate()
        file.write(struct.pack(">I4s", 24 + len(packet), b"uuid") + XMP_UUID + packet)
    return True


def _find_box_packet(path: Path) -> bytes | None:
    with path.open("rb") as file:
        found = [box for box in _top_boxes(file) or () if box[1] == XMP_UUID]
        return _packet_at(file, found[0]) if found else None


def _top_boxes(file: BinaryIO) -> list[tuple[int, bytes, int]] | None:
    """(offset, kind or uuid, size) of each box; None where they are not whole."""
    file.seek(0, 2)
    end, at, boxes = file.tell(), 0, []
    while at < end:
        file.seek(at)
        head = file.read(32)
        size, kind = struct.unpack_from(">I4s", head + bytes(32))
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        elif kind == b"uuid":
            kind = head[8:24]
        if size < 8 or at + size > end or len(boxes) == MOST_BOXES:
            return None
        boxes.append((at, kind, size))
        at += size
    return boxes


def _packet_at(file: BinaryIO, box: tuple[int, bytes, int]) -> bytes:
    at, _, size = box
    if size > MOST_XMP:
        raise ValueError("the XMP is too large")
    file.seek(at + 24)
    return file.read(size - 24)


Change = Callable[[bytes, str], bytes]
CHANGE_BY_SUFFIX: dict[str, Change] = {
    ".jpg": _in_jpeg,
    ".jpeg": _in_jpeg,
    ".jpe": _in_jpeg,
    ".jfif": _in_jpeg,
    ".png": _in_png,
    ".apng": _in_png,
    ".webp": _in_webp,
}
PACKET_BY_SUFFIX: dict[str, Callable[[bytes], bytes | None]] = {
    ".jpg": _jpeg_packet,
    ".jpeg": _jpeg_packet,
    ".jpe": _jpeg_packet,
    ".jfif": _jpeg_packet,
    ".png": _png_packet,
    ".apng": _png_packet,
    ".webp": _webp_packet,
}
