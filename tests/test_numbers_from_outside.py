"""Numbers as others write them: of any length, and in any script."""

from __future__ import annotations

from fractions import Fraction

import pytest

from desks import DeskOfTests
from lendface.cli import read_time
from lendface.cli_swap import read_pair
from lendface.client.flows import Answer
from lendface.errors import BadOptionError
from lendface.service.clients import create_client
from lendface.service.ledger import grant
from lendface.storage.database import Database

MANY = "9" * 5000  # more than Python makes a number of
NO_NUMBERS = [MANY, f"{MANY}.5", f"0.{MANY}", f"{MANY}:01", f"{MANY}:00:01", "٣", "1:²", "1\n", ""]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_time_that_is_none_is_told_so(text: str) -> None:
    with pytest.raises(BadOptionError, match="write seconds"):
        read_time("--start", text)


def test_a_time_is_exact() -> None:
    assert read_time("--start", "1:02:03.004") == Fraction(3723004, 1000)
    assert read_time("--end", "12.5") == Fraction(25, 2)


@pytest.mark.parametrize("number", [MANY, "٣", "1\n", "²"])
def test_what_is_no_track_is_a_photo(number: str) -> None:
    assert not hasattr(read_pair(f"a.jpg=track{number}", None).who, "number")
    assert getattr(read_pair("a.jpg=track12", None).who, "number", None) == 12


@pytest.mark.parametrize("told", [MANY, "²", "٣", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", ""])
def test_a_server_that_says_nonsense_says_nothing(told: str) -> None:
    assert Answer(429, {"retry-after": told}).retry_after_s is None
    assert Answer(429, {"retry-after": "7"}).retry_after_s == 7


@pytest.mark.parametrize("units", [0, 2**31, -(2**31), 10**30, -(10**400)])
def test_units_that_no_database_holds_are_refused(database: Database, units: int) -> None:
    desk = DeskOfTests(database)
    client_id = create_client(desk, "Anna", quota_units=1).client_id
    with pytest.raises(BadOptionError), database.writing() as connection:
        grant(connection, client_id, units, desk.now_ms())
