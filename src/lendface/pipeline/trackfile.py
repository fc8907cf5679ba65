"""A scan as a file: written once by whoever scanned, read by every worker that renders a part.

The file is a small header (JSON) and numbers as they lie in memory, little-endian::

    b"lf-scan\\n"  version u32  header length u32
    header: JSON with the counts below
    frames   FRAME x frames    the exact time of each frame
    people   PERSON x people
    spans    SPAN x spans      of the people, in their order
    places   PLACE x places    in the order of their frames
    crc u32                    of everything so far
    rows     ROW x rows        not read before they are needed
    checks   u32 x rows        crc of each row
    crc u32                    of the checks

Nothing in it is code, and nothing is believed: lengths must add up to the file's own, and every
number is checked before it is used, so that a damaged or hostile file is an error and no more.
"""

from __future__ import annotations

import json
import os
import struct
import weakref
import zlib
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import IO, overload

import numpy as np

from ..engine.mesh.appearance import SIDE
from ..engine.mesh.beard import MOST_VIEWS, RAYS
from ..engine.mesh.forehead import UPPER_OUTLINE
from ..engine.mesh.glasses import BRIDGE_POINTS, LENS_POINTS
from ..engine.mesh.topology import POINTS
from ..engine.rows import ROW
from ..engine.tracks import Place, Tracks
from ..engine.types import Appearance, Array, Beard, Glasses, Track
from ..errors import ScanFileError
from ..media.failures import writing
from ..media.output import atomic_output
from .scans import Scan

VERSION = 7
MAGIC = b"lf-scan\n"
PREAMBLE = struct.Struct("<8sII")
CRC = struct.Struct("<I")
LONGEST_HEADER = 4096
EMBEDDING = 128
HIGHEST_LEVEL = 20  # log colour, of whatever range a film has
FARTHEST_PX = 1e6  # of a landmark, a hand or a face's middle

FRAME = np.dtype([("ticks", "<i8"), ("per_second", "<i8")])  # time = ticks / per_second
PERSON = np.dtype(
    [
        ("id", "<i4"),
        ("face_count", "<i4"),
        ("best_index", "<i4"),
        ("spans", "<i4"),  # how many of them are this person's
        ("size_px", "<f8"),
        ("largest_px", "<f8"),
        ("turned_share", "<f8"),
        ("usable_share", "<f8"),
        ("embedding", "<f4", EMBEDDING),
        ("shape", "<f4", (POINTS, 3)),
        ("level", "<f4", 3),  # 0: not known
        ("looks", "<i4"),  # 0: no appearance
        ("middle", "<f2", (SIDE, SIDE, 3)),
        ("spread", "<f2", (SIDE, SIDE)),
        ("sure", "<f8"),  # 0: no glasses
        ("opaque", "<f8"),
        ("lenses", "<f4", (2, LENS_POINTS, 2)),
        ("bridge", "<f4", (BRIDGE_POINTS, 2)),
        ("forehead", "<f4", len(UPPER_OUTLINE)),
        ("beard_views", "<i4"),  # 0: no beard; else of the following rows the first so many
        ("beard_depth", "<f8"),
        ("views", "<f2", (MOST_VIEWS, 3)),
        ("reaches", "<f2", (MOST_VIEWS, RAYS)),
        ("ended", "<f2", MOST_VIEWS),
    ]
)
SPAN = np.dtype([("start", "<i4"), ("end", "<i4")])
PLACE = np.dtype(
    [
        ("frame", "<i4"),
        ("track_id", "<i4"),
        ("row", "<i4"),
        ("next_row", "<i4"),
        ("share", "<f8"),
        ("strength", "<f8"),
    ]
)
TABLES = {"frames": FRAME, "people": PERSON, "spans": SPAN, "places": PLACE}
MOST = {"frames": 10_000_000, "people": 10_000, "spans": 10_000_000, "places": 20_000_000}


def save_scan(scan: Scan, path: Path) -> None:
    """Write a scan; the file appears whole or not at all.

    Raises OutputFolderMissingError, OutputError, DiskFullError; ScanFileError for times that no
    film has.
    """
    with atomic_output(Path(path)) as part, part.open("wb") as file:
        write_scan(scan, file)


