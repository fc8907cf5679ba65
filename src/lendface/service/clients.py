"""Who may ask: clients and their keys.

A client owns files and jobs; its keys open the door to them. Of a key only its hash is looked up.
The key itself is kept sealed, since one vendor's webhooks are encrypted with it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import sqlalchemy as sa

from ..errors import (
    BadOptionError,
    ClientRevokedError,
    KeyExpiredError,
    KeyRefusedError,
    KeyRevokedError,
    KeyUnknownError,
    LendfaceError,
    NotFoundError,
    ScopeMissingError,
)
from ..storage.database import Database, lock_row
from ..storage.schema import upgrade
from ..storage.tables import clients, keys
from ..trust.audit import OPERATOR
from . import attestations, audit
from .sealing import Sealer

READ, WRITE, ADMIN = "read", "write", "admin"
SCOPES = {
    READ: "see its own files, jobs, results and units",
    WRITE: "give files, make, cancel and delete jobs, set webhooks",
    ADMIN: "see and change what is the whole server's",
}
KEY_CHARACTERS = string.ascii_letters + string.digits
KEY_LENGTH = 32  # the length of an AES-256 key, which one vendor's receivers take it for
CLIENT_ID_CHARACTERS = string.ascii_lowercase + string.digits
CLIENT_ID_LENGTH = 16  # and of an AES block
HINT_LENGTH = 4
MAX_NAME_LENGTH = 200

AT_A_TIME = 500  # ids in one statement

# Made once, since every request asks it.
_key_ends = (keys.c.expires_ms, keys.c.revoked_ms.label("key_revoked_ms"))
BY_KEY = (
    sa.select(
        *(clients.c[name] for name in ("id", "name", "scopes", "revoked_ms")),
        *(clients.c[name] for name in ("quota_units", "rate_per_minute", "max_running")),
        keys.c.id.label("key_id"),
        *_key_ends,
    )
    .join(keys, keys.c.client_id == clients.c.id)
    .where(keys.c.hash == sa.bindparam("hash"))
)
_ids = sa.bindparam("ids", expanding=True)
BY_KEY_ID = (
    sa.select(keys.c.id, clients.c.scopes, clients.c.revoked_ms, *_key_ends)
    .join(clients, keys.c.client_id == clients.c.id)
    .where(keys.c.id.in_(_ids))
)
BY_ID = sa.select(
    clients.c.id,
    clients.c.scopes,
    clients.c.revoked_ms,
    sa.null().label("expires_ms"),
    sa.null().label("key_revoked_ms"),
).where(clients.c.id.in_(_ids))


class Desk(Protocol):
    """What this room needs of an office."""

    @property
    def database(self) -> Database: ...

    @property
    def sealer(self) -> Sealer: ...

    @property
    def now_ms(self) -> Callable[[], int]: ...


@dataclass(frozen=True, eq=False)
class SmallDesk:
    """For who has no whole office."""

    database: Database
    sealer: Sealer
    now_ms: Callable[[], int]


@contextmanager
def open_desk(
    database_url: str, secret_ring: Sequence[bytes], now_ms: Callable[[], int]
) -> Iterator[SmallDesk]:
    """A database with its tables, made or renewed. Raises DatabaseError."""
    first, *older = secret_ring
    database = Database(database_url)
    try:
        upgrade(database)
        yield SmallDesk(database, Sealer(first, tuple(older)), now_ms)
    finally:
        database.close()


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks, and what they may."""

    id: str
    name: str
    scopes: frozenset[str]
    quota_units: int | None  # None: no end
    rate_per_minute: int | None  # None: as the server has it
    max_running: int | None  # None: as the server has it
    key_id: str | None = field(default=None, compare=False)  # of the key with which it came


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose right to look has to last for as long as they wait."""

    client_id: str
    key_id: str | None  # None: let in without one
    scope: str


@dataclass(frozen=True, slots=True)
class NewClient:
    """Its secrets are shown once."""

    client_id: str
    key: str = field(repr=False)
    webhook_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A further key of a client; the secret of its webhooks where that is new too."""

    client_id: str
    key: str = field(repr=False)
    webhook_secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key, as it may be shown to anybody who runs the server."""

    id: str
    hint: str  # its last characters
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None

    def state(self, now_ms: int) -> str:
        """One of ``valid``, ``expired`` and ``revoked``."""
        if self.revoked_ms is not None:
            return "revoked"
        return "expired" if _is_past(self.expires_ms, now_ms) else "valid"


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """A client with its keys, without secrets."""

    client: Client
    created_ms: int
    revoked_ms: int | None
    keys: Sequence[KeyFacts]  # oldest first


# Made, changed, ended


def create_client(
    desk: Desk,
    name: str,
    *,
    scopes: Iterable[str] = (READ, WRITE),
    quota_units: int | None = None,
    rate_per_minute: int | None = None,
    max_running: int | None = None,
    is_attested: bool = True,
    consent_policy: str | None = None,
) -> NewClient:
    """A new client and its first key.

    ``is_attested``: whoever makes the key on the server states, for its owner, that they hold the
    consent of those whose faces they will submit; without it the owner has to state that first.
    ``consent_policy`` may be ``per_face``, whatever the server asks. Raises BadOptionError.
    """
    scopes = sorted(set(scopes))
    _check_name(name)
    _check_scopes(scopes)
    _check_at_least("quota", 0, quota_units)
    _check_at_least("rate", 1, rate_per_minute)
    _check_at_least("number of running jobs", 1, max_running)
    client_id = _random_text(CLIENT_ID_CHARACTERS, CLIENT_ID_LENGTH)
    secret = _new_webhook_secret()
    now_ms = desk.now_ms()
    with desk.database.writing() as connection:
        connection.execute(
            clients.insert().values(
                id=client_id,
                name=name,
                scopes=scopes,
                quota_units=quota_units,
                rate_per_minute=rate_per_minute,
                max_running=max_running,
                webhook_secret=desk.sealer.seal(secret, _webhook_purpose(client_id)),
                created_ms=now_ms,
                consent_policy=consent_policy,
            )
        )
        if is_attested:
            attestations.add(connection, client_id, attestations.OPERATOR, now_ms)
        _, key = _add_key(connection, desk.sealer, client_id, now_ms)
        detail = {"scopes": scopes, "quota_units": quota_units, "is_attested": is_attested}
        _tell(connection, "client.created", client_id, client_id, detail, now_ms)
    return NewClient(client_id, key, secret)


def rotate_key(
    desk: Desk, client_id: str, grace_s: float = 0, *, with_webhook_secret: bool = False
) -> NewKey:
    """A new key for the same client; its files and jobs stay. Earlier keys expire after the grace.

    The secret of the webhooks has no grace. Raises NotFoundError, BadOptionError.
    """
    if not 0 <= grace_s < 1e9:
        raise BadOptionError("the grace is in seconds, 0 or more")
    now_ms = desk.now_ms()
    secret = _new_webhook_secret() if with_webhook_secret else None
    with desk.database.writing() as connection:
        _lock_client(connection, client_id)
        _let_keys_expire(connection, client_id, now_ms + round(grace_s * 1000))
        key_id, key = _add_key(connection, desk.sealer, client_id, now_ms)
        if secret is not None:
            sealed = desk.sealer.seal(secret, _webhook_purpose(client_id))
            _change(connection, clients, client_id, webhook_secret=sealed)
        detail = {"grace_s": grace_s, "with_webhook_secret": with_webhook_secret}
        _tell(connection, "key.rotated", key_id, client_id, detail, now_ms)
    return NewKey(client_id, key, secret)


def set_consent_policy(desk: Desk, client_id: str, policy: str | None) -> None:
    """Hold a client to ``per_face``, or with None to what the server asks. Raises NotFoundError."""
    with desk.database.writing() as connection:
        _lock(connection, clients, client_id, "client")
        _change(connection, clients, client_id, consent_policy=policy)
        detail = {"consent_policy": policy}
        _tell(connection, "client.changed", client_id, client_id, detail, desk.now_ms())


def revoke_client(desk: Desk, client_id: str) -> None:
    """None of its keys opens anything from now on. Raises NotFoundError."""
    now_ms = desk.now_ms()
    with desk.database.writing() as connection:
        row = _lock(connection, clients, client_id, "client")
        if row.revoked_ms is None:
            _change(connection, clients, client_id, revoked_ms=now_ms)
            _tell(connection, "client.revoked", client_id, client_id, {}, now_ms)


def revoke_key(desk: Desk, key_id: str) -> None:
    """This key opens nothing from now on. Raises NotFoundError."""
    now_ms = desk.now_ms()
    with desk.database.writing() as connection:
        row = _lock(connection, keys, key_id, "key")
        if row.revoked_ms is None:
            _change(connection, keys, key_id, revoked_ms=now_ms)
            _tell(connection, "key.revoked", key_id, row.client_id, {}, now_ms)


# Looked up


def find_client(desk: Desk, key: str) -> Client:
    """Whose key it is: one look by its hash, so that a revoked key is refused at once.

    Raises KeyUnknownError, KeyRevokedError, ClientRevokedError, KeyExpiredError.
    """
    with desk.database.reading() as connection:
        row = connection.execute(BY_KEY, {"hash": _hash(key)}).first()
    if fault := _fault_of(row, desk.now_ms()):
        raise fault
    assert row is not None
    return replace(_client(row), key_id=row.key_id)


def refused_callers(
    connection: sa.Connection, callers: Iterable[Caller], now_ms: int
) -> dict[Caller, LendfaceError]:
    """Those who would not be let in any more: their key or client has ended, or lost its scope."""
    asked = list(callers)
    row_by_key = _rows_by_id(connection, BY_KEY_ID, {c.key_id for c in asked if c.key_id})
    row_by_client = _rows_by_id(connection, BY_ID, {c.client_id for c in asked if not c.key_id})
    refused: dict[Caller, LendfaceError] = {}
    for caller in asked:
        row = row_by_key.get(caller.key_id or "") or row_by_client.get(caller.client_id)
        if fault := _fault_of(row, now_ms):
            refused[caller] = fault
        elif row is not None and caller.scope not in row.scopes:
            refused[caller] = ScopeMissingError(caller.scope)
    return refused


def check_not_revoked(connection: sa.Connection, client_id: str) -> None:
    """For who comes without a key, by a link of the client's. Raises ClientRevokedError."""
    query = sa.select(clients.c.revoked_ms).where(clients.c.id == client_id)
    if connection.execute(query).scalar() is not None:
        raise ClientRevokedError


