"""What routes take from a request: who asks, of what, by which terms."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from ...service.clients import Client
from ...service.office import Office
from .terms import Terms


async def the_office(request: Request) -> Office:
    return request.app.state.office


async def the_terms(request: Request) -> Terms:
    return request.app.state.terms


async def the_client(request: Request) -> Client:
    """Whom the door let in."""
    return request.state.client


async def check_minor(minor: Annotated[str, Path(pattern="^[0-9]$")]) -> None:
    """Of a version, 1.0 or 2.1; they are all alike."""


Desk = Annotated[Office, Depends(the_office)]
Offer = Annotated[Terms, Depends(the_terms)]
Caller = Annotated[Client, Depends(the_client)]
Token = Annotated[str | None, Query(max_length=100)]
