"""Who is told and when, where receivers do not answer."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lendface.net.fetch import FetchPolicy
from lendface.net.guard import parse_allow
from lendface.net.schedule import DELAYS_S
from lendface.service import deliveries
from lendface.service.deliveries import PUT_OFF_S, TEST, attempt, line_up
from lendface.service.office import Letter, Message, Office
from lendface.service.receivers import (
    FIRST_PAUSE_S,
    HOST_SHARE,
    LATE_IN_A_ROW,
    LATE_S,
    LONGEST_PAUSE_S,
    REMEMBERED,
    Receivers,
)
from lendface.storage import tables
from net.loopback import LoopbackServer, reply, serving
from service.offices import Clock, RecordingQueue, new_client, open_office

LAST = len(DELAYS_S)
PATIENCE_S = 0.05  # for a receiver that never answers
HOST = "a.example"


# What is remembered of them


@dataclass
class Log:
    """What one client's receiver did, on a clock of its own."""

    receivers: Receivers
    client_id: str = "me"
    now_ms: int = 0

    def late(self, times: int = 1) -> None:
        for _ in range(times):
            self.receivers.note(self.client_id, HOST, self.now_ms, is_late=True)

    def answers(self) -> None:
        self.receivers.note(self.client_id, HOST, self.now_ms, is_late=False)

    @property
    def pause_s(self) -> float:
        return self.receivers.pause_left_s(self.client_id, HOST, self.now_ms)

    def let_pass(self) -> None:
        self.now_ms += round(self.pause_s * 1000)


