"""Connections to checked addresses only, and never for longer than is allowed.

``GuardedBackend`` sits below the HTTP library, where no redirect, proxy setting or second lookup
can go around it. TLS is spoken above it with the host's name, so certificates are checked as ever.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from threading import Thread
from typing import Any

import httpcore2

from ..errors import UrlNotAllowedError, UrlUnreachableError
from .guard import Address, Allowed, check_addresses, literal_address

MAX_ADDRESSES = 4  # of one host, tried one after the other

Resolve = Callable[[str, int], Sequence[str]]
Dial = Callable[[str, int, float], httpcore2.NetworkStream]


def ask_system(host: str, port: int) -> list[str]:
    """The addresses that the system's resolver gives. Raises OSError."""
    found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def dial_tcp(address: str, port: int, timeout_s: float) -> httpcore2.NetworkStream:
    """Connect to a numeric address, which the system does not look up again."""
    return httpcore2.SyncBackend().connect_tcp(address, port, timeout=timeout_s)


@dataclass(frozen=True)
class Outside:
    """How the world outside is reached; tests hand in their own resolver, clock and authority."""

    resolve: Resolve = ask_system
    dial: Dial = dial_tcp
    clock: Callable[[], float] = time.monotonic
    tls: ssl.SSLContext | None = None  # None: the system's certificate authorities


OUTSIDE = Outside()


@dataclass
class Deadline:
    """A moment by which everything is over; a part of it may have to be over earlier."""

    clock: Callable[[], float]
    end_s: float

    @classmethod
    def after(cls, clock: Callable[[], float], seconds: float) -> Deadline:
        return cls(clock, clock() + seconds)

    def cap(self, timeout_s: float | None) -> float:
        """The shorter of ``timeout_s`` and what is left. Raises httpcore2's timeout when over."""
        left_s = self.end_s - self.clock()
        if left_s <= 0:
            raise httpcore2.TimeoutException("the time for the whole exchange is over")
        return left_s if timeout_s is None else min(left_s, timeout_s)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Everything inside is over after so many seconds, if not before."""
        end_s = self.end_s
        self.end_s = min(end_s, self.clock() + seconds)
        try:
            yield
        finally:
            self.end_s = end_s


class GuardedBackend(httpcore2.NetworkBackend):
    """Resolves a host once, checks every address and connects to one of those it checked."""

    def __init__(self, allow: Sequence[Allowed], outside: Outside, deadline: Deadline) -> None:
        self._allow, self._outside, self._deadline = allow, outside, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        connected_by = Deadline.after(self._outside.clock, self._deadline.cap(timeout))
        addresses = self._find_addresses(host, port, connected_by.cap(None))
        check_addresses(host, port, addresses, self._allow)
        stream = self._dial_first(addresses[:MAX_ADDRESSES], port, connected_by)
        return TimedStream(stream, self._deadline, host)

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        raise UrlNotAllowedError("a local socket")

    def _find_addresses(self, host: str, port: int, timeout_s: float) -> list[Address]:
        if address := literal_address(host):
            return [address]
        try:
            answers = within(timeout_s, lambda: self._outside.resolve(host, port))
            return [ip_address(answer) for answer in dict.fromkeys(answers)]
        except TimeoutError as fault:
            raise httpcore2.ConnectTimeout(str(fault)) from fault
        except (OSError, ValueError) as fault:
            raise UrlUnreachableError(host, "its name is not known") from fault

    def _dial_first(
        self, addresses: Sequence[Address], port: int, connected_by: Deadline
    ) -> httpcore2.NetworkStream:
        """Try one after the other; a silent one leaves the rest their share of the time."""
        fault: Exception = httpcore2.ConnectError("the name has no address")
        for place, address in enumerate(addresses):
            share_s = connected_by.cap(None) / (len(addresses) - place)
            try:
                return self._outside.dial(str(address), port, share_s)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as failed:
                fault = failed
        raise fault


class TimedStream(httpcore2.NetworkStream):
    """Gives every read and write only what is left of the whole time.

    The library's own limits start anew with every byte that drips in; this one does not.
    """

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline, host: str) -> None:
        self._stream, self._deadline, self._host = stream, deadline, host

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.cap(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.cap(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            stream = self._stream.start_tls(
                ssl_context, server_hostname, self._deadline.cap(timeout)
            )
        except httpcore2.ConnectError as fault:
            self.close()
            raise UrlUnreachableError(self._host, tls_reason(fault)) from fault
        except BaseException:
            self.close()
            raise
        return TimedStream(stream, self._deadline, self._host)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def tls_reason(fault: BaseException) -> str:
    if isinstance(fault.__cause__, ssl.SSLCertVerificationError):
        return "its certificate is not valid for that name or not from a known authority"
    return "it does not speak TLS as it should"


def within(timeout_s: float, ask: Callable[[], Sequence[str]]) -> Sequence[str]:
    """What ``ask`` returns, or TimeoutError: the system's resolver knows no limit of its own."""
    answer: Future[Sequence[str]] = Future()

    def settle() -> None:
        try:
            answer.set_result(ask())
        except BaseException as fault:  # surfaces in the waiting thread
            answer.set_exception(fault)

    Thread(target=settle, name="name-lookup", daemon=True).start()
    return answer.result(timeout_s)
