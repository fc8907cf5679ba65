"""What routes take from a request, and how this API was set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from ...service.clients import WRITE, Caller, Client
from ...service.office import Office
from ...service.watching import JobFeed

Row = Mapping[str, Any]

# What every route says of its answer: fields that were not given are not sent.
told: dict[str, Any] = {"response_model_exclude_unset": True}


@dataclass(frozen=True)
class AkoolOptions:
    """What an operator chooses."""

    base_url: str  # under which clients reach this server: links to results begin with it
    processing_webhooks: bool = True  # also tell that a job has begun
    nested_detect: bool = False  # the older detection, of one face: lists as of several
    detect_client: str | None = None  # on whose account the older detection needs no key
    detect_s: float = 120.0  # how long a detection may take
    streams_results: bool = True  # False: results are fetched from the bucket


@dataclass(frozen=True, eq=False)
class Visit:
    """Who asks, of what."""

    office: Office
    client: Client
    options: AkoolOptions
    feed: JobFeed  # for requests that wait for a detection

    @property
    def caller(self) -> Caller:
        return Caller(self.client.id, self.client.key_id, WRITE)


async def the_office(request: Request) -> Office:
    return request.app.state.office


async def the_options(request: Request) -> AkoolOptions:
    return request.app.state.options


async def the_visit(request: Request) -> Visit:
    """Of whom the door let in."""
    state = request.app.state
    return Visit(state.office, request.state.client, state.options, state.feed)


Desk = Annotated[Office, Depends(the_office)]
Options = Annotated[AkoolOptions, Depends(the_options)]
Visitor = Annotated[Visit, Depends(the_visit)]
