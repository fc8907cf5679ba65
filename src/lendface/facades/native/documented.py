"""The OpenAPI document: which problems a route can answer, who may ask, what every answer has."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ..problems import MEDIA_TYPE, Problem

ALWAYS = (401, 403, 429, 500, 503)
WITH_BODY = (400, 408, 413, 422)
PROBLEM = {"$ref": "#/components/schemas/Problem"}
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
}
REQUEST_ID = {
    "description": "also in the server's log",
    "required": True,
    "schema": {"type": "string"},
}
RETRY_AFTER = {"description": "seconds", "required": True, "schema": {"type": "integer"}}
METHODS = frozenset({"get", "put", "post", "delete", "head", "patch"})


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For ``responses=``: these, and those which every route can answer."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": PROBLEM}},
        }
        for status in sorted({*statuses, *ALWAYS})
    }


def with_body(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For routes that take JSON."""
    return problems(*statuses, *WITH_BODY)


def describe(app: FastAPI) -> Mapping[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            servers=[{"url": "/v1"}],
            openapi_version=app.openapi_version,
        )
        app.openapi_schema = complete(document)
    return app.openapi_schema


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Adds what is the same for all routes."""
    components = document.setdefault("components", {})
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components.setdefault("schemas", {}).update(schema.pop("$defs", {}))
    components["schemas"]["Problem"] = schema
    components["securitySchemes"] = SECURITY_SCHEMES
    document["security"] = [{name: []} for name in SECURITY_SCHEMES]
    for path in document["paths"].values():
        for method, operation in path.items():
            if method in METHODS:
                complete_responses(operation["responses"])
    return document


def complete_responses(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        headers = response.setdefault("headers", {})
        headers["X-Request-Id"] = REQUEST_ID
        if status in ("429", "503"):
            headers["Retry-After"] = RETRY_AFTER
