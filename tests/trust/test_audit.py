"""A chain of entries, and what becomes of it when somebody changes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lendface.trust.audit import BEFORE_ALL, OPERATOR, Break, Entry, find_breaks


def make_chain(count: int = 6) -> list[Entry]:
    chain: list[Entry] = []
    for number in range(1, count + 1):
        previous = chain[-1].hash if chain else BEFORE_ALL
        detail = {"number": number, "text": "ä", "none": None, "share": 0.5}
        content = (number, 1000 * number, "key.revoked", OPERATOR, None, f"key {number}")
        chain.append(Entry(*content, detail, previous).sealed())
    return chain


def told(chain: list[Entry], head: str | None = None) -> list[tuple[int, str]]:
    return [(found.number, found.kind) for found in find_breaks(chain, head)]


def test_an_untouched_chain_holds() -> None:
    assert told(make_chain()) == []
    assert told([]) == []


def test_the_hash_stays_what_it_was_in_every_release() -> None:
    first, second, *_ = make_chain()
    assert first.hash == "ee5ce4e27c9bedec88fb87036be4e65bd723287d7cd084b3424cf265577029b2"
    assert second.previous == first.hash


@pytest.mark.parametrize(
    "change",
    [
        {"at_ms": 1},
        {"action": "key.rotated"},
        {"actor": "somebody"},
        {"client_id": "somebody"},
        {"subject": "other"},
        {"detail": {}},
        {"previous": "f" * 64},
        {"hash": "f" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_entry_is_named(change: dict[str, object]) -> None:
    chain = make_chain()
    chain[2] = replace(chain[2], **change)  # pyrefly: ignore
    assert told(chain)[0] == (3, "changed")


def test_an_entry_that_was_changed_and_hashed_anew_is_named_by_the_one_after_it() -> None:
    chain = make_chain()
    chain[2] = replace(chain[2], subject="other").sealed()
    assert told(chain) == [(3, "changed")]


def test_every_changed_entry_is_named() -> None:
    chain = make_chain()
    for place in (1, 4):
        chain[place] = replace(chain[place], subject="other")
    assert told(chain) == [(2, "changed"), (5, "changed")]


@pytest.mark.parametrize("place", [0, 3])
def test_a_missing_entry_is_named(place: int) -> None:
    chain = make_chain()
    del chain[place]
    assert told(chain) == [(place + 1, "missing")]


def test_several_missing_entries_are_one_gap() -> None:
    chain = make_chain()
    del chain[1:4]
    (found,) = find_breaks(chain)
    assert (found.number, found.kind) == (2, "missing")
    assert "entries 2 to 4 are missing" in found.sentence


def test_a_gap_that_is_closed_by_new_numbers_shows_moved_entries() -> None:
    chain = make_chain()
    del chain[2]
    chain = [replace(entry, number=place) for place, entry in enumerate(chain, 1)]
    assert told(chain) == [(3, "reordered"), (4, "reordered"), (5, "reordered")]


def test_two_entries_that_changed_places_are_named() -> None:
    chain = make_chain()
    chain[1], chain[2] = replace(chain[2], number=2), replace(chain[1], number=3)
    first, second = find_breaks(chain)
    assert (first.number, first.kind) == (2, "reordered")
    assert "entry 2 was entry 3" in first.sentence
    assert (second.number, second.kind) == (3, "reordered")


def test_a_tail_that_was_cut_off_is_found_by_a_head_kept_elsewhere() -> None:
    chain = make_chain()
    head = chain[-1].hash
    assert told(chain, head) == []
    assert told(chain[:4]) == []
    assert told(chain[:4], head) == [(5, "truncated")]
    assert told([], head) == [(1, "truncated")]


def test_a_chain_that_went_on_since_the_head_was_kept_holds() -> None:
    chain = make_chain()
    assert told(chain, chain[2].hash) == []


def test_a_chain_written_anew_from_some_entry_on_is_found_by_the_head_alone() -> None:
    chain = make_chain()
    head = chain[-1].hash
    chain[2] = replace(chain[2], subject="other").sealed()
    for place in range(3, len(chain)):
        chain[place] = replace(chain[place], previous=chain[place - 1].hash).sealed()
    assert told(chain) == []
    (found,) = find_breaks(chain, head)
    assert isinstance(found, Break)
    assert found.kind == "truncated"
    assert "written anew" in found.sentence
