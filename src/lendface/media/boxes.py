"""What a film of the MP4 family says of its picture in boxes that FFmpeg does not write: how the
views of both eyes lie in it, onto what it is projected, and which part of it is shown.

They are taken from the source as they are and put into the output once it is written. The rest of
the file does not change but for sizes and offsets (ISO 14496-12, sections 4.2, 8.7.5).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import IO, Any, Literal

import av
import av.error
import numpy as np

from ..errors import OutputError

Stereo = Literal["side_by_side", "top_bottom"]

CLEAN_APERTURE = b"clap"  # ISO 14496-12, section 12.1.4
MULTIVIEW = b"lhvC"  # the other eye's layer of an HEVC stream (ISO 14496-15); it is not decoded
VIEWS = (b"vexu", b"hfov")  # Apple, ISO base media file format and Apple HEVC stereo video
# st3d, sv3d: Google, Spherical Video V2 RFC
IN_ENTRY = (b"st3d", b"sv3d", *VIEWS, CLEAN_APERTURE)
APERTURE_MODES = b"tapt"  # QuickTime file format: sizes in pixels that follow from clap
SPHERICAL_V1 = bytes.fromhex("ffcc8263f8554a938814587a02521fdd")  # Spherical Video RFC: XML
STEREO_BY_TYPE: Mapping[int, Stereo] = {1: "side_by_side", 2: "top_bottom"}  # AVStereo3DType

MOST_BOXES = 10_000  # of one parent
MOST_BYTES = 1 << 16  # of one kept box
VISUAL_FIELDS = 78  # of a sample entry before its own boxes
BLOCK = 1 << 22
PARENTS = (b"mdia", b"minf", b"stbl", b"stsd")
LARGEST_OFFSET = (1 << 32) - 1


@dataclass(frozen=True)
class PictureBoxes:
    """Whole boxes, headers included."""

    in_entry: tuple[bytes, ...] = ()  # of the sample entry
    in_track: tuple[bytes, ...] = ()
    is_multiview: bool = False  # the file has the other eye's view in a layer of its own

    @property
    def is_empty(self) -> bool:
        return not self.in_entry and not self.in_track

    def resized(self, old_wh: tuple[int, int], new_wh: tuple[int, int]) -> PictureBoxes:
        """For a picture that was made smaller: what counts pixels counts the new ones."""
        if old_wh == new_wh:
            return self
        scale = Fraction(new_wh[0], old_wh[0]), Fraction(new_wh[1], old_wh[1])
        entry = (
            scaled_aperture(box, scale) if kind_of(box) == CLEAN_APERTURE else box
            for box in self.in_entry
        )
        track = (box for box in self.in_track if kind_of(box) != APERTURE_MODES)
        return replace(self, in_entry=tuple(entry), in_track=tuple(track))


NO_BOXES = PictureBoxes()


# Reading


def read_boxes(file: IO[bytes], track_id: int) -> PictureBoxes:
    """Those of one track. What is broken, or larger than such boxes are, counts as not there."""
    for start, stop in named(b"trak", file, *first(b"moov", file, 0, file.seek(0, 2))):
        if track_id_of(file, start, stop) == track_id:
            return boxes_of_track(file, start, stop)
    return NO_BOXES


def children(file: IO[bytes], start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, where its content begins, where it ends) of each box in a range of the file."""
    for _ in range(MOST_BOXES):
        file.seek(start)
        head = file.read(16)
        if start + 8 > end or len(head) < 8:
            return
        size, kind = struct.unpack_from(">I4s", head)
        content = start + 8
        if size == 1 and len(head) == 16:
            size, content = struct.unpack_from(">Q", head, 8)[0], start + 16
        stop = end if size == 0 else start + size
        if stop < content or stop > end:
            return
        yield kind, content, stop
        start = stop


def named(kind: bytes, file: IO[bytes], start: int, end: int) -> list[tuple[int, int]]:
    """Where the contents of all boxes of a kind begin and end."""
    return [(a, b) for name, a, b in children(file, start, end) if name == kind]


