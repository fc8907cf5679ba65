"""Errors as they are told over HTTP: their status, and the form of RFC 9457.

The table is for all APIs. The form is the native API's and that of routes which belong to no API;
vendors' APIs have envelopes of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Scope

from .. import errors as e
from .words import Words, in_words

MEDIA_TYPE = "application/problem+json"
AGAIN_S = 5  # to wait where nothing better is known
# What the native API calls options of the command line, and what stands for its commands.
WORDS: Words = {
    "--source-face": "source_face",
    "--start": "start_s",
    "--end": "end_s",
    "--codec": "output.codec",
    "--quality": "output.quality",
    "--preset": "output.preset",
    "--copy-audio": "output.copy_audio",
    "--compatible": "output.compatible",
    "lendface scan TARGET": "POST /v1/scans",
    "lendface consent attest": "POST /v1/attestation",
}

# The nearest of an error's classes counts.
STATUS_BY_ERROR: Mapping[type[e.LendfaceError], int] = {
    e.LendfaceError: 500,
    e.BadOptionError: 422,
    e.MediaError: 422,
    e.FaceError: 422,
    e.FetchError: 422,
    e.RefusedError: 422,
    e.ConsentError: 403,
    e.DiskFullError: 507,
    e.DatabaseError: 503,
    e.ServerBusyError: 503,
    e.NotFoundError: 404,
    e.StorageUnavailableError: 503,
    e.BlobTooLargeError: 413,
    e.UploadOffsetError: 409,
    e.UploadBusyError: 409,
    e.RangeNotSatisfiableError: 416,
    e.LinkRefusedError: 403,
    e.UploadMissingError: 409,
    e.UploadLostError: 409,
    e.WrongMoveError: 409,
    e.ResultNotReadyError: 409,
    e.UploadDoneError: 409,
    e.TooManyEndpointsError: 409,
    e.ResultGoneError: 410,
    e.ResultDamagedError: 410,
    e.JobDeletedError: 410,
    e.IdempotencyMismatchError: 422,
    e.RequestError: 422,
    e.WrongMethodError: 405,
    e.BodyTooSlowError: 408,
    e.BodyTooLargeError: 413,
    e.WrongUploadError: 422,
    e.KeyRefusedError: 401,
    e.ScopeMissingError: 403,
    e.QuotaExceededError: 402,
    e.RateLimitedError: 429,
}


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    at: str = Field(description="where, such as body.pairs.0.source")
    message: str


class Problem(BaseModel):
    """Why a request was not done (RFC 9457)."""

    type: str = Field(description="urn:lendface:error: and the code")
    title: str
    status: int
    detail: str = Field(description="what is wrong and the way out")
    code: str = Field(description="stable; the same on the command line and in Python")
    instance: str = Field(description="urn:lendface:request: and the request's id")
    errors: list[Fault] = Field(default=[], description="each thing that is wrong with the body")


def status_of(error: e.LendfaceError) -> int:
    """The HTTP status of one of our errors."""
    return next(STATUS_BY_ERROR[kind] for kind in type(error).__mro__ if kind in STATUS_BY_ERROR)


def headers_of(error: e.LendfaceError) -> dict[str, str]:
    """What belongs to an error besides its body, whichever API tells it."""
    if isinstance(error, e.RateLimitedError):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
    if status_of(error) == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(AGAIN_S)}
    if isinstance(error, e.KeyRefusedError):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, e.RangeNotSatisfiableError):
        return {"Content-Range": f"bytes */{error.size}"}
    if isinstance(error, e.UploadOffsetError):
        return {"Upload-Offset": str(error.offset)}
    return {}


def request_id(scope: Scope) -> str:
    return scope.get("state", {}).get("request_id", "")


def answer(
    scope: Scope,
    error: e.LendfaceError,
    faults: Sequence[Fault] = (),
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The response that tells an error in the form of RFC 9457."""
    status = status or status_of(error)
    problem: dict[str, Any] = {
        "type": f"urn:lendface:error:{error.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": in_words(str(error), WORDS),
        "code": error.code,
        "instance": f"urn:lendface:request:{request_id(scope)}",
    }
    if faults:
        problem["errors"] = [fault.model_dump() for fault in faults]
    return JSONResponse(problem, status, {**headers_of(error), **(headers or {})}, MEDIA_TYPE)


def answer_error(request: Request, error: Exception) -> JSONResponse:
    """A handler for LendfaceError."""
    assert isinstance(error, e.LendfaceError)
    return answer(request.scope, error)


def answer_invalid(request: Request, error: Exception) -> JSONResponse:
    """A handler for RequestValidationError."""
    assert isinstance(error, RequestValidationError)
    wrong = read_invalid(error)
    return answer(request.scope, wrong.error, wrong.faults, wrong.status)


def answer_http(request: Request, error: Exception) -> JSONResponse:
    """A handler for the HTTPExceptions of the framework."""
    assert isinstance(error, HTTPException)
    told = read_http(request.method, error)
    return answer(request.scope, told, status=error.status_code, headers=error.headers)


def answer_unexpected(request: Request, error: Exception) -> JSONResponse:
    """A handler for everything else; the log says what it was."""
    return answer(request.scope, UnexpectedError())


class UnexpectedError(e.InternalError):
    """A mistake of ours."""

    def __init__(self) -> None:
        Exception.__init__(
            self, "something went wrong on the server; its log tells more under this request's id"
        )


class Invalid(NamedTuple):
    error: e.LendfaceError
    faults: list[Fault]
    status: int


def dotted(loc: Sequence[str | int]) -> str:
    """
    >>> dotted(("body", "pairs", 0, "source"))
    'body.pairs.0.source'
    """
    return ".".join(str(part) for part in loc)


def read_invalid(
    error: RequestValidationError, name_field: Callable[[Sequence[str | int]], str] = dotted
) -> Invalid:
    """What is wrong with a request, in our words; values are never repeated.

    An id that could not be one is not found, a body that is no JSON is 400.
    """
    details = error.errors()
    if any(detail["loc"][0] == "path" for detail in details):
        return Invalid(e.NoSuchRouteError(), [], 404)
    faults = [
        Fault(at=name_field(detail["loc"]), message=detail["msg"].removeprefix("Value error, "))
        for detail in details
    ]
    first = f"{faults[0].at}: {faults[0].message}" if faults else "it cannot be understood"
    more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
    is_json = all(detail["type"] != "json_invalid" for detail in details)
    return Invalid(e.RequestError(first + more), faults, 422 if is_json else 400)


def read_http(method: str, error: HTTPException) -> e.LendfaceError:
    """The framework's own refusals as errors of ours."""
    match error.status_code:
        case 404:
            return e.NoSuchRouteError()
        case 405:
            return e.WrongMethodError(method)
    return e.RequestError(str(error.detail))