def get_client(desk: Desk, client_id: str) -> Client:
    """Also one that is revoked: its jobs may still run. Raises NotFoundError."""
    return _client(get_client_row(desk, client_id))


def find_unrevoked(desk: Desk, client_id: str) -> Client:
    """On whose account others may ask. Raises NotFoundError, ClientRevokedError."""
    row = get_client_row(desk, client_id)
    if row.revoked_ms is not None:
        raise ClientRevokedError
    return _client(row)


def list_clients(desk: Desk) -> list[ClientFacts]:
    """All of them, oldest first, without secrets."""
    with desk.database.reading() as connection:
        rows = connection.execute(sa.select(clients).order_by(clients.c.created_ms)).all()
        key_rows = connection.execute(sa.select(keys).order_by(keys.c.created_ms)).all()
    keys_by_client: dict[str, list[KeyFacts]] = {row.id: [] for row in rows}
    for row in key_rows:
        facts = KeyFacts(row.id, row.hint, row.created_ms, row.expires_ms, row.revoked_ms)
        keys_by_client[row.client_id].append(facts)
    return [
        ClientFacts(_client(row), row.created_ms, row.revoked_ms, keys_by_client[row.id])
        for row in rows
    ]


def webhook_secret_of(desk: Desk, client_id: str) -> str:
    """``whsec_...``. Raises NotFoundError, SealBrokenError."""
    sealed = get_client_row(desk, client_id).webhook_secret
    return desk.sealer.unseal(sealed, _webhook_purpose(client_id))


