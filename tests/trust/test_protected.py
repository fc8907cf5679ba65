"""The list of protected faces: how an entry is written, and who is known again."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from lendface.engine.plan import SwapPlan
from lendface.engine.rows import MemoryLog
from lendface.engine.tracks import Tracks
from lendface.engine.types import Floats, SourceFace, Track
from lendface.errors import ProtectedFaceError, ProtectedListError
from lendface.trust.matching import check_plan, check_sources, find_protected
from lendface.trust.protected import ProtectedFace, parse_face, write_face
from lendface.trust.thresholds import SAME_FACE


def rows(*seeds: int) -> Floats:
    made = np.stack([np.random.default_rng(seed).normal(size=128) for seed in seeds])
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def like(row: Floats, cosine: float) -> Floats:
    """(128,) unit length, that likeness away from ``row``."""
    other = rows(99)[0]
    aside = other - (other @ row) * row
    aside /= np.linalg.norm(aside)
    return (cosine * row + np.sqrt(1 - cosine**2) * aside).astype(np.float32)


# As text


def test_what_is_written_is_read_as_it_was() -> None:
    face = ProtectedFace.new("public figure", 2000, rows(1, 2), is_kept=True)
    again = parse_face(write_face(face))
    assert (again.id, again.reason, again.added_ms, again.is_kept) == (
        face.id,
        "public figure",
        2000,
        True,
    )
    np.testing.assert_allclose(again.embeddings, face.embeddings, atol=1e-5)


DAMAGES: dict[str, Callable[[str], str]] = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "of another recognizer": lambda text: text.replace('"sface"', '"other"'),
    "of a later form": lambda text: text.replace('"form": 1', '"form": 2'),
    "without numbers": lambda text: json.dumps({**json.loads(text), "embeddings": None}),
    "with no photo": lambda text: json.dumps({**json.loads(text), "embeddings": []}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_an_error_and_never_nobody(damage: str) -> None:
    text = write_face(ProtectedFace.new("why", 1, rows(1)))
    with pytest.raises(ProtectedListError):
        parse_face(DAMAGES[damage](text))


# Who is known again


def test_the_best_photo_of_the_best_entry_counts() -> None:
    first, second = ProtectedFace.new("a", 1, rows(1, 2)), ProtectedFace.new("b", 2, rows(3))
    match = find_protected(like(rows(2)[0], 0.8)[None], [first, second])
    assert match is not None
    assert (match.face.id, match.likeness) == (first.id, pytest.approx(0.8, abs=1e-4))
    assert find_protected(rows(7), [first, second]) is None
    assert find_protected(rows(7), []) is None


def test_the_threshold_is_where_it_says() -> None:
    entry = ProtectedFace.new("a", 1, rows(1))
    just_over, just_under = (like(rows(1)[0], SAME_FACE + d)[None] for d in (0.01, -0.01))
    assert find_protected(just_over, [entry]) is not None
    assert find_protected(just_under, [entry]) is None
    assert find_protected(just_under, [entry], SAME_FACE - 0.02) is not None


def test_one_protected_photo_among_others_of_a_source_is_enough(
    sources: dict[str, SourceFace],
) -> None:
    own, other = sources["P003"], sources["P010"]
    entry = ProtectedFace.new("a", 1, other.embedding[None])
    mixed = SourceFace((*own.portraits, *other.portraits), own.embedding)
    check_sources([own], [entry])
    with pytest.raises(ProtectedFaceError) as caught:
        check_sources([own, mixed], [entry])
    assert caught.value.entry_id == entry.id


def test_only_entries_that_say_so_keep_a_face_from_being_replaced(
    sources: dict[str, SourceFace],
) -> None:
    shape = np.zeros((468, 3), np.float32)
    person = Track(1, sources["P005"].embedding, shape, 5, 100, 100, 0, 1, ((0, 5),), 0)
    tracks = Tracks((person,), 5, {}, MemoryLog())
    plan = SwapPlan({1: sources["P003"]})
    lent = ProtectedFace.new("a", 1, sources["P005"].embedding[None])
    check_plan(tracks, plan, [lent])
    check_plan(tracks, SwapPlan({}), [ProtectedFace.new("b", 1, lent.embeddings, is_kept=True)])
    with pytest.raises(ProtectedFaceError):
        check_plan(tracks, plan, [ProtectedFace.new("b", 1, lent.embeddings, is_kept=True)])


def test_an_entry_shows_no_numbers_of_a_face_when_it_is_printed() -> None:
    assert "0." not in repr(ProtectedFace.new("a", 1, rows(1)))
