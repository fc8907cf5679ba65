"""Room for rendering: what only a scan needs is given back before."""

from __future__ import annotations

from dataclasses import replace

from ..engine.memory import is_own_process, return_freed_memory
from ..models.session import let_nets_go
from .scans import Scan
from .trackfile import StoredPlaces, StoredTimes, frames_table, places_table

LONG_PIXELS = 100e6  # of all frames: to render them takes far longer than to load nets again


def is_long(scan: Scan, size_wh: tuple[int, int]) -> bool:
    """Whether it is worth while: 48 frames of full HD are long, and 17 seconds of 360p."""
    return scan.tracks.frame_count * size_wh[0] * size_wh[1] >= LONG_PIXELS


def make_room(scan: Scan) -> Scan:
    """The same scan in fewer bytes. In a process of our own nets are let go too, and freed memory
    goes back to the system; elsewhere another swap may be running them.

    An hour of film with one face is 100,000 small objects that would stay until the end, and the
    nets are half as large as the encoder.
    """
    places = StoredPlaces(places_table(scan.tracks.places))
    compact = Scan(replace(scan.tracks, places=places), StoredTimes(frames_table(scan.times)))
    if is_own_process():
        let_nets_go()
        return_freed_memory()
    return compact
