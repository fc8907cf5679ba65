"""Watches requests and tasks: a line in the log, and a span where a collector is named.

Spans need the extra ``otel``; without it, or without an address, nothing of OpenTelemetry is
imported. They hold ids, patterns of routes and codes of errors, and nothing of a person.

All tasks of a job are one trace, whichever machines do them: its number is made from the job's id,
so nothing has to be handed on or stored.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from ..errors import CancelledError, LendfaceError
from ..facades.front import method_of, route_of
from ..jobs.work import Work
from ..settings import Settings
from ..version import __version__

log = logging.getLogger("lendface.tasks")

Facts = dict[str, str | int | float]


class Tracer(Protocol):
    """Makes spans. What is put into the facts while one lasts is told with it."""

    def span(
        self, name: str, facts: Mapping[str, str | int], job_id: str | None = None
    ) -> AbstractContextManager[Facts]: ...


class NoTracer:
    """Where nobody collects."""

    @contextmanager
    def span(
        self, name: str, facts: Mapping[str, str | int], job_id: str | None = None
    ) -> Iterator[Facts]:
        yield dict(facts)


def open_tracer(settings: Settings, role: str) -> Tracer:
    """``role`` is what this process does. Spans are sent in the background and dropped where the
    collector is away."""
    if not settings.otlp_url:
        return NoTracer()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_url}/v1/traces")
    return OtelTracer(BatchSpanProcessor(exporter), role)


class OtelTracer:
    """Spans by OpenTelemetry's SDK; its provider is ours and not the process's."""

    def __init__(self, processor: Any, role: str) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        resource = Resource.create(
            {
                "service.name": "lendface",
                "service.version": __version__,
                "service.instance.id": role,
            }
        )
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("lendface", __version__)

    @contextmanager
    def span(
        self, name: str, facts: Mapping[str, str | int], job_id: str | None = None
    ) -> Iterator[Facts]:
        from opentelemetry.trace import StatusCode

        told: Facts = dict(facts)
        with self._tracer.start_as_current_span(
            name,
            context=trace_of(job_id) if job_id else None,
            record_exception=False,  # its message may be somebody's
            set_status_on_exception=False,
        ) as span:
            try:
                yield told
            except CancelledError:
                told["lendface.cancelled"] = 1
                raise
            except Exception as error:
                told["error.type"] = code_of(error)
                span.set_status(StatusCode.ERROR)
                raise
            finally:
                span.set_attributes(told)
                if "http.route" in told:
                    span.update_name(f"{told['http.request.method']} {told['http.route']}")

    def close(self) -> None:
        """Send what was not sent yet."""
        self._provider.shutdown()


def trace_of(job_id: str) -> Any:
    """A context in which spans belong to the job's trace."""
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    digest = hashlib.sha256(job_id.encode()).digest()
    parent = SpanContext(
        trace_id=int.from_bytes(digest[:16], "big"),
        span_id=int.from_bytes(digest[16:24], "big"),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return set_span_in_context(NonRecordingSpan(parent))


def code_of(error: BaseException) -> str:
    return error.code if isinstance(error, LendfaceError) else type(error).__name__


# Requests


class TracedRequests:
    """ASGI: a span for each request; outside of what finds the route."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app, self._tracer = app, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        method = method_of(scope)
        with self._tracer.span(method, {"http.request.method": method}) as facts:

            async def note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    facts["http.response.status_code"] = message["status"]
                await send(message)

            try:
                await self._app(scope, receive, note)
            finally:
                facts |= facts_of(scope)
        return None


def facts_of(scope: Scope) -> Facts:
    """What the app found out about a request."""
    state = scope.get("state", {})
    client, request_id = state.get("client"), state.get("request_id")
    found: Facts = {"http.route": route_of(scope)}
    if request_id:
        found["lendface.request.id"] = request_id
    if client:
        found["lendface.client.id"] = client.id
    return found


# Tasks


@dataclass(eq=False)
class WatchedWork:
    """Does what ``work`` does; says so in the log and to the tracer."""

    work: Work
    tracer: Tracer
    clock_s: Callable[[], float] = time.monotonic

    def claim(self, job_id: str, run: int, task: str, executor: str) -> int | None:
        return self.work.claim(job_id, run, task, executor)

    def unclaim(self, job_id: str, run: int, task: str) -> None:
        self.work.unclaim(job_id, run, task)

    def perform(self, job_id: str, run: int, task: str, is_stopping: Callable[[], bool]) -> Any:
        facts: Facts = {"lendface.job.id": job_id, "lendface.job.run": run, "lendface.task": task}
        with (
            bound_contextvars(job_id=job_id, run=run, task=task),
            self._timed("task done", "task ended early"),
            self.tracer.span(f"task {task.partition('/')[0]}", facts, job_id),
        ):
            return self.work.perform(job_id, run, task, is_stopping)

    def fail(self, job_id: str, run: int, code: str, message: str) -> None:
        self.work.fail(job_id, run, code, message)
        log.warning("job failed", extra={"job_id": job_id, "run": run, "code": code})

    def deliver(self, delivery_id: str, round_number: int, attempt: int, postponed: int) -> None:
        with (
            self._timed("webhook attempted", "webhook not attempted", attempt=attempt),
            self.tracer.span("deliver", {"lendface.delivery.attempt": attempt}),
        ):
            self.work.deliver(delivery_id, round_number, attempt, postponed)

    @contextmanager
    def _timed(self, done: str, ended: str, **more: int) -> Iterator[None]:
        began_s = self.clock_s()

        def facts() -> dict[str, Any]:
            return {"ms": round((self.clock_s() - began_s) * 1000), **more}

        try:
            yield
        except CancelledError:
            log.info(ended, extra=facts())
            raise
        except Exception as error:
            log.warning(ended, extra={**facts(), "code": code_of(error)})
            raise
        log.info(done, extra=facts())
