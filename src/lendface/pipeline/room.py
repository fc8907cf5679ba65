"""Room for rendering: what only a scan needs is given back before."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from dataclasses import replace

from ..models.session import let_nets_go
from .scans import Scan
from .trackfile import StoredPlaces, StoredTimes, frames_table, places_table

LONG_PIXELS = 100e6  # of all frames: to render them takes far longer than to load nets again


def is_long(scan: Scan, size_wh: tuple[int, int]) -> bool:
    """Whether it is worth while: 48 frames of full HD are long, and 17 seconds of 360p."""
    return scan.tracks.frame_count * size_wh[0] * size_wh[1] >= LONG_PIXELS


def make_room(scan: Scan) -> Scan:
    """The same scan in fewer bytes; nets are let go, and freed memory goes back to the system.

    An hour of film with one face is 100,000 small objects that would stay until the end, and the
    nets are half as large as the encoder.
    """
    places = StoredPlaces(places_table(scan.tracks.places))
    compact = Scan(replace(scan.tracks, places=places), StoredTimes(frames_table(scan.times)))
    let_nets_go()
    return_freed_memory()
    return compact


def return_freed_memory() -> None:
    """What the C library keeps of freed memory goes back; does nothing where it is not glibc."""
    gc.collect()
    trim_heap()


def trim_heap() -> None:
    """The same for what was freed already; nobody looks for more."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
