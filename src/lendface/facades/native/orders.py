"""What swaps and scans are asked alike."""

from __future__ import annotations

from ...errors import about
from ...net.guard import check_url
from ...service.jobs import Wish
from ...service.office import Office
from .schemas import Order


def wish_of(office: Office, body: Order, idempotency_key: str | None) -> Wish:
    """Raises InvalidUrlError, UrlNotAllowedError for a webhook that could never be told."""
    if body.webhook_url:
        with about("webhook_url"):
            check_url(body.webhook_url, office.rules.fetch.allow)
    return Wish(
        webhook_url=body.webhook_url,
        idempotency_key=idempotency_key,
        priority=body.priority,
        notes=body.notes,
    )
