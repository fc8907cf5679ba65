"""A library that says the same a thousand times does not fill the disk."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lendface.serve.throttle import ALL_LINES, SAME_LINES, Throttle


@dataclass
class Seconds:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.left_out: dict[str, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if record.msg == "lines were left out":
            facts = vars(record)
            self.left_out[facts["library"]] = facts["lines"]


@pytest.fixture
def clock_s() -> Seconds:
    return Seconds()


@pytest.fixture
def heard(clock_s: Seconds) -> Iterator[Heard]:
    handler, root = Heard(), logging.getLogger()
    handler.addFilter(Throttle("lendface", clock_s))
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)


def test_the_same_line_is_told_a_few_times_a_minute_and_then_counted(
    heard: Heard, clock_s: Seconds
) -> None:
    library = logging.getLogger("asyncio")
    for number in range(1000):
        library.error("socket.accept() out of system resource\nsocket: %d", number)
    assert len(heard.lines) == SAME_LINES
    clock_s.now_s += 60
    library.error("socket.accept() out of system resource\nsocket: again")
    assert len(heard.lines) == SAME_LINES + 2
    assert heard.left_out == {"asyncio": 1000 - SAME_LINES}


def test_whoever_speaks_next_brings_what_was_left_out_to_light(
    heard: Heard, clock_s: Seconds
) -> None:
    for _ in range(10):
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    clock_s.now_s += 3600
    logging.getLogger("lendface.http").warning("request")
    assert heard.left_out == {"uvicorn.error": 10 - SAME_LINES}


def test_lines_that_all_differ_are_held_to_a_number_too(heard: Heard) -> None:
    for number in range(1000):
        logging.getLogger("asyncio").error(f"{number} went wrong")
    assert len(heard.lines) == ALL_LINES


def test_our_own_lines_always_pass(heard: Heard) -> None:
    for _ in range(100):
        logging.getLogger("lendface.http").warning("request")
    assert len(heard.lines) == 100


def test_another_librarys_line_passes_beside_one_that_repeats_itself(heard: Heard) -> None:
    for _ in range(100):
        logging.getLogger("asyncio").error("again")
    logging.getLogger("botocore").error("something else")
    assert heard.lines[-1] == "something else"
