"""A film's reading, written down and read again."""

from __future__ import annotations

import json

import pytest

from lendface.trust.ages import AgeReading
from lendface.trust.kept_readings import parse_reading, write_reading
from lendface.trust.readings import FilmReading, NudityLook

READING = FilmReading(
    (NudityLook(0.0, (0.01,)), NudityLook(1.5, (0.4, 0.1, 0.2))),
    {1: (AgeReading(0.5, 120.5, (31.0, 28.5)),), 7: ()},
)


def test_what_is_written_is_read_as_it_was() -> None:
    assert parse_reading(write_reading(READING)) == READING
    assert parse_reading(write_reading(FilmReading(()))) == FilmReading(())


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"version": 1}'])
def test_what_is_not_whole_is_none(text: str) -> None:
    assert parse_reading(text) is None


def test_what_another_version_wrote_is_none() -> None:
    later = json.loads(write_reading(READING)) | {"version": 2}
    assert parse_reading(json.dumps(later)) is None
