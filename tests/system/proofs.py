"""What makes a result a right one, told by other eyes than those that made it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from lendface.engine.types import Floats
from lendface.pipeline.detect import detect
from lendface.pipeline.parts import Parts
from lendface.trust.verify import verify
from make_media import packets_by_stream, video_times

SAMPLES = 8  # frames of a film that are looked at
MOST = 0.75  # of them look more like the source


def is_film_of(result: Path, target: Path, span: slice = slice(None)) -> None:
    """Every frame at its time, and the sound as it was."""
    times = video_times(target)[span]
    first = times[0] if span.start else 0
    assert video_times(result) == [time - first for time in times]
    if span == slice(None):
        assert sounds(result) == sounds(target)


def sounds(path: Path) -> list[list[tuple[object, bytes]]]:
    """Times and bytes of all packets of sound, track by track."""
    with av.open(str(path)) as film:
        tracks = [stream.index for stream in film.streams.audio]
    packets = packets_by_stream(path)
    return [[(parcel.pts, parcel.data) for parcel in packets[track]] for track in tracks]


def looks_like(
    result: Path, target: Path, source: Path, parts: Parts, face: int = 0, side: int = 0
) -> None:
    """In most frames face number ``face`` of the result, from left to right, is nearer to the
    person of ``source`` than the target's face is there. ``side`` is the source's own number."""
    wanted = faces(source, parts)[0][side]
    shown, were = faces(result, parts), faces(target, parts)
    nearer = [
        float(now[face] @ wanted) > float(before[face] @ wanted) + 0.1
        for now, before in zip(shown, were, strict=True)
        if len(now) > face and len(before) > face
    ]
    assert len(nearer) >= len(shown) / 2
    assert np.mean(nearer) >= MOST


def looks_unchanged(result: Path, target: Path, parts: Parts, face: int) -> None:
    pairs = zip(faces(result, parts), faces(target, parts), strict=True)
    assert all(float(now[face] @ before[face]) > 0.9 for now, before in pairs)


def faces(path: Path, parts: Parts) -> list[Sequence[Floats]]:
    """Embeddings of the faces in some frames, from left to right."""
    looked = detect(path, parts, SAMPLES).frames
    return [tuple(face.embedding for face in frame.faces) for frame in looked]


def is_signed(result: Path, server: Path) -> None:
    """By the certificate of the server whose folder it is, and as a face swap."""
    root = (server / "c2pa" / "root.pem").read_text()
    verdict = verify(result, anchors=[root])
    assert (verdict.state, verdict.is_face_swap) == ("trusted", True), verdict.problems


def content_of(data: bytes) -> list[tuple[object, ...]]:
    """Each picture with its time, and each packet of the other streams: all but the signature,
    which is another in each file."""
    with av.open(io.BytesIO(data)) as film:
        return [part for packet in film.demux() for part in _parts_of(packet)]


def _parts_of(packet: Any) -> Iterator[tuple[object, ...]]:
    if packet.stream.type != "video":
        yield packet.stream.index, packet.pts, bytes(packet)
        return
    for frame in packet.decode():
        yield (
            packet.stream.index,
            frame.pts,
            hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest(),
        )


def saved(data: bytes, path: Path) -> Path:
    path.write_bytes(data)
    return path


def decodes(data: bytes) -> int:
    """How many frames a film has that lies in memory."""
    with av.open(io.BytesIO(data)) as film:
        return sum(1 for _ in film.decode(video=0))
