"""What is said about a result, as plain values; nothing of it is about a person."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..models.catalog import get_spec

# Controlled vocabulary of the IPTC: how a picture came to be
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
REPLACED = SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
DRAWN_OVER = SOURCE_TYPES + "composite"

TYPE_BY_SUFFIX = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".gif": "image/gif",
    ".apng": "image/png",  # which it is; the library knows no other name
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jpe": "image/jpeg",
    ".jfif": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}
ANY_TYPE = "application/octet-stream"
TYPE_BY_CONTAINER = {  # by the first of FFmpeg's names, or of a picture
    "mov": "video/mp4",
    "mp4": "video/mp4",
    "matroska": "video/x-matroska",
    "webm": "video/webm",
    "gif": "image/gif",
    "apng": "image/png",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "heic": "image/heic",
    "avif": "image/avif",
    "tiff": "image/tiff",
}
SWAP_MODELS = (
    "yunet",
    "blazeface_back",
    "face_mesh_478",
    "canonical_face_mesh",
    "face_blendshapes_52",
    "expression_basis",
    "sface",
    "palm_detection",
    "hand_landmarks",
)
GATE_MODELS = ("open_nsfw", "faceres", "age_cydral")

ModelUse = Literal["swap", "gate"]  # made the picture; judged film and faces before, and no more


@dataclass(frozen=True, slots=True)
class UsedModel:
    """A network or mesh that had a part in it."""

    id: str
    licence: str  # SPDX, of the weights
    sha256: str
    use: ModelUse = "swap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a manifest says of one result."""

    made_ms: int  # since 1970, by the clock of whoever made it
    target_sha256: str  # hex, of the file whose faces were replaced
    target_type: str  # media type
    engine: str = "mesh"
    models: tuple[UsedModel, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)  # numbers, words, lists of them
    people: int | None = None  # how many got another face; None where it is not told
    consent: str | None = None  # a reference that says nothing to others, such as a record's id
    lowered: Mapping[str, Any] = field(default_factory=dict)  # guards that were not as usual
    change: Literal["faces", "mask_preview"] = "faces"  # a preview shows the mesh, no new face

    @property
    def source_type(self) -> str:
        """The IPTC's word for it, a URI."""
        return REPLACED if self.change == "faces" else DRAWN_OVER


def used_models(*, has_gate: bool = False) -> tuple[UsedModel, ...]:
    """What the catalogue knows of all that a swap may use, and the content gate before it."""
    use_by_id = uses_of_models(has_gate=has_gate)
    return tuple(
        UsedModel(spec.id, spec.licence, spec.sha256, use_by_id[spec.id])
        for spec in map(get_spec, use_by_id)
    )


def uses_of_models(*, has_gate: bool) -> dict[str, ModelUse]:
    """What each model is used for, by its id."""
    judging: Sequence[str] = GATE_MODELS if has_gate else ()
    return dict.fromkeys(SWAP_MODELS, "swap") | dict.fromkeys(judging, "gate")


def media_type(path: Path) -> str:
    return TYPE_BY_SUFFIX.get(path.suffix.lower(), ANY_TYPE)


def type_of_container(container: str) -> str:
    """Of a file whose name does not tell.

    >>> type_of_container("mov,mp4,m4a,3gp,3g2,mj2"), type_of_container("bmp")
    ('video/mp4', 'application/octet-stream')
    """
    return TYPE_BY_CONTAINER.get(container.split(",")[0], ANY_TYPE)


def hash_file(path: Path) -> str:
    """SHA-256 in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
