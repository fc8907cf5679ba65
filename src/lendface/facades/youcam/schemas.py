"""What clients send. Fields nobody knows are left alone, as the vendor leaves them.

A field that may be missing is empty then; an explicit null is refused, as the vendor refuses it.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from .envelope import is_required
from .terms import MAX_FILES, FileType

MAX_REFS = 50
MAX_FACES = 64
NOBODY = -1  # a face that is left as it is

FileId = Annotated[str, Field(max_length=200)]
Url = Annotated[str, Field(max_length=8192)]
TaskId = Annotated[str, Field(max_length=1000)]


def whole(value: Any) -> Any:
    """``1.0`` as the whole number that it is: some clients have no other numbers.

    >>> whole(1.0), whole(1.5), whole("1"), whole(True)
    (1, 1.5, '1', True)
    """
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(whole, json_schema_input_type=int)]


class Asked(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    def need_one(self, *fields: str) -> None:
        """Raises ValueError unless one of them is there."""
        if not any(getattr(self, field) for field in fields):
            raise ValueError(", or ".join(is_required(field) for field in fields))


# Files


class NewFile(Asked):
    content_type: FileType
    file_name: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")]
    file_size: Annotated[Whole, Field(ge=1)]  # bytes, exact


class NewFiles(Asked):
    files: Annotated[list[NewFile], Field(min_length=1, max_length=MAX_FILES)]


class NewFileOfOld(NewFile):
    """As version 1.0 has it, which does not ask how large it is; 1.1 does."""

    file_size: Annotated[Whole, Field(ge=1)] | None = None


class NewFilesOfOld(Asked):
    files: Annotated[list[NewFileOfOld], Field(min_length=1, max_length=MAX_FILES)]


# Tasks


class WithSource(Asked):
    """What is changed, by id or by address; the id counts where both are given."""

    src_file_id: FileId = ""
    src_file_url: Url = ""

    @model_validator(mode="after")
    def _needs_source(self) -> Self:
        self.need_one("src_file_id", "src_file_url")
        return self


class NewVideoTask(WithSource):
    """``src`` is the film, ``ref`` the new face."""

    ref_file_id: FileId = ""
    ref_file_url: Url = ""
    dst_duration: Annotated[Whole, Field(ge=1)]  # seconds

    @model_validator(mode="after")
    def _needs_reference(self) -> Self:
        self.need_one("ref_file_id", "ref_file_url")
        return self


class NewFacesTask(WithSource):
    """Which faces are in a picture."""


class MappedFace(Asked):
    """The face at ``position`` gets the reference picture ``index``; both are -1 for nobody."""

    index: Annotated[Whole, Field(ge=NOBODY, lt=MAX_REFS)]
    position: Annotated[Whole, Field(ge=NOBODY, lt=MAX_FACES)]


class NewImageTask(WithSource):
    ref_file_ids: Annotated[list[FileId], Field(max_length=MAX_REFS)] = []
    ref_file_urls: Annotated[list[Url], Field(max_length=MAX_REFS)] = []
    face_mapping: Annotated[list[MappedFace], Field(min_length=1, max_length=MAX_FACES)]

    @property
    def reference_count(self) -> int:
        return len(self.ref_file_ids or self.ref_file_urls)

    @property
    def wanted(self) -> list[MappedFace]:
        """The faces that get another."""
        return [face for face in self.face_mapping if face.index != NOBODY]

    @model_validator(mode="after")
    def _needs_references(self) -> Self:
        self.need_one("ref_file_ids", "ref_file_urls")
        if any((face.index == NOBODY) != (face.position == NOBODY) for face in self.face_mapping):
            raise ValueError("face_mapping: index and position are -1 together or not at all.")
        if any(face.index >= self.reference_count for face in self.wanted):
            raise ValueError("face_mapping: index is not one of the reference list.")
        positions = [face.position for face in self.wanted]
        if not positions or len(set(positions)) < len(positions):
            raise ValueError("face_mapping: each face is named once, and one at least.")
        return self


class DeletedTask(Asked):
    task_id: TaskId


# Version 1


class FileSets(Asked):
    src_ids: Annotated[list[FileId], Field(min_length=1, max_length=1)]
    ref_ids: Annotated[list[FileId], Field(max_length=MAX_REFS)] = []


class Action(Asked):
    id: Whole = 0
    params: dict[str, Any] = {}


class Payload(Asked):
    file_sets: FileSets
    actions: Annotated[list[Action], Field(min_length=1, max_length=1)]


class NewTaskOfOld(Asked):
    """A task as version 1 has it."""

    request_id: Whole = 0
    payload: Payload


class Login(Asked):
    client_id: Annotated[str, Field(max_length=200)]
    id_token: Annotated[str, Field(max_length=4096)]