def write_scan(scan: Scan, file: IO[bytes]) -> None:
    """Write a scan into an open file. Rows are copied, a few at a time.

    Raises OutputError, DiskFullError; ScanFileError for times that no film has.
    """
    tracks = scan.tracks
    tables = {
        "frames": frames_table(scan.times),
        "people": people_table(tracks.people),
        "spans": np.array(list(chain(*(p.spans for p in tracks.people))), "<i4").view(SPAN),
        "places": places_table(tracks.places),
    }
    counts = {name: table.size for name, table in tables.items()} | {"rows": len(tracks.log)}
    header = json.dumps({**counts, "row_bytes": ROW.itemsize}).encode()
    start = PREAMBLE.pack(MAGIC, VERSION, len(header)) + header
    with writing():
        crc = 0
        for data in (start, *(table.tobytes() for table in tables.values())):
            crc = zlib.crc32(data, crc)
            file.write(data)
        file.write(CRC.pack(crc))
        checks = write_rows(scan, file)
        file.write(checks)
        file.write(CRC.pack(zlib.crc32(checks)))
        file.flush()


def write_rows(scan: Scan, file: IO[bytes]) -> bytes:
    """All rows in their order; returns the check of each."""
    checks = np.zeros(len(scan.tracks.log), "<u4")
    for index in range(len(checks)):
        data = scan.tracks.log.read(index).tobytes()
        checks[index] = zlib.crc32(data)
        file.write(data)
    return checks.tobytes()


def frames_table(times: Sequence[Fraction]) -> Array:
    try:
        return np.array([time.as_integer_ratio() for time in times], "<i8").view(FRAME)
    except OverflowError as fault:
        raise ScanFileError("its times are out of range") from fault


def people_table(people: Sequence[Track]) -> Array:
    table = np.zeros(len(people), PERSON)
    for row, person in zip(table, people, strict=True):
        row["id"], row["face_count"] = person.id, person.face_count
        row["best_index"], row["spans"] = person.best_index, len(person.spans)
        row["size_px"], row["largest_px"] = person.size_px, person.largest_px
        row["turned_share"], row["usable_share"] = person.turned_share, person.usable_share
        row["embedding"], row["shape"] = person.embedding, person.shape
        if person.level is not None:
            row["level"] = person.level
        if own := person.appearance:
            row["looks"], row["middle"], row["spread"] = own.looks, own.middle, own.spread
        if worn := person.glasses:
            row["sure"], row["opaque"] = worn.sure, worn.opaque
            row["lenses"], row["bridge"] = worn.lenses, worn.bridge
        row["forehead"] = person.forehead
        if grown := person.beard:
            count = len(grown.views)
            row["beard_views"], row["beard_depth"] = count, grown.depth
            row["views"][:count], row["ended"][:count] = grown.views, grown.ended
            row["reaches"][:count] = grown.reaches
    return table


def places_table(places: Mapping[int, Sequence[Place]]) -> Array:
    """In the order of frames; within one frame in the order in which faces are drawn."""
    every = [place for frame in sorted(places) for place in places[frame]]
    rows = [(p.frame, p.track_id, p.row, p.next_row, p.share, p.strength) for p in every]
    return np.array(rows, PLACE)


