"""The whole server with the YouCam API, over an office without workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from facades.youcam.customers import Customer
from lendface.facades.forms import FORMS
from lendface.facades.server import build_app
from lendface.facades.youcam.app import youcam_app
from lendface.facades.youcam.terms import PREFIX, WINDOW_S, Terms
from lendface.service.office import Office
from lendface.service.rates import RateLimiter
from lendface.storage.signing import UrlSigner
from service.offices import BASE_URL, Clock, new_client, open_office

NewCustomer = Callable[..., Customer]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(tmp_path: Path, clock: Clock) -> Iterator[Office]:
    """Its own links and files live shorter than the vendor's."""
    rules = {"max_photo_bytes": 32 << 20, "link_s": 600}
    with open_office(tmp_path, clock=clock, forms=FORMS, **rules) as office:
        yield office


@pytest.fixture
def terms() -> Terms:
    """A test that needs others overrides this."""
    return Terms(BASE_URL)


@pytest.fixture
def app(office: Office, terms: Terms, clock: Clock) -> FastAPI:
    assert isinstance(office.links, UrlSigner)
    limiter = RateLimiter(clock, WINDOW_S * 1000)
    return build_app(
        office, signer=office.links, apps_by_path={PREFIX: youcam_app(office, terms, limiter)}
    )


@pytest.fixture
def nobody(app: FastAPI) -> Iterator[TestClient]:
    """Without a key."""
    with TestClient(app) as client:
        yield client


@pytest.fixture
def new_customer(app: FastAPI, office: Office) -> Iterator[NewCustomer]:
    """Makes customers; ``facts`` are those of ``create_client``."""
    with ExitStack() as stack:

        def make(**facts: Any) -> Customer:
            made = new_client(office, **facts)
            return stack.enter_context(customer(app, made.key))

        yield make


@contextmanager
def customer(app: FastAPI, key: str) -> Iterator[Customer]:
    with TestClient(app, headers={"Authorization": f"Bearer {key}"}) as client:
        yield Customer(client)


@pytest.fixture
def me(new_customer: NewCustomer) -> Customer:
    return new_customer(quota_units=100)


@pytest.fixture
def other(new_customer: NewCustomer) -> Customer:
    return new_customer()
