"""What a client is told of a refusal: whose face, and by which rule where the operator wants it.

Never a score, a time code or an entry of the list of protected faces: with these somebody could
feel their way along a threshold, or learn who is on the list. See decision 16.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ..errors import (
    ConsentMissingError,
    ContentRefusedError,
    ProtectedFaceError,
    RefusedError,
)
from .requests import SwapJob, WhoRef

# Of the content gate, by its own names of its rules.
WHY_BY_RULE: Mapping[str, str] = {
    "nudity": "nudity is not allowed here",
    "minor_source": "the face in it looks like a minor's",
    "minor_target": "it looks like a minor's",
}
NAME_BY_RULE: Mapping[str, str] = {
    "nudity": "nudity",
    "minor_source": "minors",
    "minor_target": "minors",
}


@contextmanager
def naming_refusals(
    request: SwapJob, pair_by_track: Mapping[int, int], *, tells_rule: bool
) -> Iterator[None]:
    """Refusals within are told in the words of the request. The operator's log is not changed."""
    try:
        yield
    except RefusedError as error:
        if sentence := describe(error, request, pair_by_track, tells_rule=tells_rule):
            error.say(sentence)
        raise


def describe(
    error: RefusedError, request: SwapJob, pair_by_track: Mapping[int, int], *, tells_rule: bool
) -> str | None:
    """None where the error's own sentence says all there is to say."""
    place = place_of(error, request, pair_by_track)
    match error:
        case ContentRefusedError(rule=rule) if tells_rule:
            return f"{place} is refused: {WHY_BY_RULE[rule]} (rule: {NAME_BY_RULE[rule]})"
        case ContentRefusedError():
            return f"{file_of(error, request)} is refused: its content is not allowed here"
        case ProtectedFaceError():
            rule = " (rule: protected faces)" if tells_rule else ""
            return f"{place} is refused: this face may not be swapped here{rule}"
        case ConsentMissingError() if error.source is not None or error.person is not None:
            rule = " (rule: consent per face)" if tells_rule else ""
            return (
                f"{place} has no consent on record that is valid and may be used with this "
                f"key{rule}"
            )
    return None


def place_of(error: RefusedError, request: SwapJob, pair_by_track: Mapping[int, int]) -> str:
    """Whose face, or which file where it is about no single face."""
    if error.person is None:
        return file_of(error, request)
    return name_of_person(error.person, request, pair_by_track.get(error.person))


def file_of(error: RefusedError, request: SwapJob) -> str:
    """Which file. With nothing but this, rules cannot be told apart."""
    if error.source is None:
        return request.target_name
    return request.pairs[error.source - 1].source_name


def name_of_person(person: int, request: SwapJob, pair: int | None) -> str:
    """Somebody in the target, as the request means them."""
    who = WhoRef() if pair is None else request.pairs[pair].who
    if who.kind == "looks_like" and who.photo is not None:
        return f"the face in {request.target_name} that {who.photo.name} means"
    return f"face {person} of {request.target_name}"