def load_scan(path: Path) -> Scan:
    """What ``save_scan`` wrote. Faces stay in the file, which is open as long as the scan is.

    Raises ScanFileError where the file is not whole or not one of ours.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as fault:
        raise ScanFileError("it cannot be opened") from fault
    log = StoredRows(handle)
    try:
        tables = read_tables(handle, log)
        check_tables(tables, len(log))
    except ScanFileError:
        log.close()
        raise
    places = StoredPlaces(tables["places"])
    people = tuple(read_people(tables["people"], tables["spans"]))
    times = StoredTimes(tables["frames"])
    return Scan(Tracks(people, len(times), places, log), times)


def read_tables(handle: int, log: StoredRows) -> dict[str, Array]:
    """All but the rows, of which ``log`` is told where they are."""
    size = os.fstat(handle).st_size
    start = read_exactly(handle, 0, PREAMBLE.size)
    magic, version, length = PREAMBLE.unpack(start)
    if magic != MAGIC:
        raise ScanFileError("it is not a scan")
    if version != VERSION:
        raise ScanFileError(f"its format is version {version}, this program reads {VERSION}")
    if length > LONGEST_HEADER:
        raise ScanFileError("its header is too long")
    header = read_exactly(handle, PREAMBLE.size, length)
    counts = read_counts(header)
    lengths = {name: counts[name] * dtype.itemsize for name, dtype in TABLES.items()}
    rows_at = PREAMBLE.size + length + sum(lengths.values()) + CRC.size
    checks_at = rows_at + counts["rows"] * ROW.itemsize
    if size != checks_at + counts["rows"] * CRC.size + CRC.size:
        raise ScanFileError("its length is wrong; it may be cut off")
    crc, at, tables = zlib.crc32(start + header), PREAMBLE.size + length, dict[str, Array]()
    for name, dtype in TABLES.items():
        data = read_exactly(handle, at, lengths[name])
        crc, at = zlib.crc32(data, crc), at + lengths[name]
        tables[name] = np.frombuffer(data, dtype)
    checks = read_exactly(handle, checks_at, counts["rows"] * CRC.size)
    if (crc, zlib.crc32(checks)) != (read_crc(handle, at), read_crc(handle, size - CRC.size)):
        raise ScanFileError("it is damaged")
    log.begin(rows_at, np.frombuffer(checks, "<u4"))
    return tables


def read_counts(header: bytes) -> dict[str, int]:
    try:
        told = json.loads(header)
    except (ValueError, RecursionError) as fault:
        raise ScanFileError("its header is no JSON") from fault
    wanted = {*TABLES, "rows", "row_bytes"}
    if not isinstance(told, dict) or set(told) != wanted:
        raise ScanFileError("its header has other fields")
    if any(type(value) is not int or value < 0 for value in told.values()):
        raise ScanFileError("its header holds no counts")
    if told["row_bytes"] != ROW.itemsize or any(told[k] > most for k, most in MOST.items()):
        raise ScanFileError("its counts are out of range")
    return told


def check_tables(tables: Mapping[str, Array], rows: int) -> None:
    """Whatever is used as an index, a share or a divisor must be one."""
    frames, people, spans, places = (tables[name] for name in TABLES)
    count = len(frames)
    ids = np.arange(1, len(people) + 1)
    claims = {
        "times": (frames["per_second"] > 0).all(),
        "people": (people["id"] == ids).all()
        and is_within(people["best_index"], 0, count - 1)
        and is_within(people["face_count"], 0, count)
        and is_within(people["size_px"], 0, FARTHEST_PX)
        and is_within(people["largest_px"], 0, FARTHEST_PX)
        and is_within(people["turned_share"], 0, 1 + 1e-6)
        and is_within(people["usable_share"], 0, 1 + 1e-6)
        and is_within(people["embedding"], -2, 2)
        and is_within(people["shape"], -1000, 1000)
        and is_within(people["looks"], 0, MOST["frames"])
        and is_within(people["middle"], -20, 20)
        and is_within(people["spread"], 0, 20)
        and is_within(people["sure"], 0, 1)
        and is_within(people["level"], 0, HIGHEST_LEVEL)
        and is_within(people["opaque"], 0, 1)
        and is_within(people["lenses"], -50, 50)
        and is_within(people["bridge"], -50, 50)
        and is_within(people["forehead"], 0, 1)
        and is_within(people["beard_views"], 0, MOST_VIEWS)
        and is_within(people["beard_depth"], 0, 20)
        and is_within(people["views"], -360, 360)
        and is_within(people["reaches"], 0, 2)
        and is_within(people["ended"], 0, 1),
        "spans": is_within(people["spans"], 0, len(spans))
        and people["spans"].sum(dtype=np.int64) == len(spans)
        and is_within(spans["start"], 0, count - 1)
        and is_within(spans["end"], 1, count)
        and (spans["start"] < spans["end"]).all(),
        "places": is_within(places["frame"], 0, count - 1)
        and (np.diff(places["frame"]) >= 0).all()
        and is_within(places["track_id"], 1, len(people))
        and is_within(places["row"], 0, rows - 1)
        and is_within(places["next_row"], 0, rows - 1)
        and is_within(places["share"], 0, 1)
        and is_within(places["strength"], 0, 1 + 1e-6),
    }
    if wrong := [name for name, holds in claims.items() if not holds]:
        raise ScanFileError(f"its {wrong[0]} do not make sense")
    shown = set(zip(places["frame"].tolist(), places["track_id"].tolist(), strict=True))
    if any((int(person["best_index"]), int(person["id"])) not in shown for person in people):
        raise ScanFileError("its people do not make sense")


def is_within(values: Array, low: float, high: float) -> bool:
    """False also where one of them is no number."""
    return bool(((values >= low) & (values <= high)).all())


def read_people(people: Array, spans: Array) -> Iterator[Track]:
    start = 0
    for person in people:
        end = start + int(person["spans"])
        yield Track(
            id=int(person["id"]),
            embedding=person["embedding"].astype(np.float32),
            shape=person["shape"].astype(np.float32),
            face_count=int(person["face_count"]),
            size_px=float(person["size_px"]),
            largest_px=float(person["largest_px"]),
            turned_share=float(person["turned_share"]),
            usable_share=float(person["usable_share"]),
            spans=tuple((int(a), int(b)) for a, b in spans[start:end].tolist()),
            best_index=int(person["best_index"]),
            appearance=read_appearance(person),
            glasses=read_glasses(person),
            forehead=person["forehead"].astype(np.float32),
            beard=read_beard(person),
            level=person["level"].astype(np.float32) if person["level"].any() else None,
        )
        start = end


def read_appearance(person: Array) -> Appearance | None:
    if not person["looks"]:
        return None
    return Appearance(person["middle"].copy(), person["spread"].copy(), int(person["looks"]))


def read_glasses(person: Array) -> Glasses | None:
    if not person["sure"]:
        return None
    lines = person["lenses"].astype(np.float32), person["bridge"].astype(np.float32)
    return Glasses(*lines, float(person["opaque"]), float(person["sure"]))


def read_beard(person: Array) -> Beard | None:
    count = int(person["beard_views"])
    if not count:
        return None
    rows = (person[name][:count].copy() for name in ("views", "reaches", "ended"))
    return Beard(*rows, float(person["beard_depth"]))


def read_exactly(handle: int, at: int, length: int) -> bytes:
    """``length`` bytes from ``at``; never more memory than that, and no signal at a file's end."""
    parts = []
    while length:
        try:
            data = os.pread(handle, min(length, 1 << 24), at)
        except OSError as fault:
            raise ScanFileError("it cannot be read") from fault
        if not data:
            raise ScanFileError("it is cut off")
        parts.append(data)
        at, length = at + len(data), length - len(data)
    return b"".join(parts)


