"""What was done, to what, and for whom: rows that are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ..storage.tables import audit

ADD = audit.insert()


def record(
    connection: sa.Connection,
    action: str,
    subject: str | None,
    client_id: str | None,
    detail: Mapping[str, Any],
    now_ms: int,
) -> None:
    """Write it down in the transaction that does it, so that neither is there without the other.

    ``action`` is a thing and what befell it, such as ``key.revoked``; ``subject`` is that thing's
    id, ``client_id`` whose it is. ``detail`` is neither secret nor personal.
    """
    row = {"at_ms": now_ms, "client_id": client_id, "action": action, "subject": subject}
    connection.execute(ADD, {**row, "detail": dict(detail)})
