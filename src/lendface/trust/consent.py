"""Whether a person has agreed to lend their face: records, and matching a face with them.

A face is matched by the cosine of SFace embeddings (``models/sface.py``), as the same network that
tells a film's people apart sees it. Nothing here reads a clock, a file or a database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..engine.types import Floats, SourceFace
from ..errors import ConsentMissingError, ConsentWithdrawnError, about

SAME_FACE = 0.55  # cosine; strict, as a wrong match lends a face: rates in docs/consent.md
ATTESTATION_VERSION = 1  # of the text below; a new text gets a new number
ATTESTATION = (
    "I have, and can show, the consent of every person whose face I submit, or of whoever may give "
    "it for them, to its use in these videos and pictures; and I do not submit faces of children."
)
EVERYBODY = "*"  # among a consent's users: all clients of the server
MAX_TEXT = 2000  # characters of a label, a scope or a statement


@dataclass(frozen=True, slots=True, eq=False)
class Consent:
    """Somebody's word that their face may be used."""

    id: str
    label: str  # who it is, for people to read
    embedding: Floats | None  # (128,) unit length; None: not computed yet, or withdrawn
    photo_sha256: str | None  # hex; the photo itself need not be kept
    users: frozenset[str]  # client ids, or EVERYBODY
    scope: str  # for what, in words
    until_ms: int | None  # None: until withdrawn
    statement: str  # how the person agreed
    evidence_sha256: str | None  # hex, of a file that proves it, such as a signed form
    withdrawn_ms: int | None = None

    def is_for(self, client_id: str | None) -> bool:
        """Whether this client may use it; None is who runs the server, with their own records."""
        return client_id is None or EVERYBODY in self.users or client_id in self.users

    def is_valid(self, now_ms: int) -> bool:
        """Neither withdrawn nor expired nor without a face."""
        return self.embedding is not None and not self.is_over(now_ms)

    def is_over(self, now_ms: int) -> bool:
        """Withdrawn or expired."""
        is_expired = self.until_ms is not None and self.until_ms <= now_ms
        return self.withdrawn_ms is not None or is_expired


def usable(
    consents: Iterable[Consent], client_id: str | None, now_ms: int, named: Sequence[str] = ()
) -> list[Consent]:
    """Those that count for a client now; of the ``named`` ones only, where any are named.

    Raises ConsentWithdrawnError where a named one is over, ConsentMissingError where it is not
    there for this client or has no face yet.
    """
    theirs = {consent.id: consent for consent in consents if consent.is_for(client_id)}
    for consent_id in named:
        with about(f"consent {consent_id}"):
            if consent_id not in theirs:
                raise ConsentMissingError
            if theirs[consent_id].is_over(now_ms):
                raise ConsentWithdrawnError
            if theirs[consent_id].embedding is None:
                raise ConsentMissingError
    chosen = [theirs[consent_id] for consent_id in named] if named else theirs.values()
    return [consent for consent in chosen if consent.is_valid(now_ms)]


def find_consent(
    embeddings: Floats, consents: Iterable[Consent], threshold: float = SAME_FACE
) -> Consent | None:
    """The one consent that *all* of ``embeddings`` (n, 128) match, the best of several.

    All of them: a source of several photos could otherwise carry a second person along.

    >>> anna = Consent("a", "Anna", np.float32([1, 0]), None, frozenset("*"), "", None, "", None)
    >>> find_consent(np.float32([[0.8, 0.6]]), [anna]).label
    'Anna'
    >>> find_consent(np.float32([[1, 0], [0, 1]]), [anna]) is None
    True
    """
    best, best_likeness = None, threshold
    for consent in consents:
        if consent.embedding is None:
            continue
        likeness = float((embeddings @ consent.embedding).min())
        if likeness >= best_likeness:
            best, best_likeness = consent, likeness
    return best


def match_sources(
    sources: Iterable[SourceFace], consents: Sequence[Consent], threshold: float = SAME_FACE
) -> list[Consent]:
    """The consent of each source, in order. Raises ConsentMissingError."""
    return [
        _get_consent(embeddings_of(source), consents, threshold, source=number)
        for number, source in enumerate(sources, start=1)
    ]


def match_people(
    embeddings: Mapping[int, Floats], consents: Sequence[Consent], threshold: float = SAME_FACE
) -> list[Consent]:
    """The consent of each person (128,) whose face is replaced, by their numbers of the cast.

    Raises ConsentMissingError.
    """
    return [
        _get_consent(embedding[None], consents, threshold, person=number)
        for number, embedding in embeddings.items()
    ]


def embeddings_of(source: SourceFace) -> Floats:
    """(n, 128): of each of its photos, and their mean."""
    return np.stack([source.embedding, *(portrait.embedding for portrait in source.portraits)])


def _get_consent(
    embeddings: Floats, consents: Sequence[Consent], threshold: float, **whose: int
) -> Consent:
    found = find_consent(embeddings, consents, threshold)
    if found is None:
        raise ConsentMissingError(**whose)
    return found
