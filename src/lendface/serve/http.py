"""The HTTP server under the application: uvicorn, with limits for whoever is connected."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import anyio
import h11
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from .connections import Connections

# How many connections are taken from the system's queue before those taken are counted, and how
# many that queue holds.
TAKEN_AT_ONCE, QUEUE = 32, 2048
UNSENT_BYTES = 128 << 10  # in the system's buffer: what is beyond waits here, where we see it
AGAIN_S = 5
# For so long, and up to so many bytes, a body is read on for nobody after an early answer.
LINGER_S, LINGER_BYTES = 2.0, 16 << 20
ALWAYS_ANSWERED = "/healthz"  # or whoever watches over a busy server would end it
LENGTHS = frozenset({b"content-length", b"transfer-encoding"})  # ways to say where a body ends


def make_server(
    app: ASGIApp,
    connections: Connections,
    headers_of: Callable[[Scope], Mapping[str, str]] = lambda scope: {},
    **options: Any,
) -> LimitedServer:
    """``options`` are uvicorn's. Its own choice of protocols is not left: ours counts.

    ``headers_of`` a request are those that an answer has which comes from here.
    """
    protocol = partial(LimitedProtocol, connections, headers_of)
    config = uvicorn.Config(app, http=protocol, ws="none", backlog=TAKEN_AT_ONCE, **options)
    return LimitedServer(config, connections)


class LimitedServer(uvicorn.Server):
    """Closes connections that take too long."""

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self._connections = connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        for server in self.servers:
            for listener in server.sockets:
                lengthen_queue(listener.fileno())

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:  # once a second
            self._connections.sweep()
        return await super().on_tick(counter)


def lengthen_queue(listener: int) -> None:
    """asyncio takes as many connections at once as it lets the system keep in its queue: few are
    right for the one, many for the other."""
    with socket.socket(fileno=os.dup(listener)) as same:
        same.listen(QUEUE)


class LimitedProtocol(H11Protocol):
    """One connection; ``Connections`` is told what it does."""

    def __init__(
        self,
        connections: Connections,
        headers_of: Callable[[Scope], Mapping[str, str]],
        *args: Any,
        **named: Any,
    ) -> None:
        super().__init__(*args, **named)
        self._headers_of = headers_of
        self._connections = connections
        self._lingers = False  # it was answered, and still sends
        self._app: Any = self.app
        self.app = self._answer

    @property
    def is_closing(self) -> bool:
        return self.transport.is_closing()

    @property
    def unsent(self) -> int:
        return self.transport.get_write_buffer_size()

    def drop(self) -> None:
        self.transport.abort()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        line = transport.get_extra_info("socket")
        if line is not None:
            set_options(line, self._connections.limits.stall_s)
        self._connections.add(self, self.client[0] if self.client else "")

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.remove(self)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None and not (self.cycle.response_complete or self._lingers):
            self._connections.begin(self)

    def on_response_complete(self) -> None:
        self._connections.end(self)
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._connections.stall(self)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._connections.flow(self)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            send = partial(self._send, receive, send)
        await self._let_in(scope, receive, send)

    async def _send(self, receive: Receive, send: Send, message: Message) -> None:
        """An answer's last part waits for the rest of the request's body, a while.

        A connection that is closed while its client still sends is reset, and with it goes the
        answer that the client has not read (RFC 9112, section 9.6).
        """
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if is_last and self.conn.their_state is h11.SEND_BODY:
            await send({**message, "more_body": True})
            self._lingers = True
            self._connections.end(self)  # its place is free for others
            await read_on(receive)
            self._lingers = False
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await send(message)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and has_two_lengths(scope):
            told = {**self._headers_of(scope), "Connection": "close"}
            return await PlainTextResponse("one length of the body, not two\n", 400, told)(
                scope, receive, send
            )
        is_let_in = scope["type"] != "http" or scope["path"] == ALWAYS_ANSWERED
        if is_let_in or self._connections.may_answer(self):
            return await self._app(scope, receive, send)
        told = {
            **self._headers_of(scope),
            "Retry-After": str(AGAIN_S),
            "Connection": "close",
        }
        return await PlainTextResponse("too many requests at once\n", 503, told)(
            scope, receive, send
        )


async def read_on(receive: Receive) -> None:
    """What is left of a body, for nobody: all of it, or as much as comes in ``LINGER_S``."""
    left = LINGER_BYTES
    with anyio.move_on_after(LINGER_S):
        while left > 0:
            message = await receive()
            left -= len(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body", False):
                return


def has_two_lengths(scope: Scope) -> bool:
    """Whether a request says twice, in different ways, where its body ends.

    A proxy may believe the other one, and what it took for a body would be a request to us, which
    it never looked at (RFC 9112, section 6.1).
    """
    return LENGTHS.issubset(name for name, _ in scope["headers"])


def set_options(line: socket.socket, stall_s: float) -> None:
    """Where the system knows them: an end to what nobody takes, and a short buffer."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(stall_s * 1000))
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
