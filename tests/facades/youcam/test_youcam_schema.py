"""Requests made from the schema, and broken ones: none is a mistake of ours, all are answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from starlette.testclient import TestClient

from facades.youcam.customers import Customer, failure_of, succeed
from lendface.facades.forms import FORMS
from lendface.facades.server import build_app
from lendface.facades.youcam.app import youcam_app
from lendface.facades.youcam.terms import PREFIX, Terms
from lendface.service.office import Office
from lendface.storage.signing import UrlSigner
from service.offices import BASE_URL, new_client, open_office

OPERATIONS = [
    ("POST", "/v1.{minor}/client/auth"),
    ("GET", "/v1.{minor}/client/credit"),
    ("GET", "/v1.{minor}/client/credit/history"),
    ("POST", "/v1.{minor}/file/{feature}"),
    ("POST", "/v1.{minor}/task/face-swap"),
    ("GET", "/v1.{minor}/task/face-swap"),
    ("POST", "/v1.{minor}/task/face-swap-vid"),
    ("GET", "/v1.{minor}/task/face-swap-vid"),
    ("POST", "/v1.{minor}/task/face-swap/pre-process"),
    ("GET", "/v1.{minor}/task/face-swap/pre-process"),
    ("GET", "/v2.{minor}/credit/feature-cost"),
    ("POST", "/v2.{minor}/file"),
    ("POST", "/v2.{minor}/file/{feature}"),
    ("POST", "/v2.{minor}/task/delete"),
    ("POST", "/v2.{minor}/task/face-swap"),
    ("POST", "/v1.0/file/{feature}"),
    ("POST", "/v2.{minor}/task/face-swap-vid"),
    ("GET", "/v2.{minor}/task/face-swap-vid/{task_id}"),
    ("POST", "/v2.{minor}/task/face-swap/pre-process"),
    ("GET", "/v2.{minor}/task/face-swap/pre-process/{task_id}"),
    ("GET", "/v2.{minor}/task/face-swap/{task_id}"),
]
EXAMPLES = 30  # of each kind


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder: Path = tmp_path_factory.mktemp("youcam")
    with open_office(folder, forms=FORMS) as office:
        yield office


@pytest.fixture(scope="module")
def terms() -> Terms:
    return Terms(BASE_URL, max_requests=1_000_000)


@pytest.fixture(scope="module")
def headers(office: Office) -> dict[str, str]:
    return {"Authorization": f"Bearer {new_client(office).key}"}


@pytest.fixture(scope="module")
def schema(office: Office, terms: Terms, headers: dict[str, str]) -> Any:
    assert isinstance(office.links, UrlSigner)
    api = youcam_app(office, terms)
    app = build_app(office, signer=office.links, apps_by_path={PREFIX: api})
    with TestClient(app, headers=headers) as http:
        me = Customer(http)
        succeed(office, me.begin_video())
        me.http.post("/v1/webhooks/endpoints", json={"url": "http://127.0.0.1:9/", "api": "youcam"})
    document = api.openapi() | {"servers": [{"url": PREFIX}]}
    loaded = schemathesis.openapi.from_dict(document)
    loaded.app = app
    return loaded


def test_every_address_is_tried(schema: Any) -> None:
    found = [each.ok() for each in schema.get_all_operations()]
    assert {(each.method.upper(), each.path) for each in found} == set(OPERATIONS)


def is_elsewhere(url: str) -> bool:
    """Dots in a path lead out of this API, and a path with a line break belongs to none."""
    return not url.startswith(f"{BASE_URL}{PREFIX}/") or "%0A" in url.upper()


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda value: value)
def test_every_request_is_answered_in_the_envelope(
    schema: Any, headers: dict[str, str], method: str, path: str
) -> None:
    operation = schema[path][method]
    for mode in GenerationMode:

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
        )
        def is_answered(case: Any) -> None:
            response = case.call(headers=headers)
            if response.status_code == 200:
                assert response.json()["status"] == 200
                return
            if is_elsewhere(str(response.request.url)):
                return
            status, _ = failure_of(response)
            assert status < 500

        is_answered()
