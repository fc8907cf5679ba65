"""The addresses of version 2, and those of version 1 that clients of version 2 use as well."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from ...errors import LoginRefusedError, NotFoundError
from ...service.clients import key_text_of
from ...service.logins import check_login
from ...service.office import Office
from ...service.tokens import issue_token
from . import tasks, units
from .envelope import success
from .files import declare_files
from .incoming import Caller, Desk, Offer, Token, check_minor
from .schemas import (
    DeletedTask,
    Login,
    NewFacesTask,
    NewFiles,
    NewFilesOfOld,
    NewImageTask,
    NewVideoTask,
)
from .status import describe_status
from .terms import TOKEN_S, Feature, Terms
from .translate import (
    AS_THEY_ARE,
    IMAGE_UNITS,
    Called,
    to_faces_job,
    to_image_job,
    to_video_job,
    video_units,
)

Body = dict[str, Any]
Slug = Literal["face-swap-vid", "face-swap"]

v1_0 = APIRouter(prefix="/v1.0")  # asked before v1, where it differs
v1 = APIRouter(prefix="/v1.{minor}", dependencies=[Depends(check_minor)])
v2 = APIRouter(prefix="/v2.{minor}", dependencies=[Depends(check_minor)])


# Files


@v2.post("/file")
def declare(body: NewFiles, office: Desk, client: Caller, terms: Offer) -> Body:
    """Declare files, for every feature."""
    return success("data", {"files": declare_files(office, client.id, terms, body.files)})


@v2.post("/file/{feature}")
def declare_for_feature(
    feature: Slug, body: NewFiles, office: Desk, client: Caller, terms: Offer
) -> Body:
    """Declare files; a file is not tied to this feature."""
    return success("data", {"files": declare_files(office, client.id, terms, body.files)})


@v1_0.post("/file/{feature}")
def declare_for_feature_of_oldest(
    feature: Slug, body: NewFilesOfOld, office: Desk, client: Caller, terms: Offer
) -> Body:
    """Declare files, as version 1.0 has it: without `file_size`, any size up to the limit."""
    return success("result", {"files": declare_files(office, client.id, terms, body.files)})


@v1.post("/file/{feature}")
def declare_for_feature_of_old(
    feature: Slug, body: NewFiles, office: Desk, client: Caller, terms: Offer
) -> Body:
    """Declare files, as versions from 1.1 on have it."""
    return success("result", {"files": declare_files(office, client.id, terms, body.files)})


# Tasks


@v2.post("/task/face-swap-vid")
def begin_video(body: NewVideoTask, office: Desk, client: Caller, terms: Offer) -> Body:
    """Begin a film task."""
    return success("data", {"task_id": begin_video_task(office, client.id, terms, body)})


@v2.post("/task/face-swap/pre-process")
def begin_faces(body: NewFacesTask, office: Desk, client: Caller, terms: Offer) -> Body:
    """Begin a look at which faces are in a picture."""
    return success("data", {"task_id": begin_faces_task(office, client.id, terms, body)})


@v2.post("/task/face-swap")
def begin_image(body: NewImageTask, office: Desk, client: Caller, terms: Offer) -> Body:
    """Begin a picture task, with a mapping of its faces."""
    return success("data", {"task_id": begin_image_task(office, client.id, terms, body)})


@v2.post("/task/delete")
def delete(body: DeletedTask, office: Desk, client: Caller, terms: Offer) -> Body:
    """Delete a finished task, its result, and files that no running task needs."""
    tasks.delete(office, client.id, terms, body.task_id)
    return {"status": 200}


@v2.get("/task/face-swap-vid/{task_id}")
def poll_video(task_id: str, office: Desk, client: Caller, terms: Offer) -> Body:
    """Ask after a film task."""
    return success("data", poll(office, client.id, terms, task_id, Feature.VIDEO))


@v2.get("/task/face-swap/pre-process/{task_id}")
def poll_faces(task_id: str, office: Desk, client: Caller, terms: Offer) -> Body:
    """Ask after a look at a picture."""
    return success("data", poll(office, client.id, terms, task_id, Feature.FACES))


@v2.get("/task/face-swap/{task_id}")
def poll_image(task_id: str, office: Desk, client: Caller, terms: Offer) -> Body:
    """Ask after a picture task."""
    return success("data", poll(office, client.id, terms, task_id, Feature.IMAGE))


def begin_video_task(
    office: Office, client_id: str, terms: Terms, body: NewVideoTask, called: Called = AS_THEY_ARE
) -> str:
    return tasks.begin(
        office,
        client_id,
        terms,
        Feature.VIDEO,
        lambda intake: to_video_job(body, intake, terms, called),
        video_units(body, terms.max_seconds(office), called),
    )


def begin_faces_task(
    office: Office, client_id: str, terms: Terms, body: NewFacesTask, called: Called = AS_THEY_ARE
) -> str:
    return tasks.begin(
        office,
        client_id,
        terms,
        Feature.FACES,
        lambda intake: to_faces_job(body, intake, terms, called),
        0,
    )


def begin_image_task(
    office: Office, client_id: str, terms: Terms, body: NewImageTask, called: Called = AS_THEY_ARE
) -> str:
    return tasks.begin(
        office,
        client_id,
        terms,
        Feature.IMAGE,
        lambda intake: to_image_job(body, intake, terms, called),
        IMAGE_UNITS,
    )


def poll(office: Office, client_id: str, terms: Terms, task_id: str, feature: Feature) -> Body:
    job = tasks.find(office, client_id, terms, task_id, feature)
    tasks.note_poll(office, job)
    return describe_status(office, job)


# Units


@v1.get("/client/credit")
def read_credit(office: Desk, client: Caller) -> Body:
    """Read the balance."""
    return success("results", units.describe_credit(office, client.id))


@v1.get("/client/credit/history")
def list_history(
    office: Desk,
    client: Caller,
    page_size: Annotated[int, Query(ge=1, le=30)] = 20,
    starting_token: Token = None,
) -> Body:
    """List charges and grants, newest first."""
    history = units.describe_history(office, client.id, page_size, starting_token)
    return success("result", history)


@v2.get("/credit/feature-cost")
def list_costs(
    terms: Offer,
    page_size: Annotated[int, Query(ge=1, le=20)] = 20,
    starting_token: Token = None,
) -> Body:
    """List what tasks cost."""
    return success("result", units.describe_costs(terms, page_size, starting_token))


# Logins of old clients


@v1.post("/client/auth")
def log_in(body: Login, office: Desk) -> Body:
    """Log in by RSA: a token for two hours, that stands for the client's newest key, or for the
    one that was given as `client_id`."""
    client_id = check_login(office, body.client_id, body.id_token)
    try:
        key = key_text_of(office, client_id) if client_id == body.client_id else body.client_id
    except NotFoundError:
        raise LoginRefusedError from None
    return success("result", {"access_token": issue_token(office, client_id, key, TOKEN_S)})
