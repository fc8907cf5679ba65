"""The envelope: what every answer of this API looks like, and each of our errors in its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Scope

from ... import errors as e
from ..fields import name_field
from ..problems import UnexpectedError, headers_of
from ..words import in_words

INVALID = "One or more parameters in this request are invalid."
NOT_RECOGNIZED = "This API key is not recognized."
NO_OBJECT = "The request body must be a JSON object."


class Words(NamedTuple):
    """A failure as this API tells it; without a text our own sentence is told."""

    status: int
    code: str
    text: str | None = None


# The nearest of an error's classes counts.
WORDS_BY_ERROR: Mapping[type[e.LendfaceError], Words] = {
    e.LendfaceError: Words(500, "InternalError"),
    e.BadOptionError: Words(400, "InvalidParameters"),
    e.FetchError: Words(400, "InvalidParameters"),
    e.BlobTooLargeError: Words(400, "InvalidParameters"),
    e.NotFoundError: Words(400, "InvalidParameters"),
    e.UploadMissingError: Words(400, "InvalidParameters"),
    e.RequestError: Words(400, "BadRequest"),
    e.BodyTooLargeError: Words(400, "BadRequest"),
    e.BodyTooSlowError: Words(400, "BadRequest"),
    e.RefusedError: Words(400, "InvalidParameters"),
    e.QuotaExceededError: Words(400, "CreditInsufficiency", "Insufficient units"),
    e.KeyRefusedError: Words(401, "InvalidApiKey", NOT_RECOGNIZED),
    e.KeyRevokedError: Words(401, "InactiveApiKey", "This API key is not active."),
    e.ClientRevokedError: Words(401, "InactiveApiKey", "This API key is not active."),
    e.ScopeMissingError: Words(401, "InactiveApiKey"),
    e.KeyExpiredError: Words(401, "ExpiredApiKey", "This API key has expired."),
    e.AccessTokenError: Words(401, "InvalidAccessToken", "Invalid access token"),
    e.LoginRefusedError: Words(401, "InvalidAuthentication", "Invalid client_id or id_token"),
    e.NoSuchRouteError: Words(404, "NotFound", "Not found"),
    e.WrongMethodError: Words(404, "NotFound", "Not found"),
    e.RateLimitedError: Words(429, "TooManyRequests", "Too many requests"),
    e.ServerBusyError: Words(503, "ServiceUnavailable"),
    e.DatabaseError: Words(503, "ServiceUnavailable"),
    e.StorageUnavailableError: Words(503, "ServiceUnavailable"),
    e.DiskFullError: Words(503, "ServiceUnavailable"),
}


class Refusal(Exception):
    """What only this API refuses."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


def invalid(text: str = INVALID) -> Refusal:
    return Refusal(400, "InvalidParameters", text)


def success(key: str, value: Any) -> dict[str, Any]:
    """``key`` is data, result or results, as the family of addresses has it."""
    return {"status": 200, key: value}


def failure(
    status: int, code: str, text: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"status": status, "error": text, "error_code": code}, status, headers)


def words_for(error: e.LendfaceError) -> Words:
    return next(WORDS_BY_ERROR[kind] for kind in type(error).__mro__ if kind in WORDS_BY_ERROR)


def refuse(scope: Scope, error: e.LendfaceError) -> JSONResponse:
    """What stands before the routes answers with this."""
    words = words_for(error)
    return failure(words.status, words.code, words.text or text_of(error), headers_of(error))


def text_of(error: e.LendfaceError) -> str:
    """In the client's words."""
    match error:
        case e.BlobMissingError():
            return in_words(str(error), {})
        case e.NotFoundError(field=field) if field:
            return f"{field} is not the id of a file that is here."
        case e.UploadMissingError(field=field) if field:
            return (
                f"{field} was declared and its file never uploaded; PUT it to the link that the "
                "declaration answered with, first."
            )
        case e.AttestationMissingError():
            return "the owner of this API key has not yet stated that the people shown consent"
    return in_words(str(error), {})


def add_failures(app: FastAPI) -> None:
    """Whatever goes wrong is told in the envelope."""
    app.add_exception_handler(Refusal, _answer_refusal)
    app.add_exception_handler(e.LendfaceError, _answer_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_unexpected)


def _answer_refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return failure(error.status, error.code, error.text)


def _answer_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, e.LendfaceError)
    return refuse(request.scope, error)


def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    details = error.errors()
    if any(detail["loc"][0] == "path" for detail in details):
        return refuse(request.scope, e.NoSuchRouteError())
    if any(_is_no_object(detail) for detail in details):
        return failure(400, "BadRequest", NO_OBJECT)
    return failure(400, "InvalidParameters", ", or ".join(explain(detail) for detail in details))


def _answer_http(request: Request, error: Exception) -> JSONResponse:
    """The framework's own refusals: no such address, and no such method there."""
    assert isinstance(error, HTTPException)
    if error.status_code in (404, 405):
        return refuse(request.scope, e.NoSuchRouteError())
    return failure(400, "BadRequest", NO_OBJECT)


def _answer_unexpected(request: Request, error: Exception) -> JSONResponse:
    return refuse(request.scope, UnexpectedError())


def _is_no_object(detail: Mapping[str, Any]) -> bool:
    is_whole = detail["loc"] == ("body",) and detail["type"] != "value_error"
    return is_whole or detail["type"] == "json_invalid"


def explain(detail: Mapping[str, Any]) -> str:
    """One thing that is wrong with a request, in the vendor's words; values are not repeated."""
    field = name_field(detail["loc"])
    limits = detail.get("ctx") or {}
    match detail["type"]:
        case "value_error":
            return str(limits["error"])
        case "missing":
            return is_required(field)
        case _ if detail["input"] is None:
            return f"'{field}' is required and can't be null."
        case "literal_error" | "enum":
            return f"{field} is not one of the accepted values."
        case "greater_than_equal" | "less_than_equal":
            most = f"minimum is {limits['ge']}" if "ge" in limits else f"maximum is {limits['le']}"
            return f"{field} is out of range: the allowed {most}."
    return f"{field} is not valid: {detail['msg']}."


def is_required(field: str) -> str:
    return f"{field} is required but wasn't included in your request."
