"""Clients and keys on a real database."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from desks import DeskOfTests
from lendface.errors import (
    BadOptionError,
    KeyExpiredError,
    KeyRevokedError,
    KeyUnknownError,
    NotFoundError,
    ScopeMissingError,
    SealBrokenError,
)
from lendface.service.clients import (
    ADMIN,
    READ,
    WRITE,
    Client,
    create_client,
    find_client,
    get_client,
    key_text_of,
    list_clients,
    require_scope,
    revoke_client,
    revoke_key,
    rotate_key,
    webhook_secret_of,
)
from lendface.service.sealing import Sealer
from lendface.storage.database import Database
from lendface.storage.tables import audit, metadata


@pytest.fixture
def desk(database: Database) -> DeskOfTests:
    return DeskOfTests(database)


def everything_stored(desk: DeskOfTests) -> str:
    with desk.database.reading() as connection:
        return "\n".join(
            str(row)
            for table in metadata.sorted_tables
            for row in connection.execute(sa.select(table))
        )


def actions(desk: DeskOfTests) -> list[tuple[str, str | None, str | None]]:
    with desk.database.reading() as connection:
        query = sa.select(audit.c.action, audit.c.subject, audit.c.client_id).order_by(audit.c.id)
        return [(row.action, row.subject, row.client_id) for row in connection.execute(query)]


def key_ids(desk: DeskOfTests) -> list[str]:
    return [key.id for facts in list_clients(desk) for key in facts.keys]


# A new client


def test_a_new_clients_secrets_have_the_forms_that_receivers_need(desk: DeskOfTests) -> None:
    for _ in range(5):
        made = create_client(desk, "Anna")
        assert re.fullmatch("[A-Za-z0-9]{32}", made.key)
        assert re.fullmatch("[a-z0-9]{16}", made.client_id)
        assert len(base64.b64decode(made.webhook_secret.removeprefix("whsec_"))) == 32


def test_its_key_opens_the_door_as_the_client(desk: DeskOfTests) -> None:
    made = create_client(
        desk, "Anna", scopes=[READ], quota_units=7, rate_per_minute=60, max_running=2
    )
    other = create_client(desk, "Bob")
    client = Client(made.client_id, "Anna", frozenset({READ}), 7, 60, 2)
    assert find_client(desk, made.key) == get_client(desk, made.client_id) == client
    assert find_client(desk, other.key) == Client(
        other.client_id, "Bob", frozenset({READ, WRITE}), None, None, None
    )


def test_no_secret_is_stored_as_it_is_and_none_is_in_a_repr(desk: DeskOfTests) -> None:
    made = create_client(desk, "Anna")
    renewed = rotate_key(desk, made.client_id, with_webhook_secret=True)
    assert renewed.webhook_secret is not None
    secrets = {made.key, made.webhook_secret, renewed.key, renewed.webhook_secret}
    assert len(secrets) == 4
    stored = everything_stored(desk)
    assert made.client_id in stored
    assert hashlib.sha256(made.key.encode()).hexdigest() in stored
    for secret in secrets:
        assert secret not in stored + repr(made) + repr(renewed) + repr(list_clients(desk))


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "a" * 201}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scopes": ["read", "fly"]}, "there is no scope fly; give one or several of read, write"),
        ({"scopes": []}, "needs a scope"),
        ({"quota_units": -1}, "quota"),
        ({"rate_per_minute": 0}, "rate"),
        ({"max_running": 0}, "running"),
        ({"max_running": 2**40}, "running"),
    ],
)
def test_what_makes_no_sense_is_refused(
    wrong: dict[str, Any], hint: str, desk: DeskOfTests
) -> None:
    with pytest.raises(BadOptionError, match=hint):
        create_client(desk, **{"name": "Anna", **wrong})
    assert list_clients(desk) == []


def test_a_name_may_be_in_any_script(desk: DeskOfTests) -> None:
    create_client(desk, "Фирма «Ä» 株式会社")
    assert [facts.client.name for facts in list_clients(desk)] == ["Фирма «Ä» 株式会社"]


# Refused


@pytest.mark.parametrize("key", ["", "x", "K" * 32, "ä" * 32, "\ud800", "k" * 100_000, "' OR 1=1"])
def test_a_key_that_was_never_made_is_unknown(key: str, desk: DeskOfTests) -> None:
    create_client(desk, "Anna")
    with pytest.raises(KeyUnknownError) as told:
        find_client(desk, key)
    assert told.value.code == "key_unknown"


def test_another_case_is_another_key(desk: DeskOfTests) -> None:
    with pytest.raises(KeyUnknownError):
        find_client(desk, create_client(desk, "Anna").key.swapcase())


def test_a_revoked_key_is_refused_at_once_in_every_process(desk: DeskOfTests) -> None:
    made = create_client(desk, "Anna")
    elsewhere = DeskOfTests(Database(desk.database.url))
    find_client(elsewhere, made.key)
    (key_id,) = key_ids(desk)
    revoke_key(desk, key_id)
    with pytest.raises(KeyRevokedError) as told:
        find_client(elsewhere, made.key)
    elsewhere.database.close()
    assert told.value.code == "key_revoked"


def test_a_revoked_client_has_no_key_that_opens(desk: DeskOfTests) -> None:
    made, other = create_client(desk, "Anna"), create_client(desk, "Bob")
    second = rotate_key(desk, made.client_id, grace_s=3600)
    revoke_client(desk, made.client_id)
    for key in (made.key, second.key):
        with pytest.raises(KeyRevokedError):
            find_client(desk, key)
    assert find_client(desk, other.key).name == "Bob"
    assert get_client(desk, made.client_id).name == "Anna"  # for its jobs that still run
    with pytest.raises(BadOptionError, match="is revoked; create a new one"):
        rotate_key(desk, made.client_id)


def test_to_revoke_again_changes_nothing(desk: DeskOfTests) -> None:
    made = create_client(desk, "Anna")
    (key_id,) = key_ids(desk)
    for again in (revoke_key, revoke_key):
        again(desk, key_id)
    for again in (revoke_client, revoke_client):
        again(desk, made.client_id)
        desk.clock.pass_s(5)
    (facts,) = list_clients(desk)
    assert facts.revoked_ms == facts.keys[0].revoked_ms == desk.clock.ms - 10_000
    assert [action for action, _, _ in actions(desk)] == [
        "client.created", "key.revoked", "client.revoked",
    ]  # fmt: skip


def test_what_is_not_there_is_not_found(desk: DeskOfTests) -> None:
    for look in (
        get_client, revoke_client, revoke_key, rotate_key, webhook_secret_of, key_text_of,
    ):  # fmt: skip
        with pytest.raises(NotFoundError):
            look(desk, "nobody")


# A new key


def test_without_grace_the_old_key_expires_at_once(desk: DeskOfTests) -> None:
    made = create_client(desk, "Anna")
    renewed = rotate_key(desk, made.client_id)
    assert renewed.webhook_secret is None
    assert find_client(desk, renewed.key).id == made.client_id
    with pytest.raises(KeyExpiredError) as told:
        find_client(desk, made.key)
    assert told.value.code == "key_expired"
    assert webhook_secret_of(desk, made.client_id) == made.webhook_secret


def test_with_grace_both_keys_open_until_it_is_over(desk: DeskOfTests) -> None:
    made = create_client(desk, "Anna")
    renewed = rotate_key(desk, made.client_id, grace_s=60)
    desk.clock.pass_s(59.999)
    assert find_client(desk, made.key) == find_client(desk, renewed.key)
    desk.clock.pass_s(0.001)
    with pytest.raises(KeyExpiredError):
        find_client(desk, made.key)
    assert find_client(desk, renewed.key).id == made.client_id


def test_a_later_rotation_lengthens_no_grace(desk: DeskOfTests) -> None:
    first = create_client(desk, "Anna")
    second = rotate_key(desk, first.client_id, grace_s=60)
    third = rotate_key(desk, first.client_id, grace_s=3600)
    desk.clock.pass_s(60)
    with pytest.raises(KeyExpiredError):
        find_client(desk, first.key)
    assert find_client(desk, second.key) == find_client(desk, third.key)


def test_the_secret_of_webhooks_is_new_where_that_was_asked(desk: DeskOfTests) -> None:
    made = create_client(desk, "Anna")
    renewed = rotate_key(desk, made.client_id, with_webhook_secret=True)
    assert webhook_secret_of(desk, made.client_id) == renewed.webhook_secret != made.webhook_secret


@pytest.mark.parametrize("grace_s", [-1, float("nan"), float("inf")])
def test_a_grace_that_makes_no_sense_is_refused(grace_s: float, desk: DeskOfTests) -> None:
    made = create_client(desk, "Anna")
    with pytest.raises(BadOptionError, match="grace"):
        rotate_key(desk, made.client_id, grace_s)
    assert find_client(desk, made.key).id == made.client_id


def test_of_rotations_at_once_one_key_is_left(desk: DeskOfTests) -> None:
    made = create_client(desk, "Anna")
    everybody = threading.Barrier(4)

    def rotate(_: int) -> str:
        everybody.wait(timeout=60)
        return rotate_key(desk, made.client_id).key

    with ThreadPoolExecutor(4) as pool:
        made_keys = list(pool.map(rotate, range(4)))
    states = [key.state(desk.now_ms()) for key in list_clients(desk)[0].keys]
    assert sorted(states) == ["expired"] * 4 + ["valid"]
    assert key_text_of(desk, made.client_id) in made_keys


# What webhooks need


def test_the_key_that_webhooks_use_is_the_newest_that_is_valid(desk: DeskOfTests) -> None:
    made = create_client(desk, "Anna")
    assert key_text_of(desk, made.client_id) == made.key
    renewed = rotate_key(desk, made.client_id, grace_s=60)
    assert key_text_of(desk, made.client_id) == renewed.key
    revoke_key(desk, key_id_of(desk, renewed.key))
    assert key_text_of(desk, made.client_id) == made.key
    desk.clock.pass_s(60)
    with pytest.raises(NotFoundError, match="there is no such key"):
        key_text_of(desk, made.client_id)


def key_id_of(desk: DeskOfTests, key: str) -> str:
    (found,) = [k.id for facts in list_clients(desk) for k in facts.keys if key.endswith(k.hint)]
    return found


@pytest.mark.parametrize("open_it", [webhook_secret_of, key_text_of])
def test_another_server_secret_opens_no_stored_one(
    open_it: Callable[..., str], desk: DeskOfTests
) -> None:
    made = create_client(desk, "Anna")
    changed = DeskOfTests(desk.database, desk.clock, Sealer(b"another secret of the server, 32"))
    with pytest.raises(SealBrokenError):
        open_it(changed, made.client_id)
    assert find_client(changed, made.key).id == made.client_id  # keys still open the door


# Listed, allowed, written down


def test_clients_are_listed_with_the_state_of_their_keys(desk: DeskOfTests) -> None:
    anna = create_client(desk, "Anna")
    desk.clock.pass_s(1)
    bob = create_client(desk, "Bob")
    renewed = rotate_key(desk, anna.client_id)
    first, second = list_clients(desk)
    assert [first.client.id, second.client.id] == [anna.client_id, bob.client_id]
    assert [key.hint for key in first.keys] == [anna.key[-4:], renewed.key[-4:]]
    now_ms = desk.now_ms()
    assert [key.state(now_ms) for key in first.keys] == ["expired", "valid"]
    revoke_key(desk, first.keys[0].id)
    assert list_clients(desk)[0].keys[0].state(now_ms) == "revoked"


def test_a_scope_holds_no_other(desk: DeskOfTests) -> None:
    client = find_client(desk, create_client(desk, "root", scopes=[ADMIN]).key)
    require_scope(client, ADMIN)
    for scope in (READ, WRITE):
        with pytest.raises(ScopeMissingError, match=f"needs the scope {scope}"):
            require_scope(client, scope)


def test_what_was_done_is_written_down(desk: DeskOfTests) -> None:
    made = create_client(desk, "Anna")
    rotate_key(desk, made.client_id)
    first, second = key_ids(desk)
    revoke_key(desk, first)
    revoke_client(desk, made.client_id)
    assert set(actions(desk)[1]) >= {"key.rotated", made.client_id}
    assert [(action, subject in (first, second)) for action, subject, _ in actions(desk)] == [
        ("client.created", False), ("key.rotated", True), ("key.revoked", True),
        ("client.revoked", False),
    ]  # fmt: skip
    assert {client_id for _, _, client_id in actions(desk)} == {made.client_id}
