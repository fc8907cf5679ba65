"""Which URLs and addresses may be reached; nothing here touches the network.

A URL is read once, into a ``Target``; what was checked is what is connected to, so no second
parser can understand it in another way. Addresses are checked after the lookup (``connect``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

import httpx2

from ..errors import BadOptionError, InvalidUrlError, UrlNotAllowedError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL_CHARS = 8192
DEFAULT_PORTS = {"http": 80, "https": 443}
AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:%]+)(:[0-9]{1,5})?")
LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
HOST_NAME = re.compile(rf"{LABEL}(\.{LABEL})*")
# The C library reads a name that ends like this as an IPv4 address: 2130706433, 127.1, 0x7f.1.
ENDS_IN_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")

# Beside what the standard library calls not global. It learned of several of these only in later
# patch releases, and calls everything global that no registry names.
CLOSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments; a cloud keeps its metadata there
        "192.88.99.0/24",  # 6to4 relays, given up
        "168.63.129.16/32",  # a public number that is a cloud's own host agent
    )
)
GLOBAL_V6 = IPv6Network("2000::/3")  # all that was ever given out as global unicast
CLOSED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, given up; carries an IPv4 address
        "3fff::/20",  # documentation
    )
)
NAT64 = IPv6Network("64:ff9b::/96")  # the last 32 bits are the IPv4 address that is reached


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads, ready to be asked: what was checked and nothing else."""

    scheme: str  # http or https
    host: str  # ASCII and lower case, without brackets or trailing dot
    port: int
    path: str  # with the query, ASCII

    @property
    def authority(self) -> str:
        """The Host header: brackets around IPv6, no port where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be reached though it is private: a host name or a network, at one port or all."""

    place: str | Network
    port: int | None = None

    def names(self, host: str, port: int) -> bool:
        return self.place == host and self.port in (None, port)

    def holds(self, address: Address, port: int) -> bool:
        if isinstance(self.place, str) or self.port not in (None, port):
            return False
        return address in self.place


def parse_url(url: str) -> Target:
    """The only reading of a URL. Raises InvalidUrlError, without repeating what was given.

    >>> parse_url("HTTPS://Media.Example.:443/a b.mp4?x=1#t").url
    Traceback (most recent call last):
    lendface.errors.InvalidUrlError: the URL cannot be used: it holds spaces or control characters
    >>> parse_url("HTTPS://Media.Example.:443/a%20b.mp4?x=1#t").url
    'https://media.example/a%20b.mp4?x=1'
    """
    check_spelling(url)
    try:
        parsed = httpx2.URL(url)
        host, path = parsed.raw_host.decode("ascii"), parsed.raw_path.decode("ascii")
    except (httpx2.InvalidURL, ValueError) as fault:  # ValueError: what IDNA raises
        raise InvalidUrlError("it is not well formed") from fault
    port = DEFAULT_PORTS[parsed.scheme] if parsed.port is None else parsed.port
    if not 0 < port < 65536:
        raise InvalidUrlError("its port is not between 1 and 65535")
    return Target(parsed.scheme, plain_host(host), port, path)


def check_spelling(url: str) -> None:
    """Refuse what parsers are known to disagree about, before any of them has a look."""
    if len(url) > MAX_URL_CHARS:
        raise InvalidUrlError(f"it is longer than {MAX_URL_CHARS} characters")
    if any(char.isspace() or not char.isprintable() for char in url):
        raise InvalidUrlError("it holds spaces or control characters")
    if "\\" in url:
        raise InvalidUrlError("it holds a backslash")
    scheme, mark, rest = url.partition("://")
    if not mark or scheme.lower() not in DEFAULT_PORTS:
        raise InvalidUrlError("it must start with http:// or https://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        raise InvalidUrlError("a user name or password in it is not supported")
    if not AUTHORITY.fullmatch(authority):
        raise InvalidUrlError("its host or port is not well formed")


def plain_host(host: str) -> str:
    """A host in its one spelling; addresses only as four decimal numbers or plain IPv6."""
    host = host.lower().removesuffix(".")
    if address := literal_address(host):
        return str(address)
    if len(host) > 253 or not HOST_NAME.fullmatch(host):
        raise InvalidUrlError("its host is not a host name")
    if ENDS_IN_NUMBER.fullmatch(host):
        raise InvalidUrlError("an IPv4 address must be written as four decimal numbers")
    return host


def literal_address(host: str) -> Address | None:
    """The address that is written as ``host``, None for a name; zone ids are no address."""
    try:
        return None if "%" in host else ip_address(host)
    except ValueError:
        return None


def check_url(url: str, allow: Sequence[Allowed] = ()) -> Target:
    """All that can be refused before a lookup; for the moment when a URL is handed in."""
    target = parse_url(url)
    if address := literal_address(target.host):
        check_addresses(target.host, target.port, [address], allow)
    return target


def check_addresses(
    host: str, port: int, addresses: Sequence[Address], allow: Sequence[Allowed]
) -> None:
    """Raise UrlNotAllowedError unless *every* address that ``host`` leads to may be reached."""
    if any(entry.names(host, port) for entry in allow):
        return
    for address in map(reached_address, addresses):
        if not (is_public(address) or any(entry.holds(address, port) for entry in allow)):
            raise UrlNotAllowedError(host)


def reached_address(address: Address) -> Address:
    """The address at which packets arrive: out of an IPv6 address that only wraps an IPv4 one."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


def is_public(address: Address) -> bool:
    """Whether it is an ordinary machine of the public internet.

    >>> [is_public(ip_address(a)) for a in ("8.8.8.8", "100.64.0.1", "2a00::1", "2002:7f00:1::")]
    [True, False, True, False]
    """
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in CLOSED_V4)
    return address in GLOBAL_V6 and not any(address in network for network in CLOSED_V6)


def parse_allow(text: str) -> tuple[Allowed, ...]:
    """Read LENDFACE_FETCH_ALLOW: host names, addresses and networks, with a port or without.

    Entries stand between commas or spaces. Raises BadOptionError that names the wrong one.

    >>> parse_allow("10.0.0.0/8, minio.local:9000")
    (Allowed(place=IPv4Network('10.0.0.0/8'), port=None), Allowed(place='minio.local', port=9000))
    """
    return tuple(parse_allowed(entry) for entry in re.split(r"[,\s]+", text) if entry)


def parse_allowed(entry: str) -> Allowed:
    """One entry: ``fd00::/8``, ``::1``, ``127.0.0.1:9000``, ``[::1]:9000``, ``minio.local``."""
    if "/" in entry:
        return Allowed(parse_network(entry))
    if address := literal_address(entry):
        return Allowed(only(address))
    try:
        target = parse_url(f"http://{entry}")
    except InvalidUrlError as fault:
        raise wrong_entry(entry) from fault
    if target.path != "/" or re.search("[?#]", entry):
        raise wrong_entry(entry)
    address = literal_address(target.host)
    # None where none is written; the target has the scheme's own there.
    port = target.port if re.search(r":[0-9]+$", entry) else None
    return Allowed(only(address) if address else target.host, port)


def parse_network(entry: str) -> Network:
    try:
        return ip_network(entry)
    except ValueError as fault:
        raise wrong_entry(entry) from fault


def only(address: Address) -> Network:
    """The network that holds one address, in the form in which addresses are checked."""
    return ip_network(reached_address(address))


def wrong_entry(entry: str) -> BadOptionError:
    return BadOptionError(
        f"LENDFACE_FETCH_ALLOW: {entry!r} is not a host name, host:port, address or network; "
        "write for example 10.0.0.0/8, minio.local:9000 (a network without bits after its prefix)"
    )
