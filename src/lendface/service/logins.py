"""Logins of clients that prove who they are by RSA: one vendor's older clients do.

What such a client calls its secret key is the public part of a pair; it encrypts its id and the
time with it. The private part stays here, sealed. So whoever has the public part can log in, and
nothing else can be done with either.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from ..errors import BadOptionError, KeyRefusedError, LoginRefusedError, NotFoundError
from ..storage.database import lock_row
from ..storage.tables import clients, used_logins
from ..trust.audit import OPERATOR
from . import audit
from .clients import Desk, find_client

KEY_BITS = 1024  # as the vendor's clients know it; its public part is the secret
FRESH_MS = 3600 * 1000  # how far a client's clock may be off
PLAIN = re.compile(r"client_id=([^&]{1,200})&timestamp=([0-9]{1,15})")
PADDINGS = (
    padding.PKCS1v15(),
    *(padding.OAEP(padding.MGF1(hash_()), hash_(), None) for hash_ in (SHA1, SHA256)),
)


def login_secret_of(
    desk: Desk,
    client_id: str,
    *,
    renew: bool = False,
    make: Callable[[], RSAPrivateKey] = lambda: generate_private_key(65537, KEY_BITS),
) -> str:
    """A client's RSA secret: base64 of the public part (DER, SPKI). Made when first asked for.

    ``renew`` makes another, and the one before opens nothing any more. Raises NotFoundError,
    BadOptionError for a client that is revoked, SealBrokenError.
    """
    with desk.database.writing() as connection:
        row = lock_row(connection, clients, client_id)
        if row is None:
            raise NotFoundError("client")
        if row.revoked_ms is not None:
            raise BadOptionError("this client is revoked; create a new one")
        if row.login_key and not renew:
            return _secret_of(_unsealed(desk, client_id, row.login_key))
        pair = make()
        connection.execute(
            clients.update()
            .where(clients.c.id == client_id)
            .values(login_key=_sealed(desk, client_id, pair))
        )
        told = ("login.renewed", client_id, client_id, {}, desk.now_ms(), OPERATOR)
        audit.record(connection, *told)
        return _secret_of(pair)


def check_login(desk: Desk, name: str, id_token: str) -> str:
    """The id of the client who logs in as ``name``: by that id, or by one of its keys, as the
    vendor's clients do, who know of no other id.

    ``id_token`` is base64 of ``client_id=NAME&timestamp=MS``, encrypted; it is good once.
    Raises LoginRefusedError, whatever the reason; SealBrokenError.
    """
    try:
        client_id = find_client(desk, name).id
    except KeyRefusedError:
        client_id = name
    query = sa.select(clients.c.login_key).where(
        clients.c.id == client_id, clients.c.revoked_ms.is_(None)
    )
    with desk.database.reading() as connection:
        sealed = connection.execute(query).scalar()
    if not sealed:
        raise LoginRefusedError
    pair, data, now_ms = _unsealed(desk, client_id, sealed), _data_of(id_token), desk.now_ms()
    texts = (_decrypted(pair, data, each) for each in PADDINGS)
    times = (_time_of(text, name) for text in texts)
    at_ms = next((at for at in times if at is not None), None)
    if at_ms is None or abs(at_ms - now_ms) > FRESH_MS:
        raise LoginRefusedError
    _use_up(desk, data, at_ms + FRESH_MS, now_ms)
    return client_id


def _use_up(desk: Desk, data: bytes, until_ms: int, now_ms: int) -> None:
    """Remember a login for as long as it would be good. Raises LoginRefusedError for a second.

    Of its bytes, not of what they say: who has the secret can encrypt the same once more, and two
    processes of one client may well do so in the same millisecond.
    """
    row = {"hash": hashlib.sha256(data).hexdigest(), "until_ms": until_ms}
    try:
        with desk.database.writing() as connection:
            connection.execute(used_logins.delete().where(used_logins.c.until_ms < now_ms))
            connection.execute(used_logins.insert().values(**row))
    except sa.exc.IntegrityError:
        raise LoginRefusedError from None


def _time_of(text: str, name: str) -> int | None:
    """When the client says it is; None where it says nothing of the kind."""
    found = PLAIN.fullmatch(text)
    return int(found[2]) if found and found[1] == name else None


def _data_of(id_token: str) -> bytes:
    """Empty where it is no base64."""
    try:
        return base64.b64decode("".join(id_token.split()), validate=True)
    except ValueError:
        return b""


def _decrypted(pair: RSAPrivateKey, data: bytes, how: padding.AsymmetricPadding) -> str:
    """Empty, or noise, where it is not ours."""
    try:
        return pair.decrypt(data, how).decode("ascii")
    except ValueError:
        return ""


def _secret_of(pair: RSAPrivateKey) -> str:
    public = pair.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(public).decode()


def _sealed(desk: Desk, client_id: str, pair: RSAPrivateKey) -> str:
    private = pair.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return desk.sealer.seal(base64.b64encode(private).decode(), _purpose(client_id))


def _unsealed(desk: Desk, client_id: str, sealed: str) -> RSAPrivateKey:
    private = base64.b64decode(desk.sealer.unseal(sealed, _purpose(client_id)))
    pair = load_der_private_key(private, None)
    assert isinstance(pair, RSAPrivateKey)
    return pair


def _purpose(client_id: str) -> str:
    return f"login:{client_id}"
