"""Tasks as version 1 has them: files and parameters nested, the id of a task in the query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from fastapi import APIRouter, Depends
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from .envelope import invalid, is_required, success
from .incoming import Caller, Desk, Offer, check_minor
from .routes import Body, begin_faces_task, begin_image_task, begin_video_task, poll
from .schemas import Asked, FileSets, NewFacesTask, NewImageTask, NewTaskOfOld, NewVideoTask, TaskId
from .status import SUCCESS
from .terms import Feature
from .translate import Called

FILE_SETS, PARAMS = "payload.file_sets", "payload.actions[0].params"
# Where fields of version 2 are in a request of version 1.
CALLED: Called = {
    "src_file_id": f"{FILE_SETS}.src_ids[0]",
    "ref_file_id": f"{FILE_SETS}.ref_ids[0]",
    "ref_file_ids": f"{FILE_SETS}.ref_ids",
    "dst_duration": f"{PARAMS}.dst_duration",
    "face_mapping": f"{PARAMS}.face_mapping",
}
POLLING_MS = 1000  # a word of version 1; in version 2 clients disagree about its unit

A = TypeVar("A", bound=Asked)

router = APIRouter(prefix="/v1.{minor}", dependencies=[Depends(check_minor)])


@router.post("/task/face-swap-vid")
def begin_video(body: NewTaskOfOld, office: Desk, client: Caller, terms: Offer) -> Body:
    """Begin a film task; without ``dst_duration`` the film is as long as it may be."""
    files, params = files_of(body, needs_refs=True), params_of(body)
    asked = {"src_file_id": files.src_ids[0], "ref_file_id": files.ref_ids[0]}
    longest = {"dst_duration": int(terms.max_seconds(office))}
    new = read(NewVideoTask, {**longest, **params, **asked})
    return success("result", {"task_id": begin_video_task(office, client.id, terms, new, CALLED)})


@router.post("/task/face-swap/pre-process")
def begin_faces(body: NewTaskOfOld, office: Desk, client: Caller, terms: Offer) -> Body:
    """Begin a look at which faces are in a picture."""
    new = read(NewFacesTask, {"src_file_id": files_of(body).src_ids[0]})
    return success("result", {"task_id": begin_faces_task(office, client.id, terms, new, CALLED)})


@router.post("/task/face-swap")
def begin_image(body: NewTaskOfOld, office: Desk, client: Caller, terms: Offer) -> Body:
    """Begin a picture task; the mapping is among the parameters."""
    files = files_of(body, needs_refs=True)
    asked = {"src_file_id": files.src_ids[0], "ref_file_ids": files.ref_ids}
    new = read(NewImageTask, {**params_of(body), **asked})
    return success("result", {"task_id": begin_image_task(office, client.id, terms, new, CALLED)})


@router.get("/task/face-swap-vid")
def poll_video(task_id: TaskId, office: Desk, client: Caller, terms: Offer) -> Body:
    """Ask after a film task."""
    status = poll(office, client.id, terms, task_id, Feature.VIDEO)
    return success("result", as_of_old(task_id, status))


@router.get("/task/face-swap/pre-process")
def poll_faces(task_id: TaskId, office: Desk, client: Caller, terms: Offer) -> Body:
    """Ask after a look at a picture."""
    status = poll(office, client.id, terms, task_id, Feature.FACES)
    return success("result", as_of_old(task_id, status))


@router.get("/task/face-swap")
def poll_image(task_id: TaskId, office: Desk, client: Caller, terms: Offer) -> Body:
    """Ask after a picture task."""
    status = poll(office, client.id, terms, task_id, Feature.IMAGE)
    return success("result", as_of_old(task_id, status))


def as_of_old(task_id: str, status: Mapping[str, Any]) -> Body:
    """``data`` of a poll in version 2 as ``result`` of one in version 1."""
    told = {
        "polling_interval": POLLING_MS,
        "status": status["task_status"],
        "error": status["error"],
        "error_message": status.get("error_message"),
        "results": None,
    }
    if status["task_status"] == SUCCESS:
        told["results"] = [{"id": 0, "data": [{"dst_id": task_id, **status["results"]}]}]
    return told


def files_of(body: NewTaskOfOld, *, needs_refs: bool = False) -> FileSets:
    """Raises Refusal where a file is not named."""
    files = body.payload.file_sets
    for name, ids in (("src_ids", files.src_ids), ("ref_ids", files.ref_ids)):
        if not all(ids) or (needs_refs and not ids):
            raise invalid(is_required(f"{FILE_SETS}.{name}"))
    return files


def params_of(body: NewTaskOfOld) -> dict[str, Any]:
    return body.payload.actions[0].params


def read(kind: type[A], values: Mapping[str, Any]) -> A:
    """Raises RequestValidationError, as for a body that came so."""
    try:
        return kind.model_validate(values)
    except ValidationError as fault:
        details = [
            {**detail, "loc": ("body", *(CALLED.get(str(part), part) for part in detail["loc"]))}
            for detail in fault.errors()
        ]
        raise RequestValidationError(details) from None