def key_text_of(desk: Desk, client_id: str, preferred_id: str | None = None) -> str:
    """The preferred key if it is valid, else the newest that is.

    Raises NotFoundError where there is none, SealBrokenError.
    """
    query = (
        sa.select(keys)
        .where(
            keys.c.client_id == client_id,
            keys.c.revoked_ms.is_(None),
            sa.or_(keys.c.expires_ms.is_(None), keys.c.expires_ms > desk.now_ms()),
        )
        .order_by(
            keys.c.id != (preferred_id or ""),
            keys.c.expires_ms.is_not(None),
            keys.c.created_ms.desc(),
        )
        .limit(1)
    )
    with desk.database.reading() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise NotFoundError("key")
    return desk.sealer.unseal(row.sealed, _key_purpose(row.id))


def read_key(desk: Desk, key_id: str) -> str:
    """A key by its id, valid or not. Raises NotFoundError, SealBrokenError."""
    with desk.database.reading() as connection:
        row = connection.execute(sa.select(keys).where(keys.c.id == key_id)).first()
    if row is None:
        raise NotFoundError("key")
    return desk.sealer.unseal(row.sealed, _key_purpose(row.id))


def require_scope(client: Client, scope: str) -> None:
    """Raises ScopeMissingError. No scope holds another."""
    if scope not in client.scopes:
        raise ScopeMissingError(scope)


