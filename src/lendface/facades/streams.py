"""A body on its way into a file, piece by piece; nobody waits for it in a thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Protocol, TypeVar

import anyio
from anyio.to_thread import run_sync
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from ..errors import BlobTooLargeError, BodyTooSlowError, LendfaceError, WrongUploadError

PIECE_BYTES = 512 << 10  # are written at once
LINGER_S = 0.5  # and what there is after this, so that a slow body is seen to grow

Opened = TypeVar("Opened")
Made = TypeVar("Made", covariant=True)


class Sink(Protocol[Made]):
    """Takes a body. Its methods wait for the disk, and run in a thread."""

    def write(self, chunks: Iterable[bytes]) -> None: ...

    def finish(self) -> Made: ...


class Incoming:
    """The body of a request, ``size`` bytes, in at most ``limit_s`` seconds.

    Where nobody said how many they are going to be, ``size`` is the most, and not ``is_exact``.
    """

    def __init__(
        self,
        receive: Receive,
        size: int,
        limit_s: float,
        clock_s: Callable[[], float],
        *,
        is_exact: bool = True,
    ) -> None:
        self._receive, self._size, self._limit_s = receive, size, limit_s
        self._is_exact = is_exact
        self._clock_s, self._began_s = clock_s, clock_s()
        self._received = 0
        self._is_over = False
        self._fault: Exception | None = None

    async def pieces(self) -> AsyncIterator[list[bytes]]:
        """What came before a fault comes out before it.

        Raises WrongUploadError unless exactly ``size`` bytes come, BodyTooSlowError, and
        ClientDisconnect where the client went away.
        """
        while not self._is_over:
            if chunks := await self._gather():
                yield chunks
            if self._clock_s() - self._began_s > self._limit_s and not self._is_over:
                raise BodyTooSlowError(self._limit_s)
        if self._fault:
            raise self._fault
        if self._received < self._size and self._is_exact:
            raise WrongUploadError(f"{self._received} of {self._size} bytes came; send all of them")

    async def _gather(self) -> list[bytes]:
        chunks: list[bytes] = []
        wanted = PIECE_BYTES
        with anyio.CancelScope() as scope:
            while wanted > 0 and not self._is_over:
                chunk = await self._next()
                if chunk and not chunks:
                    scope.deadline = anyio.current_time() + LINGER_S
                if chunk:
                    chunks.append(chunk)
                    wanted -= len(chunk)
        return chunks

    async def _next(self) -> bytes:
        try:
            message = await self._receive()
        except LendfaceError as fault:
            return self._end(fault)
        if message["type"] == "http.disconnect":
            return self._end(ClientDisconnect())
        chunk = message.get("body", b"")
        if self._received + len(chunk) > self._size:
            return self._end(
                WrongUploadError(f"more than the {self._size} bytes came that were declared")
                if self._is_exact
                else BlobTooLargeError(self._size)
            )
        self._received += len(chunk)
        self._is_over = not message.get("more_body", False)
        return chunk

    def _end(self, fault: Exception) -> bytes:
        self._is_over, self._fault = True, fault
        return b""


async def receive_into(
    sink: AbstractContextManager[Sink[Made]], incoming: Incoming, limiter: anyio.CapacityLimiter
) -> Made:
    """What ``sink`` makes of the body. ``limiter`` is of the threads that write."""
    async with entered(sink, limiter) as opened:
        async for chunks in incoming.pieces():
            await run_sync(opened.write, chunks, limiter=limiter)
        return await run_sync(opened.finish, limiter=limiter)


@asynccontextmanager
async def entered(
    context: AbstractContextManager[Opened], limiter: anyio.CapacityLimiter
) -> AsyncIterator[Opened]:
    """A context that is entered and left in a thread."""
    opened = await run_sync(context.__enter__, limiter=limiter)
    try:
        yield opened
    except BaseException as fault:
        with anyio.CancelScope(shield=True):
            await run_sync(
                context.__exit__, type(fault), fault, fault.__traceback__, limiter=limiter
            )
        raise
    else:
        await run_sync(context.__exit__, None, None, None, limiter=limiter)
