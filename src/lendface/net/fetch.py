"""The one way out: fetching users' URLs and posting to webhooks.

Both are addressed by strangers, so both go through ``connect.GuardedBackend``. Nothing is read
from the environment (no proxies, no netrc), and redirects are followed by hand, each one checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from ssl import SSLContext

import httpcore2
import httpx2

from ..errors import (
    FetchError,
    InvalidUrlError,
    UrlIncompleteError,
    UrlNotAllowedError,
    UrlStatusError,
    UrlTimeoutError,
    UrlTooLargeError,
    UrlTooSlowError,
    UrlTypeError,
    UrlUnreachableError,
)
from .connect import OUTSIDE, Deadline, GuardedBackend, Outside
from .guard import Allowed, Target, check_url

REDIRECTS = frozenset({301, 302, 303, 307, 308})
WEB_PAGES = ("text/html", "application/xhtml+xml")
POST_TIMEOUT_S = 10.0
DISCARD_S = 1.0  # for what follows a webhook's status
DISCARDED_BYTES = 64 * 1024  # of a webhook's answer: enough for receivers that wait to be read
ASKED = {
    "User-Agent": "lendface",
    "Accept": "*/*",
    "Accept-Encoding": "identity",  # a few bytes of gzip can become gigabytes
    "Connection": "close",
}


@dataclass(frozen=True)
class FetchPolicy:
    """What may be reached, and how much and how long at most."""

    max_bytes: int
    timeout_s: float = 600.0  # everything: lookups, redirects, the body and whoever reads it
    head_timeout_s: float = 60.0  # until the body begins, redirects included
    connect_timeout_s: float = 10.0  # for each host
    stall_timeout_s: float = 30.0  # without a single byte
    min_bytes_per_s: float = 16_000.0  # of the body, on average over ``slow_s``
    slow_s: float = 30.0  # of waiting for it; what is over sooner may be as slow as it likes
    allow: tuple[Allowed, ...] = ()  # guard.parse_allow
    content_types: tuple[str, ...] = ()  # accepted beginnings; empty: all but web pages
    max_redirects: int = 5


@dataclass(frozen=True)
class Fetched:
    """An answer whose body is still to come."""

    url: str  # after redirects
    content_type: str  # as declared, lower case, without parameters; may be empty
    content_length: int | None
    chunks: Iterator[bytes]  # raises FetchError when it breaks off or passes a limit


@dataclass(frozen=True)
class PostResult:
    status: int
    seconds: float


@contextmanager
def fetch(url: str, policy: FetchPolicy, outside: Outside = OUTSIDE) -> Iterator[Fetched]:
    """Open ``url`` and stream it: ``with fetch(url, policy) as got: write_all(got.chunks)``.

    Everything but the body is checked when this returns. Raises a FetchError.
    """
    first = check_url(url, policy.allow)
    deadline = Deadline.after(outside.clock, policy.timeout_s)
    backend = GuardedBackend(policy.allow, outside, deadline)
    with ExitStack() as connection:
        with speaking_of(first.host), deadline.within(policy.head_timeout_s):
            target, response = follow(first, policy, backend, outside.tls, connection)
            headers = httpx2.Headers(response.headers)
            check_answer(first.host, response.status, headers, policy)
        yield Fetched(
            url=target.url,
            content_type=content_type(headers),
            content_length=content_length(headers),
            chunks=limit_chunks(first.host, response, policy, outside.clock),
        )


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    policy: FetchPolicy,
    outside: Outside = OUTSIDE,
) -> PostResult:
    """Deliver a webhook; a redirect is an answer like any other. Raises a FetchError.

    The limit is ``POST_TIMEOUT_S`` or the policy's, whichever is shorter.
    """
    started_s = outside.clock()
    target = check_url(url, policy.allow)
    timeout_s = min(POST_TIMEOUT_S, policy.timeout_s)
    deadline = Deadline.after(outside.clock, timeout_s)
    backend = GuardedBackend(policy.allow, outside, deadline)
    asked = exchange("POST", target, policy, backend, outside.tls, headers, body)
    with speaking_of(target.host), asked as response:
        broken_off = httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError
        with suppress(*broken_off), deadline.within(DISCARD_S):
            discard(response)
        return PostResult(response.status, outside.clock() - started_s)


def follow(
    target: Target,
    policy: FetchPolicy,
    backend: GuardedBackend,
    tls: SSLContext | None,
    connection: ExitStack,
) -> tuple[Target, httpcore2.Response]:
    """The first answer that is no redirect; its connection stays open on ``connection``."""
    first = target
    for _ in range(policy.max_redirects + 1):
        response = connection.enter_context(exchange("GET", target, policy, backend, tls))
        if response.status not in REDIRECTS:
            return target, response
        connection.close()  # the body of a redirect is not read
        target = next_target(first, target, httpx2.Headers(response.headers), policy)
    raise UrlUnreachableError(first.host, f"it redirects more than {policy.max_redirects} times")


def next_target(
    first: Target, target: Target, headers: httpx2.Headers, policy: FetchPolicy
) -> Target:
    """Where a redirect leads, checked like a URL of its own; errors name the first host only."""
    try:
        location = str(httpx2.URL(target.url).join(headers.get("location", "")))
        following = check_url(location, policy.allow)
    except (httpx2.InvalidURL, ValueError, InvalidUrlError) as fault:
        raise UrlNotAllowedError(first.host, "it redirects to something that is no URL") from fault
    if target.scheme == "https" and following.scheme == "http":
        raise UrlNotAllowedError(first.host, "it redirects from https to http")
    return following


@contextmanager
def exchange(
    method: str,
    target: Target,
    policy: FetchPolicy,
    backend: GuardedBackend,
    tls: SSLContext | None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Iterator[httpcore2.Response]:
    """One request on a connection of its own, closed at the end whatever came of it."""
    sent = httpx2.Headers(ASKED)
    sent.update(headers)
    sent["Host"] = target.authority  # the checked one, whatever the caller's headers say
    timeouts = {
        "connect": policy.connect_timeout_s,
        "read": policy.stall_timeout_s,
        "write": policy.stall_timeout_s,
    }
    url = httpcore2.URL(
        scheme=target.scheme, host=target.host, port=target.port, target=target.path
    )
    context = (tls or system_authorities()) if target.scheme == "https" else None
    with (
        httpcore2.ConnectionPool(ssl_context=context, network_backend=backend) as pool,
        pool.stream(
            method, url, headers=sent.raw, content=body, extensions={"timeout": timeouts}
        ) as response,
    ):
        yield response


@cache
def system_authorities() -> SSLContext:
    """Reading a hundred certificates takes its time, so once."""
    return httpx2.create_ssl_context(trust_env=False)


def check_answer(host: str, status: int, headers: httpx2.Headers, policy: FetchPolicy) -> None:
    """Raise the FetchError of an answer whose body is not worth reading."""
    if status != 200:
        raise UrlStatusError(host, status)
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise UrlTypeError(host, "sends the file compressed; give an address that does not")
    kind = content_type(headers)
    if kind in WEB_PAGES:
        raise UrlTypeError(host, "sends a web page; give the address of the file itself")
    if policy.content_types and not kind.startswith(policy.content_types):
        raise UrlTypeError(host, f"does not send {' or '.join(policy.content_types)}")
    if (content_length(headers) or 0) > policy.max_bytes:
        raise UrlTooLargeError(host, policy.max_bytes)


def content_type(headers: httpx2.Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def content_length(headers: httpx2.Headers) -> int | None:
    """As declared; the HTTP library has refused all but plain digits. None: the end is the end."""
    if "transfer-encoding" in headers or "content-length" not in headers:
        return None
    return int(headers["content-length"].partition(",")[0])


def limit_chunks(
    host: str,
    response: httpcore2.Response,
    policy: FetchPolicy,
    clock: Callable[[], float],
) -> Iterator[bytes]:
    """The body as it comes, up to the limit and no slower than it may."""
    received, pace = 0, Pace(policy.min_bytes_per_s, policy.slow_s)
    chunks = response.iter_stream()
    with speaking_of(host, broken=UrlIncompleteError(host)):
        while True:
            began_s = clock()
            chunk = next(chunks, None)
            if chunk is None:
                return
            received += len(chunk)
            if received > policy.max_bytes:
                raise UrlTooLargeError(host, policy.max_bytes)
            if not pace.keeps(len(chunk), clock() - began_s):
                raise UrlTooSlowError(host, policy.min_bytes_per_s)
            yield chunk


@dataclass
class Pace:
    """How fast bytes come. Only the waiting for them counts, not the time that storing them takes.

    >>> pace = Pace(min_bytes_per_s=10, over_s=30)
    >>> [pace.keeps(size, waited_s=15) for size in (1, 299, 0, 299)]
    [True, True, True, False]
    """

    min_bytes_per_s: float
    over_s: float
    size: int = 0
    waited_s: float = 0.0

    def keeps(self, size: int, waited_s: float) -> bool:
        """Whether the pace is still good after ``size`` more bytes that were waited for."""
        self.size += size
        self.waited_s += waited_s
        if self.waited_s < self.over_s:
            return True
        is_good = self.size >= self.min_bytes_per_s * self.waited_s
        self.size, self.waited_s = 0, 0.0
        return is_good


def discard(response: httpcore2.Response) -> None:
    """Read a little of the answer, so that a receiver does not see its connection reset."""
    received = 0
    for chunk in response.iter_stream():
        received += len(chunk)
        if received > DISCARDED_BYTES:
            return


@contextmanager
def speaking_of(host: str, broken: FetchError | None = None) -> Iterator[None]:
    """What the HTTP library raises becomes a FetchError that names ``host`` and no other.

    A redirect may have led elsewhere; where to is not for everybody to know.
    """
    try:
        yield
    except httpcore2.TimeoutException as fault:
        raise UrlTimeoutError(host) from fault
    except (httpcore2.NetworkError, httpcore2.RemoteProtocolError) as fault:
        raise broken or UrlUnreachableError(host, "it does not answer as a web server") from fault
    except UrlNotAllowedError as fault:
        if fault.host == host:
            raise
        raise UrlNotAllowedError(host, "it redirects to an address that is not public") from fault
    except UrlUnreachableError as fault:
        if fault.host == host:
            raise
        raise UrlUnreachableError(host, "what it redirects to cannot be reached") from fault
