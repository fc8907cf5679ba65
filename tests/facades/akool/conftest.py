"""Akool's API alone, over an office without workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from facades.akool.workers import Detector
from lendface.facades.akool.app import akool_app
from lendface.facades.akool.incoming import AkoolOptions
from lendface.facades.akool.webhooks import API, AkoolForm
from lendface.service.clients import NewClient
from lendface.service.office import Office
from lendface.service.rates import RateLimiter
from service.offices import BASE_URL, Clock, new_client, open_office


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(tmp_path: Path, clock: Clock) -> Iterator[Office]:
    with open_office(tmp_path, clock=clock, forms={API: AkoolForm()}) as office:
        yield office


@pytest.fixture
def app(office: Office, clock: Clock) -> FastAPI:
    return akool_app(office, RateLimiter(clock), AkoolOptions(BASE_URL, detect_s=20))


@pytest.fixture
def made(office: Office) -> NewClient:
    return new_client(office, "me")


@pytest.fixture
def nobody(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.fixture
def me(app: FastAPI, made: NewClient) -> Iterator[TestClient]:
    with TestClient(app, headers={"x-api-key": made.key}) as client:
        yield client


@pytest.fixture
def other(app: FastAPI, office: Office) -> Iterator[TestClient]:
    key = new_client(office, "somebody else").key
    with TestClient(app, headers={"x-api-key": key}) as client:
        yield client


@pytest.fixture
def detector(office: Office) -> Iterator[Detector]:
    """Plays the workers of detections."""
    with Detector(office) as detector:
        yield detector
