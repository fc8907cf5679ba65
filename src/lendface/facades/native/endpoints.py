"""/v1/webhooks: where a client is told, and what it was told."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from ...service import deliveries, endpoints
from ...service.clients import WRITE, require_scope, webhook_secret_of
from .documented import problems, with_body
from .incoming import (
    Caller,
    Cursor,
    Desk,
    Limit,
    PathId,
    by_creation,
    cut_page,
    read_cursor,
)
from .schemas import (
    Delivery,
    DeliveryPage,
    Endpoint,
    EndpointList,
    EndpointWithSecret,
    Id,
    NewEndpoint,
    Sent,
    WebhookSecret,
)
from .views import delivery_view, endpoint_facts, endpoint_view

router = APIRouter(tags=["webhooks"])


@router.post("/webhooks/endpoints", status_code=201, responses=with_body(409))
def add_endpoint(body: NewEndpoint, office: Desk, client: Caller) -> EndpointWithSecret:
    """Tell this address of every job that ends. The secret is shown only now."""
    added = endpoints.add_endpoint(office, client.id, body.api, body.url, office.rules.fetch.allow)
    return EndpointWithSecret(**endpoint_facts(added.row), secret=added.secret)


@router.get("/webhooks/endpoints", responses=problems())
def list_endpoints(office: Desk, client: Caller) -> EndpointList:
    """Oldest first, of all APIs."""
    rows = endpoints.list_endpoints(office, client.id)
    return EndpointList(items=[endpoint_view(row) for row in rows])


@router.get("/webhooks/endpoints/{endpoint_id}", responses=problems(404))
def get_endpoint(endpoint_id: PathId, office: Desk, client: Caller) -> Endpoint:
    return endpoint_view(endpoints.get_endpoint(office, client.id, endpoint_id))


@router.delete("/webhooks/endpoints/{endpoint_id}", status_code=204, responses=problems(404))
def delete_endpoint(endpoint_id: PathId, office: Desk, client: Caller) -> Response:
    """It is told nothing more, not even what was on its way."""
    endpoints.delete_endpoint(office, client.id, endpoint_id)
    return Response(status_code=204)


@router.post("/webhooks/endpoints/{endpoint_id}/test", status_code=202, responses=problems(404))
def try_endpoint(endpoint_id: PathId, office: Desk, client: Caller) -> Sent:
    """Send it a message in the form of its API, signed and repeated as any other."""
    return Sent(delivery_id=endpoints.send_test(office, client.id, endpoint_id))


@router.get("/webhooks/secret", responses=problems())
def get_secret(office: Desk, client: Caller) -> WebhookSecret:
    """Signs what goes to the `webhook_url` of a job. Needs the scope `write`."""
    require_scope(client, WRITE)
    return WebhookSecret(secret=webhook_secret_of(office, client.id))


@router.get("/webhooks/deliveries", responses=problems(422))
def list_deliveries(
    office: Desk,
    client: Caller,
    job_id: Annotated[Id | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> DeliveryPage:
    """Newest first."""
    rows = deliveries.list_deliveries(
        office, client.id, job_id=job_id, limit=limit + 1, before=read_cursor(cursor)
    )
    page, following = cut_page(rows, limit, by_creation)
    return DeliveryPage(items=[delivery_view(row) for row in page], next=following)


@router.post("/webhooks/deliveries/{delivery_id}/replay", status_code=202, responses=problems(404))
def replay(delivery_id: PathId, office: Desk, client: Caller) -> Delivery:
    """Send a message again from the start, under its own id."""
    endpoints.check_there(office, client.id, delivery_id)
    return delivery_view(deliveries.replay(office, client.id, delivery_id))