def read_crc(handle: int, at: int) -> int:
    return CRC.unpack(read_exactly(handle, at, CRC.size))[0]


class StoredRows:
    """Plays the role of a RowLog that is complete; reads a row when it is asked for.

    The file is closed when nobody holds the log any more. Threads may share it.
    """

    def __init__(self, handle: int) -> None:
        self._handle, self._start = handle, 0
        self._checks: Array = np.zeros(0, "<u4")
        self._closer = weakref.finalize(self, os.close, handle)

    def begin(self, start: int, checks: Array) -> None:
        """Where the rows are, and what each must sum up to."""
        self._start, self._checks = start, checks

    def append(self, row: Array) -> None:
        raise ScanFileError("a kept scan takes no more faces")

    def read(self, index: int) -> Array:
        """Raises ScanFileError where the row is damaged."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        data = read_exactly(self._handle, self._start + index * ROW.itemsize, ROW.itemsize)
        row = np.frombuffer(data, ROW)[0]
        if zlib.crc32(data) != self._checks[index] or not is_sane(row):
            raise ScanFileError("a face in it is damaged")
        return row

    def __len__(self) -> int:
        return len(self._checks)

    def close(self) -> None:
        self._closer()


def is_sane(row: Array) -> bool:
    """Whether the numbers of a face are numbers, and near the picture."""
    return (
        all(is_within(row[name], -FARTHEST_PX, FARTHEST_PX) for name in ("centre", "hands"))
        and is_within(row["reach"], 0, FARTHEST_PX)
        and all(is_within(row[name], -2, 2) for name in ("score", "hand_scores"))
        and bool(np.isfinite(row["light"]).all())
    )


class StoredTimes(Sequence[Fraction]):
    """Seconds by frame index; made into fractions when they are asked for."""

    def __init__(self, frames: Array) -> None:
        self._frames = frames

    @overload
    def __getitem__(self, index: int) -> Fraction: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Fraction]: ...
    def __getitem__(self, index: int | slice) -> Fraction | Sequence[Fraction]:
        if isinstance(index, slice):
            return StoredTimes(self._frames[index])
        ticks, per_second = self._frames[index].item()
        return Fraction(ticks, per_second)

    def __len__(self) -> int:
        return len(self._frames)


class StoredPlaces(Mapping[int, Sequence[Place]]):
    """Places by frame; made when they are asked for."""

    def __init__(self, places: Array) -> None:
        self._places = places

    def __getitem__(self, frame: int) -> Sequence[Place]:
        start, end = np.searchsorted(self._places["frame"], [frame, frame + 1])
        if start == end:
            raise KeyError(frame)
        return tuple(Place(*values) for values in self._places[start:end].tolist())

    def __iter__(self) -> Iterator[int]:
        return iter(np.unique(self._places["frame"]).tolist())

    def __len__(self) -> int:
        return len(np.unique(self._places["frame"]))
