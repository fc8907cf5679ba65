"""Which connections this process keeps, and which it closes so that others find a place.

A connection either *waits* (it has not sent the whole head of a request yet, or is kept for the
next one) or is *answered*. Waiting is short, and whoever waits longest goes first where a place is
needed; so somebody new is always let in. A few places are never used for answers: there a request
can at least be told that the server is busy.
"""

from __future__ import annotations

import ipaddress
import math
import resource
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

HEAD_S = 20.0  # for the head of a request
STALL_S = 60.0  # for an answer of which the client takes nothing
BYTES_PER_S = 4096  # and as much more as the rest of it takes at this rate

MOST = 4096  # connections, where the limit of open files allows more
FEWEST = 16
FILES_FOR_OTHERS = 256  # database, bucket, workers, log
FILES_EACH = 2  # the connection, and the file that goes through it
FILES_WANTED = 65_536


@dataclass(frozen=True)
class ConnectionLimits:
    """How many there may be, and how long one may take."""

    total: int
    per_address: int
    head_s: float = HEAD_S
    stall_s: float = STALL_S

    @classmethod
    def within(cls, files: int, total: int = 0, per_address: int = 0) -> ConnectionLimits:
        """For a process that may have ``files`` open; 0 stands for what fits.

        >>> ConnectionLimits.within(1024)
        ConnectionLimits(total=384, per_address=96, head_s=20.0, stall_s=60.0)
        """
        room = max(FEWEST, (files - FILES_FOR_OTHERS) // FILES_EACH)
        total = min(total or MOST, room)
        return cls(total, min(per_address or max(FEWEST, total // 4), total))


class Connection(Protocol):
    @property
    def is_closing(self) -> bool: ...

    @property
    def unsent(self) -> int:
        """Bytes of an answer that its client has not taken yet."""
        ...

    def drop(self) -> None:
        """Close it at once, whatever was not sent yet."""
        ...


@dataclass(eq=False)
class Place:
    """What is known of one connection."""

    address: str
    most: int  # connections of this address
    deadline_s: float
    waits: bool = True


class Connections:
    """All of one process. Used from the event loop alone."""

    def __init__(
        self,
        limits: ConnectionLimits,
        clock_s: Callable[[], float],
        is_shared: Callable[[str], bool] = lambda host: False,
    ) -> None:
        """``is_shared``: whether a host is a proxy, behind which many clients stand."""
        self.limits = limits
        self._clock_s, self._is_shared = clock_s, is_shared
        self._places: dict[Connection, Place] = {}
        self._waiting: dict[str, dict[Connection, None]] = {}  # of each address, longest first
        self._open: Counter[str] = Counter()  # by address
        self._answered: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()  # by reason

    def __len__(self) -> int:
        return len(self._places)

    def add(self, connection: Connection, host: str) -> None:
        """Somebody new; another one may have to go."""
        place = self._place_for(host)
        if self._open[place.address] >= place.most:
            self._drop_longest(self._waiting.get(place.address, {}), "address_full")
        if len(self._places) >= self.limits.total:
            self._drop_longest(max(self._waiting.values(), key=len, default={}), "full")
        self._places[connection] = place
        self._waiting.setdefault(place.address, {})[connection] = None
        self._open[place.address] += 1

    def remove(self, connection: Connection) -> None:
        """Harmless for one that is gone already."""
        place = self._places.pop(connection, None)
        if place is None:
            return
        if place.waits:
            self._stop_waiting(connection, place)
        else:
            count_down(self._answered, place.address)
        count_down(self._open, place.address)

    def begin(self, connection: Connection) -> None:
        """The head of a request has come."""
        place = self._places.get(connection)
        if place is None or not place.waits:
            return
        self._stop_waiting(connection, place)
        place.waits, place.deadline_s = False, math.inf
        self._answered[place.address] += 1

    def may_answer(self, connection: Connection) -> bool:
        """Whether its request can be done, or there are too many."""
        place = self._places.get(connection)
        if place is None:
            return True
        most = self.limits.total
        is_full = self._answered.total() > most - room_in(most)
        return not is_full and self._answered[place.address] <= place.most - room_in(place.most)

    def end(self, connection: Connection) -> None:
        """An answer is complete, but for what its client has not taken yet."""
        place = self._places.get(connection)
        if place is None or place.waits:
            return
        count_down(self._answered, place.address)
        patience_s = self._time_to_take(connection) if connection.unsent else self.limits.head_s
        place.waits, place.deadline_s = True, self._clock_s() + patience_s
        self._waiting.setdefault(place.address, {})[connection] = None

    def stall(self, connection: Connection) -> None:
        """A client takes its answer slower than we make it."""
        place = self._places.get(connection)
        if place and not place.waits:
            place.deadline_s = self._clock_s() + self._time_to_take(connection)

    def flow(self, connection: Connection) -> None:
        """It has taken what there was."""
        place = self._places.get(connection)
        if place and not place.waits:
            place.deadline_s = math.inf

    def sweep(self) -> None:
        """Close those that took too long; to be called about every second."""
        now_s = self._clock_s()
        for connection, place in list(self._places.items()):
            if place.deadline_s <= now_s:
                self._drop(connection, "slow_head" if place.waits else "slow_reader")
            elif connection.is_closing and place.deadline_s == math.inf:
                place.deadline_s = now_s + self.limits.stall_s

    def _place_for(self, host: str) -> Place:
        deadline_s = self._clock_s() + self.limits.head_s
        if self._is_shared(host):
            return Place(host, self.limits.total, deadline_s)
        return Place(address_of(host), self.limits.per_address, deadline_s)

    def _time_to_take(self, connection: Connection) -> float:
        return self.limits.stall_s + connection.unsent / BYTES_PER_S

    def _stop_waiting(self, connection: Connection, place: Place) -> None:
        waiting = self._waiting[place.address]
        del waiting[connection]
        if not waiting:
            del self._waiting[place.address]

    def _drop_longest(self, waiting: dict[Connection, None], reason: str) -> None:
        """The one that waits longest; one whose answer is still under way only at need."""
        idle = (one for one in waiting if not one.unsent)
        longest = next(idle, next(iter(waiting), None))
        if longest is not None:
            self._drop(longest, reason)

    def _drop(self, connection: Connection, reason: str) -> None:
        self.closed[reason] += 1
        self.remove(connection)
        connection.drop()


def count_down(counter: Counter[str], address: str) -> None:
    """Nothing is remembered of addresses that are gone."""
    counter[address] -= 1
    if not counter[address]:
        del counter[address]


def room_in(most: int) -> int:
    """Of so many places those that are never used for answers."""
    return max(1, most // 8)


def address_of(host: str) -> str:
    """What counts as one address: of IPv6 the first half, as one household has all of the rest.

    >>> address_of("192.0.2.7"), address_of("2001:db8:1:2:3::4"), address_of("::ffff:192.0.2.7")
    ('192.0.2.7', '2001:db8:1:2::', '192.0.2.7')
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 128)).network_address)


def shared_addresses(trusted: str) -> Callable[[str], bool]:
    """Whether an address is one of ``trusted``: addresses and networks, comma between; *: all.

    >>> is_shared = shared_addresses("10.0.0.0/8, 192.0.2.7")
    >>> is_shared("10.1.2.3"), is_shared("192.0.2.7"), is_shared("192.0.2.8")
    (True, True, False)
    """
    names = [name.strip() for name in trusted.split(",") if name.strip()]
    networks = list(_networks(names))

    def is_shared(host: str) -> bool:
        if "*" in names or host in names:
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in networks)

    return is_shared


def _networks(names: list[str]) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for name in names:
        try:
            yield ipaddress.ip_network(name, strict=False)
        except ValueError:
            continue  # a name, which is compared as it is


def raise_file_limit() -> int:
    """Let this process open as many files as the system allows it; how many those are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, FILES_WANTED)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return FILES_WANTED if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):  # the system allows fewer than it says
        return soft
    return most
