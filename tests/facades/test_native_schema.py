"""What the OpenAPI document says is true, of requests made from it and of broken ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from facades.belongings import Belongings, gather
from lendface.facades.native.app import ROUTERS
from lendface.facades.native.webhooks import API, NativeForm
from lendface.facades.server import build_app
from lendface.service.office import Office
from lendface.storage.signing import UrlSigner
from service.offices import new_client, open_office

# Rules that a schema cannot tell: what is asked for contradicts itself, or may not be reached.
BEYOND_SCHEMA = {"bad_option", "idempotency_mismatch", "url_invalid", "url_not_allowed"}

OPERATIONS = [
    (method, route.path)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods)
]
WHICH = {  # whose id a path means
    "upload_id": "upload",
    "scan_id": "scan",
    "swap_id": "swap",
    "job_id": "swap",
    "endpoint_id": "endpoint",
    "delivery_id": "delivery",
    "consent_id": "consent",
}


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)]
)
def office(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    folder: Path = tmp_path_factory.mktemp("schema")
    url = None
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").new_database()
    with open_office(folder, database_url=url, forms={API: NativeForm()}) as office:
        yield office


@pytest.fixture(scope="module")
def app(office: Office) -> FastAPI:
    assert isinstance(office.links, UrlSigner)
    return build_app(office, signer=office.links, poll_s=0.01)


@pytest.fixture(scope="module")
def headers(office: Office) -> dict[str, str]:
    return {"Authorization": f"Bearer {new_client(office).key}"}


@pytest.fixture(scope="module")
def schema(app: FastAPI, headers: dict[str, str]) -> Any:
    return schemathesis.openapi.from_asgi("/v1/openapi.json", app, headers=headers)


@pytest.fixture(scope="module")
def owner(office: Office) -> dict[str, str]:
    """Somebody else than who made up requests before, and may own all they are allowed to."""
    return {"Authorization": f"Bearer {new_client(office).key}"}


@pytest.fixture(scope="module")
def mine(app: FastAPI, office: Office, owner: dict[str, str]) -> Belongings:
    with TestClient(app, headers=owner) as client:
        return gather(client, office)


def check_operation(
    operation: Any, mode: GenerationMode, headers: dict[str, str], examples: int
) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    def every_answer_is_as_documented(case: Any) -> None:
        response = case.call(headers=headers)
        case.validate_response(response, excluded_checks=[positive_data_acceptance])
        if mode is GenerationMode.POSITIVE and response.status_code in (400, 422):
            assert response.json()["code"] in BEYOND_SCHEMA

    every_answer_is_as_documented()


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_route_answers_as_its_document_says(
    schema: Any, headers: dict[str, str], method: str, path: str, mode: GenerationMode
) -> None:
    check_operation(schema[path][method], mode, headers, examples=8)


@pytest.mark.slow
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_route_answers_as_its_document_says_often(
    schema: Any, headers: dict[str, str], method: str, path: str, mode: GenerationMode
) -> None:
    check_operation(schema[path][method], mode, headers, examples=50)


READING = [(method, path) for method, path in OPERATIONS if method in ("GET", "HEAD")]


@pytest.mark.parametrize(("method", "path"), READING)
def test_what_is_there_looks_as_the_document_says(
    schema: Any, owner: dict[str, str], mine: Belongings, method: str, path: str
) -> None:
    ids = {name: asdict(mine)[which] for name, which in WHICH.items() if f"{{{name}}}" in path}
    case = schema[path][method].Case(path_parameters=ids)
    response = case.call_and_validate(headers=owner)
    assert response.status_code == 200
