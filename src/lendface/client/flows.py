"""What a client does, without doing it: each flow asks for one effect after the other.

A flow is a generator. It yields a ``Send`` and gets an ``Answer``, or a ``Broken`` where none came;
it yields a ``Pause`` and gets nothing. So both clients, with and without asyncio, share all that
is decided here: what is tried again, after how long, and from which byte on.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ApiError, ServerUnreachableError

T = TypeVar("T")

TRIES = 6
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
NOT_DONE = frozenset({429, 503})  # the server says that it did nothing
DIGITS = re.compile("[0-9]{1,18}")
PASSING = frozenset({408, 500, 502, 503, 504, 507, 429})


def whole_number(text: str) -> int | None:
    """Of a header's plain digits, so many as a number of bytes or seconds may have.

    >>> whole_number("120"), whole_number("9" * 5000), whole_number("²"), whole_number("")
    (120, None, None, None)
    """
    return int(text) if DIGITS.fullmatch(text) else None


@dataclass(frozen=True)
class FilePart:
    """The bytes of a file from ``start`` to before ``end``, to be sent."""

    path: Path
    start: int
    end: int
    on_bytes: Callable[[int], None]  # how many of the file are sent


@dataclass(frozen=True)
class Sink:
    """Where a body is written: after what is there if the answer is a part, else from the start."""

    path: Path
    on_bytes: Callable[[int], None]  # how many of the file are there


@dataclass(frozen=True)
class Send:
    """One request. ``path`` is of the server; ``url`` another address, which gets no key."""

    method: str
    path: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    file: FilePart | None = None
    into: Sink | None = None


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    json: Any = None  # where the body is JSON
    text: str = ""

    @property
    def is_good(self) -> bool:
        return self.status < 400

    @property
    def retry_after_s(self) -> float | None:
        return whole_number(self.headers.get("retry-after", ""))


@dataclass(frozen=True)
class Broken:
    """No answer, or not all of it."""

    host: str
    reason: str


@dataclass(frozen=True)
class Pause:
    seconds: float


Effect = Send | Pause
Flow = Generator[Effect, Any, T]


def ask(request: Send, *, is_repeatable: bool = True, tries: int = TRIES) -> Flow[Answer]:
    """A good answer, after as many tries as it takes.

    What is not ``is_repeatable`` is tried again only where the server says that it did nothing.
    Raises ApiError, ServerUnreachableError.
    """
    for attempt in range(tries):
        outcome: Answer | Broken = yield request
        if isinstance(outcome, Answer) and outcome.is_good:
            return outcome
        if attempt == tries - 1 or not _may_pass(outcome, is_repeatable):
            raise fault_of(outcome)
        yield Pause(wait_s(attempt, outcome))
    raise AssertionError("the last try returns or raises")


def _may_pass(outcome: Answer | Broken, is_repeatable: bool) -> bool:
    if isinstance(outcome, Broken):
        return is_repeatable
    return outcome.status in (PASSING if is_repeatable else NOT_DONE)


def wait_s(attempt: int, outcome: Answer | Broken) -> float:
    """Twice as long each time, and never all clients at once; the server's word counts more."""
    asked_s = outcome.retry_after_s if isinstance(outcome, Answer) else None
    grown_s = FIRST_WAIT_S * 2**attempt * random.uniform(0.5, 1.0)
    return min(LONGEST_WAIT_S, max(grown_s, asked_s or 0.0))


def fault_of(outcome: Answer | Broken) -> ApiError | ServerUnreachableError:
    """What to raise for an outcome that is not good."""
    if isinstance(outcome, Broken):
        return ServerUnreachableError(outcome.host, outcome.reason)
    told = outcome.json if isinstance(outcome.json, dict) else {}
    return ApiError(
        status=outcome.status,
        code=told.get("code", f"http_{outcome.status}"),
        detail=told.get("detail") or outcome.text[:200] or f"HTTP status {outcome.status}",
        request_id=outcome.headers.get("x-request-id", ""),
        retry_after_s=outcome.retry_after_s,
    )
