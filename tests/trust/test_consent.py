"""Records of consent, and which face they are about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lendface.engine.types import SourceFace
from lendface.errors import ConsentMissingError, ConsentWithdrawnError
from lendface.trust.consent import EVERYBODY, Consent, find_consent, match_sources, usable

NOW_MS = 1000


def consent(id_: str, source: SourceFace | None = None, **more: object) -> Consent:
    face = np.eye(1, 128, dtype=np.float32)[0] if source is None else source.embedding
    made = Consent(id_, "Anna", face, None, frozenset({"shop"}), "", None, "", None)
    return replace(made, **more)  # type: ignore[arg-type]


def test_a_source_is_matched_with_its_own_consent(sources: dict[str, SourceFace]) -> None:
    known = [consent(who, source) for who, source in sources.items()]
    assert [found.id for found in match_sources(sources.values(), known)] == list(sources)


def test_nobody_elses_consent_will_do(sources: dict[str, SourceFace]) -> None:
    first, *others = sources.items()
    for who, source in others:
        with pytest.raises(ConsentMissingError):
            match_sources([source], [consent(first[0], first[1])])
        assert who != first[0]


def test_a_second_person_among_the_photos_is_not_carried_along(
    sources: dict[str, SourceFace],
) -> None:
    one, other, *_ = sources.values()
    mixed = replace(one, portraits=(*one.portraits, *other.portraits))
    with pytest.raises(ConsentMissingError):
        match_sources([mixed], [consent("one", one), consent("other", other)])


def test_the_best_of_several_is_taken() -> None:
    near, exact = np.float32([0.8, 0.6]), np.float32([1, 0])
    known = [consent("near", embedding=near), consent("exact", embedding=exact)]
    found = find_consent(exact[None], known)
    assert found is not None
    assert found.id == "exact"


@pytest.mark.parametrize(
    "over", [{"withdrawn_ms": 999}, {"until_ms": 1000}], ids=["withdrawn", "expired"]
)
def test_what_is_over_counts_no_more(over: dict[str, int]) -> None:
    ended = consent("ended", **over)
    assert usable([ended, consent("other")], "shop", NOW_MS)[0].id == "other"
    with pytest.raises(ConsentWithdrawnError):
        usable([ended], "shop", NOW_MS, ["ended"])


def test_a_consent_is_for_those_it_names() -> None:
    assert usable([consent("a")], "somebody", NOW_MS) == []
    assert len(usable([consent("a", users=frozenset({EVERYBODY}))], "somebody", NOW_MS)) == 1
    assert len(usable([consent("a", users=frozenset())], None, NOW_MS)) == 1
    with pytest.raises(ConsentMissingError):
        usable([consent("a")], "somebody", NOW_MS, ["a"])


def test_one_without_a_face_does_not_count_yet() -> None:
    assert usable([consent("a", embedding=None)], "shop", NOW_MS) == []
    with pytest.raises(ConsentMissingError):
        usable([consent("a", embedding=None)], "shop", NOW_MS, ["a"])


def test_only_the_named_ones_count_where_some_are_named() -> None:
    known = [consent("a"), consent("b")]
    assert [one.id for one in usable(known, "shop", NOW_MS, ["b"])] == ["b"]
