"""``/metrics`` for Prometheus: what the database says, and what this process was asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, FastAPI
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import TooManyAtOnceError
from ..facades.front import method_of, route_of
from ..service.office import Office
from .census import Census
from .connections import Connections

MOST_AT_ONCE = 9  # who ask for all metrics; one of them is answered, the others wait
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class RequestMetrics:
    """ASGI: counts and times requests by the pattern of their route, never by their address."""

    def __init__(
        self,
        app: ASGIApp,
        registry: CollectorRegistry,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.registry = registry
        self._app, self._clock_s = app, clock_s
        names = ("method", "route")
        self._requests = Counter(
            "lendface_http_requests", "Requests answered.", (*names, "status"), registry=registry
        )
        self._seconds = Histogram(
            "lendface_http_request_seconds",
            "From a request's head to the end of its answer.",
            names,
            registry=registry,
            buckets=SECONDS,
        )
        self._open = Gauge(
            "lendface_http_requests_open", "Requests that are being answered.", registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status, began_s = 500, self._clock_s()

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._open.track_inprogress():
            try:
                await self._app(scope, receive, note)
            finally:
                names = (method_of(scope), route_of(scope))
                self._requests.labels(*names, str(status)).inc()
                self._seconds.labels(*names).observe(self._clock_s() - began_s)
        return None


class ConnectionMetrics:
    """A collector: who is connected to this process, and whose connection was closed."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "lendface_http_connections", "Connections of clients.", len(self._connections)
        )
        closed = CounterMetricFamily(
            "lendface_http_connections_closed",
            "Connections closed for being slow, or for others' sake.",
            labels=["reason"],
        )
        for reason, count in list(self._connections.closed.items()):
            closed.add_metric([reason], count)
        yield closed


def new_registry() -> CollectorRegistry:
    """With what the system tells of this process. The times at which counters began are left out:
    a restart shows as a fall to zero."""
    disable_created_metrics()
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    return registry


def add_metrics(
    app: FastAPI,
    office: Office,
    registry: CollectorRegistry,
    *,
    admit: Callable[[Request], None],
    folders: Mapping[str, Path] | None = None,
) -> None:
    """``/metrics``: what is in ``registry``, and what the database says.

    ``admit`` raises a LendfaceError for who may not see them. ``folders`` are disks to watch, by
    what lies there.
    """
    registry.register(Census(office, folders))
    router = APIRouter(include_in_schema=False)
    # A thread of its own: those who wait for their turn would hold all that the API has.
    one_by_one = CapacityLimiter(1)
    asking: list[Request] = []

    @router.api_route("/metrics", methods=["GET", "HEAD"])
    async def read_metrics(request: Request) -> Response:
        await run_sync(admit, request)
        if len(asking) >= MOST_AT_ONCE:
            raise TooManyAtOnceError
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        asking.append(request)
        try:
            text = await run_sync(encode, registry, limiter=one_by_one)
        finally:
            asking.remove(request)
        return Response(text, headers={"Content-Type": content_type})

    app.include_router(router)
