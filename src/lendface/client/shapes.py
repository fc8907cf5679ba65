"""What a server tells, as values. Fields that a newer server adds are in ``raw``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FINAL = frozenset({"succeeded", "failed", "cancelled"})

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Upload:
    """A file that the server has, or waits for."""

    id: str
    state: str  # waiting, ready, failed
    name: str
    size: int | None  # bytes
    raw: Json = field(repr=False, compare=False, default_factory=dict)

    @classmethod
    def read(cls, told: Json) -> Upload:
        return cls(told["id"], told["state"], told["name"], told["size"], told)


@dataclass(frozen=True)
class Result:
    """The finished file of a swap."""

    file_name: str
    content_type: str
    size: int  # bytes
    sha256: str | None  # hex
    manifest_url: str | None = None  # where the manifest is not inside the file
    raw: Json = field(repr=False, compare=False, default_factory=dict)

    @classmethod
    def read(cls, told: Json) -> Result:
        return cls(
            told["file_name"],
            told["content_type"],
            told["size"],
            told.get("sha256"),
            told.get("manifest_url"),
            told,
        )


@dataclass(frozen=True)
class Face:
    """One person of a scan's cast."""

    face: int  # the number by which a swap names them
    frames: int
    spans_s: Sequence[Sequence[float]]
    hardness: str
    thumbnail_url: str | None
    raw: Json = field(repr=False, compare=False, default_factory=dict)

    @classmethod
    def read(cls, told: Json) -> Face:
        names = ("face", "frames", "spans_s", "hardness", "thumbnail_url")
        return cls(*(told[name] for name in names), told)


@dataclass(frozen=True)
class Job:
    """A swap or a scan, as it stood when it was asked for."""

    id: str
    kind: str  # swap, scan, fetch
    state: str  # queued, running, succeeded, failed, cancelled
    stage: str
    share: float  # 0..1 of the whole job
    frames_done: int  # in this stage
    frames_total: int | None
    eta_s: float | None
    queue_position: int | None
    warnings: Sequence[str]
    error_code: str | None
    error_message: str | None
    notes: Json
    result: Result | None = None  # of a swap that has succeeded
    faces: Sequence[Face] = ()  # of a scan that has succeeded
    raw: Json = field(repr=False, compare=False, default_factory=dict)

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    @classmethod
    def read(cls, told: Json) -> Job:
        error, result = told["error"] or {}, told.get("result")
        return cls(
            id=told["id"],
            kind=told["kind"],
            state=told["state"],
            stage=told["stage"],
            share=told["share"],
            frames_done=told["frames_done"],
            frames_total=told["frames_total"],
            eta_s=told["eta_s"],
            queue_position=told["queue_position"],
            warnings=tuple(told["warnings"]),
            error_code=error.get("code"),
            error_message=error.get("message"),
            notes=told["notes"],
            result=Result.read(result) if result else None,
            faces=tuple(Face.read(face) for face in told.get("faces", ())),
            raw=told,
        )


@dataclass(frozen=True)
class Consent:
    """Somebody's word that their face may be used."""

    id: str
    state: str  # pending, valid, failed, expired, withdrawn
    label: str
    raw: Json = field(repr=False, compare=False, default_factory=dict)

    @classmethod
    def read(cls, told: Json) -> Consent:
        return cls(told["id"], told["state"], told["label"], told)


@dataclass(frozen=True)
class Usage:
    """Units; None where there is no end of them."""

    granted: int | None
    used: int
    held: int
    left: int | None

    @classmethod
    def read(cls, told: Json) -> Usage:
        return cls(told["granted"], told["used"], told["held"], told["left"])
