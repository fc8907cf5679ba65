"""Whatever is sent, the answer is in the vendor's form, and never a failure of the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from facades.akool.workers import Detector, face, found
from lendface.facades.akool.app import ROUTERS, akool_app
from lendface.facades.akool.incoming import AkoolOptions
from lendface.facades.akool.webhooks import API, AkoolForm
from lendface.service.rates import RateLimiter
from service.offices import BASE_URL, new_client, open_office

POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
CASES = [
    (method, route.path, mode)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods)
    for mode in (POSITIVE, NEGATIVE)
    # where nothing is asked, nothing can be asked wrongly
    if mode is POSITIVE or route.body_field or route.dependant.query_params
]
SCHEMA = "/openapi-for-tests.json"
FORMS: Mapping[str, set[str]] = {
    "/interface/detect-api/detect_faces": {"error_code", "error_msg", "faces_obj"},
    "/interface/detect-api/faceswap/analyze_frames": {"success"},
    "/detect": {"error_code", "error_msg"},
}


def somebody(job: Mapping[str, Any]) -> dict[str, Any]:
    def seen(number: int) -> dict[str, Any]:
        crop = (f"results/{job['id']}/face-{number}-0-0.jpg", [0, 0, 90, 90])
        return face((10, 10, 50, 60), crop=crop if job["request"]["crops"] else None)

    count = len(job["request"]["targets"])
    return {"targets": [found((0, None, [seen(number)])) for number in range(count)]}


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)]
)
def door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[FastAPI, dict[str, str]]]:
    """The application, and headers that open it."""
    folder: Path = tmp_path_factory.mktemp("schema")
    url = None
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").new_database()
    opened = open_office(folder, database_url=url, forms={API: AkoolForm()})
    with opened as office, Detector(office) as detector:
        detector.answer = somebody
        app = akool_app(office, RateLimiter(office.now_ms), AkoolOptions(BASE_URL, detect_s=20))
        app.add_api_route(SCHEMA, lambda: app.openapi(), include_in_schema=False)
        yield app, {"x-api-key": new_client(office).key}


@pytest.fixture(scope="module")
def schema(door: tuple[FastAPI, dict[str, str]]) -> Any:
    app, headers = door
    return schemathesis.openapi.from_asgi(SCHEMA, app, headers=headers)


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
    def every_answer_is_in_the_vendors_form(case: Any) -> None:
        response = case.call(headers=headers)
        assert response.status_code < 500, response.text
        if case.method == "HEAD":
            return
        body = response.json()
        assert set(body) >= FORMS.get(case.path, {"code", "msg"})
        is_plain = case.path not in FORMS
        if is_plain and response.status_code == 200:
            assert isinstance(body["code"], int)

    every_answer_is_in_the_vendors_form()


@pytest.mark.parametrize(("method", "path", "mode"), CASES)
def test_every_route_answers_in_the_vendors_form(
    schema: Any, door: Any, method: str, path: str, mode: GenerationMode
) -> None:
    check_operation(schema[path][method], mode, door[1], examples=15)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path", "mode"), CASES)
def test_every_route_answers_in_the_vendors_form_often(
    schema: Any, door: Any, method: str, path: str, mode: GenerationMode
) -> None:
    check_operation(schema[path][method], mode, door[1], examples=200)