def first(kind: bytes, file: IO[bytes], start: int, end: int) -> tuple[int, int]:
    """Of the first one; an empty range where there is none."""
    return next(iter(named(kind, file, start, end)), (0, 0))


def track_id_of(file: IO[bytes], start: int, end: int) -> int:
    content, stop = first(b"tkhd", file, start, end)
    file.seek(content)
    head = file.read(min(24, stop - content)).ljust(24, b"\0")
    return struct.unpack_from(">I", head, 20 if head[0] == 1 else 12)[0]


def boxes_of_track(file: IO[bytes], start: int, end: int) -> PictureBoxes:
    in_track = [
        box
        for kind, content, stop in children(file, start, end)
        if kind in (b"uuid", APERTURE_MODES)
        and (box := whole_box(file, kind, content, stop))
        and (kind != b"uuid" or box[8:24] == SPHERICAL_V1)
    ]
    for parent in PARENTS:
        start, end = first(parent, file, start, end)
    entry = next(iter(children(file, start + 8, end)), (b"", 0, 0))
    found = list(children(file, entry[1] + VISUAL_FIELDS, entry[2]))
    is_multiview = any(kind == MULTIVIEW for kind, _, _ in found)
    wanted = [kind for kind in IN_ENTRY if not (is_multiview and kind in VIEWS)]
    in_entry = [
        box
        for kind, content, stop in found
        if kind in wanted and (box := whole_box(file, kind, content, stop))
    ]
    return PictureBoxes(tuple(in_entry), tuple(in_track), is_multiview)


def whole_box(file: IO[bytes], kind: bytes, content: int, stop: int) -> bytes | None:
    if stop - content > MOST_BYTES:
        return None
    file.seek(content)
    return box(kind, file.read(stop - content))


def kind_of(whole: bytes) -> bytes:
    return whole[4:8]


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


# Films of other kinds


def read_stereo(data: bytes | None) -> Stereo | None:
    """FFmpeg's AVStereo3D; None where both eyes see the same, or the views lie otherwise."""
    if data is None or len(data) < 4:
        return None
    return STEREO_BY_TYPE.get(struct.unpack_from("i", data)[0])


def boxes_for(stream: Any) -> PictureBoxes:
    """What an MP4 would say of a stream of Matroska, whose elements FFmpeg knows."""
    try:
        head = mp4_head(copy_of(stream))
    except (av.error.FFmpegError, ValueError, OSError):  # MP4 does not take the codec
        return NO_BOXES
    found = read_boxes(io.BytesIO(head), 1)
    same = tuple(box for box in found.in_entry if kind_of(box) not in VIEWS)
    return PictureBoxes(same)


def copy_of(stream: Any) -> Callable[[Any], object]:
    """Adds a stream like this one to an output."""
    return lambda film: film.add_stream_from_template(stream, opaque=True)


def open_with_boxes(head: bytes, boxes: PictureBoxes) -> Any:
    """An opened MP4 without a sample, whose one stream also has what the boxes say: a template for
    an output of Matroska, whose elements FFmpeg then writes."""
    file = io.BytesIO(head)
    insert_boxes(file, 0, boxes)
    file.seek(0)
    return av.open(file)


def mp4_head(add_stream: Callable[[Any], object]) -> bytes:
    """An MP4 with the stream that is added and not one sample."""
    options = {"movflags": "empty_moov+frag_custom", "strict": "unofficial"}
    made = io.BytesIO()
    with av.open(made, "w", format="mp4", container_options=options) as film:
        add_stream(film)
        film.start_encoding()
    return made.getvalue()


def scaled_aperture(aperture: bytes, scale: tuple[Fraction, Fraction]) -> bytes:
    """``clap``: width, height and the offsets of the middle, each a fraction of pixels."""
    numbers = struct.unpack(">IIIIiIiI", aperture[8:40])
    pairs = zip(numbers[0::2], numbers[1::2], (*scale, *scale), strict=True)
    new: list[int] = []
    for over, under, factor in pairs:
        value = (Fraction(over, under or 1) * factor).limit_denominator(1 << 15)
        new += [value.numerator, value.denominator]
    return box(CLEAN_APERTURE, struct.pack(">IIIIiIiI", *new))


