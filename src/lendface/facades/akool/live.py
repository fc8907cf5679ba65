"""Endpoint 12, live face swap: not offered."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from ...errors import NotOfferedError
from .incoming import Visitor
from .schemas import NOT_OFFERED

router = APIRouter(
    prefix="/api/open/v3/faceswap/live",
    tags=["live"],
)
refused: dict[str, Any] = {"openapi_extra": {"x-support": NOT_OFFERED}, "response_model": None}


@router.post("/create", **refused)
@router.post("/update", **refused)
@router.post("/close", **refused)
@router.post("/info", **refused)
@router.get("/info", **refused)
def refuse_live(visit: Visitor) -> None:
    """Live face swap. Answers code 1003."""
    raise NotOfferedError("live face swap")
