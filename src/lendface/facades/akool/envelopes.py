"""How answers are wrapped, and errors told: in one form for jobs, in others for detection.

Business errors come with HTTP 200, since many clients look at the status before the body; wrong
addresses and failures of the server do not. Detection tells errors by its status too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Scope

from ... import errors as e
from ..fields import name_field
from ..problems import UnexpectedError, headers_of, read_http, read_invalid, status_of
from ..words import Clause, Words, in_words
from .codes import SUCCESS, code_of

OK = "OK"
FOUND = "SUCCESS"  # at least one client compares exactly this
DETECT = "/interface/detect-api/detect_faces"
ANALYZE = "/interface/detect-api/faceswap/analyze_frames"
OLDER = "/detect"
RESULTS = "/results/akool/"
GATE = (e.KeyRefusedError, e.ScopeMissingError, e.RateLimitedError)  # told before any route

Body = dict[str, Any]

# What an option of the command line is called by this API, by the field that a sentence is about.
WORDS_BY_FIELD: Mapping[str, Words] = {
    ".path": {"--source-face": Clause("say which one with opts beside it, as detect_faces tells")},
    ".face_url": {"--source-face": Clause("say which one with bbox beside it")},
}
# Ways out that are none here, and what is one.
SENTENCE_BY_ERROR: Mapping[type[e.LendfaceError], str] = {
    e.KeyMissingError: "give your key in the header x-api-key, or a token as Authorization: "
    "Bearer TOKEN",
    e.AttestationMissingError: "it was not yet stated that the people shown have consented; the "
    "owner of the key, or the operator of this server for them, does so once",
}


class DetectionError(e.ServiceError):
    """What a worker found to be wrong, in the words it used."""

    def __init__(self, code: str | None, message: str | None) -> None:
        what = "download" if (code or "").startswith("url_") else "process"
        super().__init__(f"Failed to {what} media: {message or 'the job was cancelled'}")


def path_of(scope: Scope) -> str:
    """The address within this API, wherever it is mounted."""
    return scope["path"].removeprefix(scope.get("root_path", ""))


def refuse(scope: Scope, error: e.LendfaceError) -> JSONResponse:
    """Any error as the route of this request tells it."""
    path = path_of(scope)
    is_file = path.startswith(RESULTS)
    plain = (_tell_plainly, _file_status if is_file else _plain_status)
    tell, http_status = FORMS.get(path, plain)
    body = tell(error)
    if tell is not _tell_plainly and isinstance(error, GATE):
        body |= _tell_plainly(error)
    return JSONResponse(body, http_status(error), headers_of(error))


def in_akools_words(sentence: str) -> str:
    """A sentence of ours without options and commands that its clients do not have."""
    fields = (words for field, words in WORDS_BY_FIELD.items() if field in sentence)
    return in_words(sentence, next(fields, {}))


def sentence_of(error: e.LendfaceError) -> str:
    return SENTENCE_BY_ERROR.get(type(error)) or in_akools_words(str(error))


def _tell_plainly(error: e.LendfaceError) -> Body:
    return {"code": code_of(error), "msg": sentence_of(error)}


def _tell_detection(error: e.LendfaceError) -> Body:
    return {"error_code": 1, "error_msg": describe(error), "faces_obj": {}}


def _tell_older(error: e.LendfaceError) -> Body:
    return {"error_code": 1, "error_msg": describe(error)}


def _tell_analysis(error: e.LendfaceError) -> Body:
    return {"success": False, "error": describe(error)}


def describe(error: e.LendfaceError) -> str:
    """In words by which clients of detection tell what kind of error it was."""
    if isinstance(error, e.InvalidUrlError | e.UrlNotAllowedError):
        return f"Invalid URL: {sentence_of(error)}"
    if isinstance(error, e.FetchError):
        return f"Failed to download media: {sentence_of(error)}"
    if isinstance(error, e.MediaError | e.StillRunningError):
        return f"Failed to process media: {sentence_of(error)}"
    return sentence_of(error)


KEPT = frozenset({404, 405, 408, 413, 416})  # the line and not the business


def _plain_status(error: e.LendfaceError) -> int:
    status = status_of(error)
    is_kept = status in KEPT and (status != 404 or isinstance(error, e.NoSuchRouteError))
    return status if is_kept or status >= 500 else 200


def _file_status(error: e.LendfaceError) -> int:
    """A file that is not there yet, or not any more, is not there."""
    is_absent = isinstance(error, e.NotFoundError | e.ResultNotReadyError | e.ResultGoneError)
    return 404 if is_absent else status_of(error)


def _detection_status(error: e.LendfaceError) -> int:
    """400 for what was asked, 500 for what could not be brought or read."""
    if isinstance(error, e.InvalidUrlError | e.UrlNotAllowedError):
        return 400
    if isinstance(error, e.FetchError | e.MediaError | e.FaceError):
        return 500
    status = status_of(error)
    return 400 if status == 422 else status


def _older_status(error: e.LendfaceError) -> int:
    return 200 if isinstance(error, DetectionError) else _plain_status(error)


FORMS: Mapping[str, tuple[Callable[[e.LendfaceError], Body], Callable[[e.LendfaceError], int]]] = {
    DETECT: (_tell_detection, _detection_status),
    ANALYZE: (_tell_analysis, _detection_status),
    OLDER: (_tell_older, _older_status),
}


def succeed(**facts: Any) -> Body:
    return {"code": SUCCESS, "msg": OK, **facts}


def answer_error(request: Request, error: Exception) -> JSONResponse:
    """A handler for LendfaceError."""
    assert isinstance(error, e.LendfaceError)
    return refuse(request.scope, error)


def answer_invalid(request: Request, error: Exception) -> JSONResponse:
    """A handler for RequestValidationError."""
    assert isinstance(error, RequestValidationError)
    return refuse(request.scope, read_invalid(error, name_field).error)


def answer_http(request: Request, error: Exception) -> JSONResponse:
    """A handler for the HTTPExceptions of the framework."""
    assert isinstance(error, HTTPException)
    return refuse(request.scope, read_http(request.method, error))


def answer_unexpected(request: Request, error: Exception) -> JSONResponse:
    """A handler for everything else; the log says what it was."""
    return refuse(request.scope, UnexpectedError())