# Writing


def insert_boxes(file: IO[bytes], track: int, boxes: PictureBoxes) -> None:
    """Put boxes into the track with this number, counted from 0, of a finished MP4 or MOV.

    The file is changed where it lies. Raises OutputError where that would not fit into it.
    """
    end = file.seek(0, 2)
    start, stop = first(b"moov", file, 0, end)
    file.seek(start)
    movie = bytearray(file.read(stop - start))
    grown = with_boxes(movie, track, boxes)
    more = len(grown) - len(movie)
    if stop < end:
        if first(b"mdat", file, 0, end)[0] > start:
            move_offsets(grown, more)
        move_behind(file, stop, more)
    file.seek(start - 8)
    file.write(box(b"moov", bytes(grown)))


def with_boxes(movie: bytearray, track: int, boxes: PictureBoxes) -> bytearray:
    """The content of ``moov`` with boxes at the end of a track and of its first sample entry."""
    view = Bytes(movie)
    start, end = [(a, b) for kind, a, b in view.children(0, len(movie)) if kind == b"trak"][track]
    path = [start]
    inner = start, end
    for parent in PARENTS:
        inner = next((a, b) for kind, a, b in view.children(*inner) if kind == parent)
        path.append(inner[0])
    entry, entry_end = next((a, b) for _, a, b in view.children(inner[0] + 8, inner[1]))
    there = {kind for kind, _, _ in view.children(entry + VISUAL_FIELDS, entry_end)}
    new = b"".join(one for one in boxes.in_entry if kind_of(one) not in there)
    grown = bytearray(movie)
    grown[end:end] = b"".join(boxes.in_track)
    grow(grown, start, len(grown) - len(movie))
    grown[entry_end:entry_end] = new
    for content in (*path, entry):
        grow(grown, content, len(new))
    return grown


@dataclass(frozen=True)
class Bytes:
    """Boxes in memory."""

    data: bytes | bytearray

    def children(self, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
        """As ``children`` of a file; FFmpeg's muxer writes no box of more than 4 GiB here."""
        while start + 8 <= end:
            size, kind = struct.unpack_from(">I4s", self.data, start)
            if size < 8:
                return
            yield kind, start + 8, start + size
            start += size


def grow(movie: bytearray, content: int, more: int) -> None:
    """The box whose content begins there says that it is longer."""
    size = struct.unpack_from(">I", movie, content - 8)[0]
    struct.pack_into(">I", movie, content - 8, size + more)


def move_offsets(movie: bytearray, more: int) -> None:
    """Each track's list of where in the file its samples lie. Raises OutputError."""
    view = Bytes(movie)
    for kind, *track in view.children(0, len(movie)):
        if kind != b"trak":
            continue
        for parent in PARENTS[:-1]:
            track = next(list(span) for name, *span in view.children(*track) if name == parent)
        for kind, start, _ in view.children(*track):
            if kind in (b"stco", b"co64"):
                count = struct.unpack_from(">I", movie, start + 4)[0]
                type_ = np.dtype(">u4" if kind == b"stco" else ">u8")
                offsets = np.frombuffer(movie, type_, count, start + 8)
                if kind == b"stco" and count and int(offsets.max()) + more > LARGEST_OFFSET:
                    raise OutputError("the film is a little too large for its VR boxes; cut it")
                offsets += type_.type(more)


def move_behind(file: IO[bytes], start: int, more: int) -> None:
    """All that lies behind ``start``, by so many bytes towards the end, the last first."""
    end = file.seek(0, 2)
    while end > start:
        begin = max(start, end - BLOCK)
        file.seek(begin)
        data = file.read(end - begin)
        file.seek(begin + more)
        file.write(data)
        end = begin
