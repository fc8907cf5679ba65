"""A body on its way from the event loop to a thread that writes it down, piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

import anyio
from anyio import from_thread, to_thread
from starlette.requests import Request

from ..errors import BodyTooSlowError, WrongUploadError

T = TypeVar("T")

STALL_S = 30.0  # without a single byte
AT_ONCE = 64  # bodies that are being received, in one process


class Incoming:
    """The body of a request, for a thread that iterates; nothing is kept of it."""

    def __init__(self, body: AsyncIterator[bytes], size: int, stall_s: float) -> None:
        self._body, self._size, self._stall_s = body, size, stall_s
        self.received = 0

    def __iter__(self) -> Iterator[bytes]:
        """Raises WrongUploadError unless exactly ``size`` bytes come, BodyTooSlowError, and
        ClientDisconnect where the client went away."""
        while chunk := from_thread.run(self._next):
            self.received += len(chunk)
            if self.received > self._size:
                raise WrongUploadError(f"more than the {self._size} bytes came that were declared")
            yield chunk
        if self.received < self._size:
            raise WrongUploadError(f"{self.received} of {self._size} bytes came; send all of them")

    async def _next(self) -> bytes:
        """Empty at the end."""
        try:
            with anyio.fail_after(self._stall_s):
                async for chunk in self._body:
                    if chunk:
                        return chunk
        except TimeoutError:
            raise BodyTooSlowError(self._stall_s) from None
        return b""


async def receive_into(
    write: Callable[[Incoming], T],
    request: Request,
    size: int,
    limiter: anyio.CapacityLimiter,
    stall_s: float = STALL_S,
) -> T:
    """What ``write`` returns, which runs in a thread and takes the body, ``size`` bytes."""
    incoming = Incoming(request.stream(), size, stall_s)
    return await to_thread.run_sync(write, incoming, limiter=limiter)