# Within


def _rows_by_id(
    connection: sa.Connection, query: sa.Select[Any], ids: set[str]
) -> dict[str, sa.Row[Any]]:
    every = sorted(ids)
    return {
        row[0]: row
        for start in range(0, len(every), AT_A_TIME)
        for row in connection.execute(query, {"ids": every[start : start + AT_A_TIME]})
    }


def _fault_of(row: sa.Row[Any] | None, now_ms: int) -> KeyRefusedError | None:
    """Why nobody is let in by this row of a client and its key; None where all is well."""
    if row is None:
        return KeyUnknownError()
    if row.revoked_ms is not None:
        return ClientRevokedError()
    if row.key_revoked_ms is not None:
        return KeyRevokedError()
    return KeyExpiredError() if _is_past(row.expires_ms, now_ms) else None


def _add_key(
    connection: sa.Connection, sealer: Sealer, client_id: str, now_ms: int
) -> tuple[str, str]:
    """A new key's id, and the key."""
    key_id, key = secrets.token_hex(12), _random_text(KEY_CHARACTERS, KEY_LENGTH)
    connection.execute(
        keys.insert().values(
            id=key_id,
            client_id=client_id,
            hash=_hash(key),
            hint=key[-HINT_LENGTH:],
            sealed=sealer.seal(key, _key_purpose(key_id)),
            created_ms=now_ms,
        )
    )
    return key_id, key


def _tell(
    connection: sa.Connection,
    action: str,
    subject: str,
    client_id: str,
    detail: Mapping[str, Any],
    now_ms: int,
) -> None:
    """Clients and keys are the operator's business alone."""
    audit.record(connection, action, subject, client_id, detail, now_ms, OPERATOR)


def _let_keys_expire(connection: sa.Connection, client_id: str, at_ms: int) -> None:
    """None of a client's keys lives longer than until ``at_ms``."""
    connection.execute(
        keys.update()
        .where(
            keys.c.client_id == client_id,
            sa.or_(keys.c.expires_ms.is_(None), keys.c.expires_ms > at_ms),
        )
        .values(expires_ms=at_ms)
    )


def _lock_client(connection: sa.Connection, client_id: str) -> None:
    if _lock(connection, clients, client_id, "client").revoked_ms is not None:
        raise BadOptionError("this client is revoked; create a new one")


def _lock(connection: sa.Connection, table: sa.Table, row_id: str, what: str) -> sa.Row[Any]:
    row = lock_row(connection, table, row_id)
    if row is None:
        raise NotFoundError(what)
    return row


def _change(connection: sa.Connection, table: sa.Table, row_id: str, **values: Any) -> None:
    connection.execute(table.update().where(table.c.id == row_id).values(**values))


def get_client_row(desk: Desk, client_id: str) -> sa.Row[Any]:
    """Raises NotFoundError."""
    with desk.database.reading() as connection:
        row = connection.execute(sa.select(clients).where(clients.c.id == client_id)).first()
    if row is None:
        raise NotFoundError("client")
    return row


def _client(row: sa.Row[Any]) -> Client:
    return Client(
        id=row.id,
        name=row.name,
        scopes=frozenset(row.scopes),
        quota_units=row.quota_units,
        rate_per_minute=row.rate_per_minute,
        max_running=row.max_running,
    )


def _is_past(expires_ms: int | None, now_ms: int) -> bool:
    return expires_ms is not None and expires_ms <= now_ms


def _hash(key: str) -> str:
    # Keys are 190 random bits: nobody guesses one, so a slow hash would slow only us.
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def _random_text(characters: str, length: int) -> str:
    return "".join(secrets.choice(characters) for _ in range(length))


def _new_webhook_secret() -> str:
    """As Standard Webhooks writes them."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _webhook_purpose(client_id: str) -> str:
    return f"webhook:{client_id}"


def _key_purpose(key_id: str) -> str:
    return f"key:{key_id}"


def _check_name(name: str) -> None:
    if not 1 <= len(name.strip()) <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise BadOptionError(f"a client's name is 1 to {MAX_NAME_LENGTH} printable characters")


def _check_scopes(scopes: Sequence[str]) -> None:
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        wrong = f"there is no scope {unknown[0]}" if unknown else "a client needs a scope"
        raise BadOptionError(f"{wrong}; give one or several of {', '.join(SCOPES)}")


def _check_at_least(what: str, least: int, value: int | None) -> None:
    if value is not None and not least <= value < 2**31:
        raise BadOptionError(f"the {what} is a whole number, {least} or more")
