"""A film's reading as text, to lie beside its scan."""

from __future__ import annotations

import json
from dataclasses import asdict

from .ages import AgeReading
from .readings import FilmReading, NudityLook

VERSION = 1  # raised when the same film would be read otherwise, or be written down otherwise


def write_reading(reading: FilmReading) -> str:
    """
    >>> write_reading(FilmReading((NudityLook(0.5, (0.1,)),)))
    '{"version": 1, "nudity": [{"time_s": 0.5, "scores": [0.1]}], "ages": {}}'
    """
    ages = {track: [asdict(each) for each in told] for track, told in reading.ages.items()}
    looks = [asdict(look) for look in reading.nudity]
    return json.dumps({"version": VERSION, "nudity": looks, "ages": ages})


def parse_reading(text: str) -> FilmReading | None:
    """None for what another version wrote: the film is to be read again."""
    try:
        told = json.loads(text)
        if told["version"] != VERSION:
            return None
        looks = [NudityLook(look["time_s"], tuple(look["scores"])) for look in told["nudity"]]
        ages = {
            int(track): tuple(
                AgeReading(each["time_s"], each["height_px"], tuple(each["years"]))
                for each in readings
            )
            for track, readings in told["ages"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return FilmReading(tuple(looks), ages)
