"""Whether faces as numbers lie in the files of a folder: what an erasure has to take away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lendface.app import build, scan_file
from lendface.engine.enrol import Photo
from lendface.engine.types import Array
from lendface.media import read_image
from lendface.pipeline.targets import Trim

AT_ONCE = 1 << 18  # windows
ALIKE = 0.995  # cosine: the same numbers, worked out on another day with another rounding
LANDMARK_VALUES = 96  # 32 landmarks


@dataclass(frozen=True)
class Known:
    """What is looked for: numbers of the people of a photo and a film."""

    embeddings: Array  # (n, 128) float32, unit length
    landmarks: Array  # (m, LANDMARK_VALUES), as a scan keeps them


@dataclass
class Trace:
    """What was found; each place where it begins counts whole."""

    embedding_bytes: int = 0
    landmark_bytes: int = 0
    places: set[str] = field(default_factory=set)  # folders and files below the data folder


def known_of(photo: Path, film: Path) -> Known:
    """By the same networks as a server's."""
    parts = build()
    found, _ = scan_file(film, Trim(), parts)
    source = parts.enroller.portrait(Photo("source", read_image(photo)[0]))
    embeddings = [source.embedding, *(person.embedding for person in found.people)]
    log = found.tracks.log
    rows = [log.read(index)["points"].reshape(-1)[:LANDMARK_VALUES] for index in range(len(log))]
    return Known(np.float32(embeddings), np.float32(rows))


def search(folder: Path, known: Known) -> Trace:
    """Every file below ``folder``, at every place where numbers may begin."""
    trace = Trace()
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        embeddings = count(data, known.embeddings, np.dtype("<f4"))
        landmarks = count(data, known.landmarks, np.dtype("<i2"))
        trace.embedding_bytes += embeddings * known.embeddings.shape[1] * 4
        trace.landmark_bytes += landmarks * LANDMARK_VALUES * 2
        if embeddings or landmarks:
            trace.places.add(str(path.relative_to(folder).parent))
    return trace


def count(data: bytes, known: Array, dtype: np.dtype) -> int:
    """How many places hold one of the rows of ``known``, but for rounding."""
    wanted = known / np.linalg.norm(known, axis=1, keepdims=True)
    return sum(
        int(((windows @ wanted.T).max(axis=1) > ALIKE * np.linalg.norm(windows, axis=1)).sum())
        for windows in windows_of(data, known.shape[1], dtype)
    )


def windows_of(data: bytes, length: int, dtype: np.dtype) -> Iterator[Array]:
    """All runs of ``length`` numbers, some at a time; those without any size are left out."""
    for start in range(dtype.itemsize):
        whole = (len(data) - start) // dtype.itemsize * dtype.itemsize
        values = np.frombuffer(data[start : start + whole], dtype).astype(np.float32)
        values[~np.isfinite(values) | (np.abs(values) > 1e5)] = 0
        if len(values) < length:
            continue
        every = sliding_window_view(values, length)
        for at in range(0, len(every), AT_ONCE):
            some = every[at : at + AT_ONCE]
            yield some[np.abs(some).max(axis=1) > 1e-3]