def test_a_receiver_late_in_a_row_is_left_alone_for_longer_each_time() -> None:
    mine = Log(Receivers())
    mine.late(LATE_IN_A_ROW - 1)
    assert mine.pause_s == 0
    mine.late()
    assert mine.pause_s == FIRST_PAUSE_S
    mine.late(3)  # those that were on their way
    assert mine.pause_s == FIRST_PAUSE_S
    pauses = []
    for _ in range(8):
        mine.let_pass()
        assert mine.pause_s == 0
        mine.late()
        pauses.append(mine.pause_s)
    assert pauses[:3] == [2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S, 8 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S


def test_an_answer_makes_good_for_all_that_was_late() -> None:
    mine = Log(Receivers())
    mine.late(LATE_IN_A_ROW)
    mine.answers()
    assert mine.pause_s == 0
    mine.late(LATE_IN_A_ROW - 1)
    assert mine.pause_s == 0


def test_one_client_says_nothing_of_anothers_receiver() -> None:
    receivers = Receivers()
    Log(receivers, "greedy").late(LATE_IN_A_ROW)
    assert Log(receivers, "another").pause_s == 0


def test_of_no_end_of_receivers_the_latest_are_remembered() -> None:
    receivers = Receivers()
    for number in range(REMEMBERED + 5):
        receivers.note("me", f"{number}.example", 0, is_late=True)
    assert len(receivers._late) == REMEMBERED
    assert ("me", "4.example") not in receivers._late


def test_a_host_takes_its_share_and_gives_it_back() -> None:
    receivers = Receivers()
    with ExitStack() as sending:
        places = [sending.enter_context(receivers.sending(HOST)) for _ in range(HOST_SHARE + 2)]
        assert places == [True] * HOST_SHARE + [False] * 2
        with receivers.sending("b.example") as has_place:
            assert has_place
    with receivers.sending(HOST) as has_place:
        assert has_place
    assert not receivers._sending


# What becomes of messages


class PlainForm:
    def messages(
        self, connection: Any, office: Office, job: Mapping[str, Any], state: str
    ) -> list[Message]:
        return []

    def seal(self, office: Office, delivery: Mapping[str, Any]) -> Letter:
        return Letter(delivery["body"].encode(), {})


@dataclass
class Sender:
    """One client and where its messages go."""

    office: Office
    url: str
    client_id: str

    def line_up(self, name: str, kind: str = "swap.succeeded") -> str:
        with self.office.database.writing() as connection:
            message = Message(name, kind, self.url, "{}")
            line_up(connection, self.office, self.client_id, "native", message)
        return name

    def send(self, name: str, kind: str = "swap.succeeded") -> str:
        attempt(self.office, self.line_up(name, kind), 1, 1)
        return name

    def row(self, name: str) -> Mapping[str, Any]:
        table = tables.deliveries
        with self.office.database.reading() as connection:
            query = table.select().where(table.c.id == name)
            return connection.execute(query).mappings().one()


def silent(stream: socket.socket, _head: bytes) -> None:
    """Until the sender leaves."""
    while stream.recv(65536):
        pass


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(tmp_path: Path, clock: Clock) -> Iterator[Office]:
    policy = FetchPolicy(1000, stall_timeout_s=PATIENCE_S, allow=parse_allow("127.0.0.1"))
    with open_office(tmp_path, clock=clock, forms={"native": PlainForm()}, fetch=policy) as office:
        yield office


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with serving(silent) as server:
        yield server


@pytest.fixture
def sender(office: Office, server: LoopbackServer) -> Sender:
    return sender_to(office, server)


def sender_to(office: Office, server: LoopbackServer) -> Sender:
    url = f"http://127.0.0.1:{server.port}/told"
    return Sender(office, url, new_client(office).client_id)


def queue_of(office: Office) -> RecordingQueue:
    assert isinstance(office.queue, RecordingQueue)
    return office.queue


def test_a_receiver_that_hangs_is_not_even_tried_after_a_while(
    sender: Sender, server: LoopbackServer, office: Office, clock: Clock
) -> None:
    for number in range(LATE_IN_A_ROW):
        sender.send(f"m{number}")
    assert server.connections == LATE_IN_A_ROW
    assert sender.row("m0")["last_error"] == "url_timeout"
    sender.send("next")
    assert server.connections == LATE_IN_A_ROW
    row = sender.row("next")
    assert (row["state"], row["attempts"], row["last_error"]) == ("waiting", 1, "receiver_paused")
    assert row["next_ms"] == clock() + FIRST_PAUSE_S * 1000
    queued = queue_of(office).attempts[-1]
    assert (queued.delivery_id, queued.number, queued.delay_s) == ("next", 2, FIRST_PAUSE_S)
    clock.pass_s(FIRST_PAUSE_S)
    attempt(office, "next", 1, 2)
    assert server.connections == LATE_IN_A_ROW + 1
    assert sender.row("next")["last_error"] == "url_timeout"


def test_the_schedule_goes_on_where_it_is_longer_than_the_pause(
    sender: Sender, office: Office
) -> None:
    for number in range(LATE_IN_A_ROW):
        sender.send(f"m{number}")
    attempt(office, "m0", 1, 2)
    queued = queue_of(office).attempts[-1]
    assert (queued.delivery_id, queued.number, queued.delay_s) == ("m0", 3, DELAYS_S[2])


def test_the_last_attempt_is_always_made(
    sender: Sender, server: LoopbackServer, office: Office
) -> None:
    for number in range(LATE_IN_A_ROW):
        sender.send(f"m{number}")
    attempt(office, sender.line_up("old"), 1, LAST)
    assert server.connections == LATE_IN_A_ROW + 1
    row = sender.row("old")
    assert (row["state"], row["last_error"]) == ("failed", "url_timeout")


def test_anothers_messages_to_the_same_host_are_sent(
    sender: Sender, server: LoopbackServer, office: Office
) -> None:
    for number in range(LATE_IN_A_ROW):
        sender.send(f"m{number}")
    other = sender_to(office, server)
    server.answer = reply(b"")
    other.send("theirs")
    assert other.row("theirs")["state"] == "delivered"


def test_a_test_is_made_at_once_and_makes_good_for_what_was_late(
    sender: Sender, server: LoopbackServer, office: Office
) -> None:
    for number in range(LATE_IN_A_ROW):
        sender.send(f"m{number}")
    server.answer = reply(b"")
    sender.send("test", TEST)
    assert sender.row("test")["state"] == "delivered"
    sender.send("next")
    assert sender.row("next")["state"] == "delivered"


def test_a_test_has_a_share_of_its_own(sender: Sender, office: Office) -> None:
    sender.line_up("m")
    sender.line_up("t", TEST)
    senders = [queued.sender for queued in queue_of(office).attempts]
    assert senders == [sender.client_id, f"{sender.client_id}/test"]


def test_a_receiver_that_refuses_at_once_is_not_late(
    sender: Sender, server: LoopbackServer
) -> None:
    server.answer = reply(b"", status="503 Busy")
    for number in range(LATE_IN_A_ROW + 2):
        sender.send(f"m{number}")
    assert server.connections == LATE_IN_A_ROW + 2
    assert sender.row(f"m{LATE_IN_A_ROW + 1}")["last_status"] == 503


def test_a_receiver_that_refuses_slowly_is_late(
    sender: Sender, server: LoopbackServer, clock: Clock
) -> None:
    def refuse(stream: socket.socket, head: bytes) -> None:
        clock.pass_s(LATE_S)
        reply(b"", status="503 Busy")(stream, head)

    server.answer = refuse
    for number in range(LATE_IN_A_ROW + 1):
        sender.send(f"m{number}")
    assert server.connections == LATE_IN_A_ROW


def test_a_full_host_puts_a_message_off_without_counting_an_attempt(
    sender: Sender, server: LoopbackServer, office: Office, clock: Clock
) -> None:
    sender.line_up("m")
    with ExitStack() as sending:
        for _ in range(HOST_SHARE):
            sending.enter_context(office.receivers.sending(f"127.0.0.1:{server.port}"))
        attempt(office, "m", 1, 1)
        attempt(office, "m", 1, 1, postponed=1)
        attempt(office, "m", 1, 1, postponed=99)
    assert server.connections == 0
    row = sender.row("m")
    assert (row["state"], row["attempts"], row["last_error"]) == ("waiting", 0, None)
    queued = queue_of(office).attempts[-3:]
    assert [(a.number, a.postponed) for a in queued] == [(1, 1), (1, 2), (1, 100)]
    assert [a.delay_s for a in queued] == [
        PUT_OFF_S,
        2 * PUT_OFF_S,
        deliveries.LONGEST_PUT_OFF_S,
    ]
    server.answer = reply(b"")
    attempt(office, "m", 1, 1, postponed=100)
    assert sender.row("m")["state"] == "delivered"
