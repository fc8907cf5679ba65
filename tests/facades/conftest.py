"""The whole server over an office without workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from lendface.facades.native.webhooks import API, NativeForm
from lendface.facades.server import build_app
from lendface.service.office import Office
from lendface.storage.signing import UrlSigner
from service.offices import Clock, new_client, open_office


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(tmp_path: Path, clock: Clock) -> Iterator[Office]:
    with open_office(tmp_path, clock=clock, forms={API: NativeForm()}) as office:
        yield office


@pytest.fixture
def app(office: Office) -> FastAPI:
    assert isinstance(office.links, UrlSigner)
    return build_app(office, signer=office.links, poll_s=0.01, heartbeat_s=0.02)


@pytest.fixture
def nobody(app: FastAPI) -> Iterator[TestClient]:
    """Without a key."""
    with TestClient(app) as client:
        yield client


@pytest.fixture
def me(app: FastAPI, office: Office) -> Iterator[TestClient]:
    yield from with_key(app, office, "me")


@pytest.fixture
def other(app: FastAPI, office: Office) -> Iterator[TestClient]:
    yield from with_key(app, office, "somebody else")


def with_key(app: FastAPI, office: Office, name: str) -> Iterator[TestClient]:
    made = new_client(office, name)
    with TestClient(app, headers={"Authorization": f"Bearer {made.key}"}) as client:
        client.cookies.clear()
        yield client
