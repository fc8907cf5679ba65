"""Logins by RSA, as older clients of one vendor make them."""

from __future__ import annotations

import base64

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from desks import DeskOfTests
from lendface.errors import BadOptionError, LoginRefusedError, NotFoundError
from lendface.service.clients import create_client, revoke_client
from lendface.service.logins import check_login, login_secret_of
from lendface.storage.database import Database
from lendface.storage.tables import audit, clients, used_logins

PKCS1 = padding.PKCS1v15()
OAEP_SHA1 = padding.OAEP(padding.MGF1(SHA1()), SHA1(), None)
OAEP_SHA256 = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)


@pytest.fixture
def desk(database: Database) -> DeskOfTests:
    return DeskOfTests(database)


@pytest.fixture
def client_id(desk: DeskOfTests) -> str:
    return create_client(desk, "Anna").client_id


def encrypt(secret: str, text: str, how: padding.AsymmetricPadding = PKCS1) -> str:
    """What a client makes of its secret."""
    public = load_der_public_key(base64.b64decode(secret))
    assert isinstance(public, RSAPublicKey)
    return base64.b64encode(public.encrypt(text.encode(), how)).decode()


def test_the_secret_is_the_public_part_of_a_pair_of_1024_bits(
    desk: DeskOfTests, client_id: str
) -> None:
    public = load_der_public_key(base64.b64decode(login_secret_of(desk, client_id)))
    assert isinstance(public, RSAPublicKey)
    assert public.key_size == 1024


@pytest.mark.parametrize("how", [PKCS1, OAEP_SHA1, OAEP_SHA256], ids=["PKCS1", "SHA1", "SHA256"])
def test_a_login_is_taken_in_every_padding(
    desk: DeskOfTests, client_id: str, how: padding.AsymmetricPadding
) -> None:
    text = f"client_id={client_id}&timestamp={desk.now_ms()}"
    check_login(desk, client_id, encrypt(login_secret_of(desk, client_id), text, how))


@pytest.mark.parametrize("off_s", [-3600, 3600])
def test_a_clock_may_be_off_by_an_hour(desk: DeskOfTests, client_id: str, off_s: int) -> None:
    secret = login_secret_of(desk, client_id)
    for more_s, is_taken in ((0, True), (1 if off_s > 0 else -1, False)):
        ms = desk.now_ms() + (off_s + more_s) * 1000
        token = encrypt(secret, f"client_id={client_id}&timestamp={ms}")
        if is_taken:
            check_login(desk, client_id, token)
        else:
            with pytest.raises(LoginRefusedError):
                check_login(desk, client_id, token)


@pytest.mark.parametrize(
    "text",
    [
        "client_id=somebodyelse0000&timestamp={now}",
        "client_id={me}",
        "client_id={me}&timestamp=now",
        "client_id={me}&timestamp={now}&more=1",
        "timestamp={now}&client_id={me}",
        "",
    ],
)
def test_another_text_is_refused(desk: DeskOfTests, client_id: str, text: str) -> None:
    token = encrypt(login_secret_of(desk, client_id), text.format(me=client_id, now=desk.now_ms()))
    with pytest.raises(LoginRefusedError):
        check_login(desk, client_id, token)


@pytest.mark.parametrize("token", ["", "a", "ä", "AAAA", "AAAA" * 43, "=" * 172, "\0"])
def test_what_was_not_encrypted_is_refused(desk: DeskOfTests, client_id: str, token: str) -> None:
    login_secret_of(desk, client_id)
    with pytest.raises(LoginRefusedError):
        check_login(desk, client_id, token)


def test_another_clients_secret_opens_nothing(desk: DeskOfTests, client_id: str) -> None:
    other = create_client(desk, "Otto").client_id
    token = encrypt(
        login_secret_of(desk, other), f"client_id={client_id}&timestamp={desk.now_ms()}"
    )
    login_secret_of(desk, client_id)
    with pytest.raises(LoginRefusedError):
        check_login(desk, client_id, token)


def test_who_has_no_pair_is_refused_and_gets_none(desk: DeskOfTests, client_id: str) -> None:
    for name in (client_id, "nobody"):
        with pytest.raises(LoginRefusedError):
            check_login(desk, name, "AAAA")
    with desk.database.reading() as connection:
        assert connection.execute(sa.select(clients.c.login_key)).scalars().all() == [None]


def test_the_secret_stays_until_it_is_renewed(desk: DeskOfTests, client_id: str) -> None:
    first = login_secret_of(desk, client_id)
    assert login_secret_of(desk, client_id) == first
    text = f"client_id={client_id}&timestamp={desk.now_ms()}"
    second = login_secret_of(desk, client_id, renew=True)
    assert second != first
    check_login(desk, client_id, encrypt(second, text))
    with pytest.raises(LoginRefusedError):
        check_login(desk, client_id, encrypt(first, text))


def test_a_revoked_client_neither_logs_in_nor_gets_a_pair(
    desk: DeskOfTests, client_id: str
) -> None:
    secret = login_secret_of(desk, client_id)
    token = encrypt(secret, f"client_id={client_id}&timestamp={desk.now_ms()}")
    revoke_client(desk, client_id)
    with pytest.raises(LoginRefusedError):
        check_login(desk, client_id, token)
    with pytest.raises(BadOptionError, match="revoked"):
        login_secret_of(desk, client_id)
    with pytest.raises(NotFoundError):
        login_secret_of(desk, "nobody")


def test_neither_part_lies_in_the_database(desk: DeskOfTests, client_id: str) -> None:
    secret = login_secret_of(desk, client_id)
    with desk.database.reading() as connection:
        sealed = str(connection.execute(sa.select(clients.c.login_key)).scalar())
        told = str(connection.execute(sa.select(audit.c.detail)).all())
    assert sealed.startswith("v1.")
    assert secret not in told
    assert secret not in sealed


# Once


def login(desk: DeskOfTests, client_id: str) -> str:
    text = f"client_id={client_id}&timestamp={desk.now_ms()}"
    return encrypt(login_secret_of(desk, client_id), text)


def test_a_login_is_good_once(desk: DeskOfTests, client_id: str) -> None:
    token = login(desk, client_id)
    check_login(desk, client_id, token)
    for spelling in (token, f" {token[:20]}\n{token[20:]} ", f"{token}\n"):
        with pytest.raises(LoginRefusedError):
            check_login(desk, client_id, spelling)
    check_login(desk, client_id, login(desk, client_id))  # the same text, encrypted once more


def test_a_login_has_no_second_spelling(desk: DeskOfTests, client_id: str) -> None:
    """128 bytes of base64 end in a letter of which two bits say nothing."""
    token = login(desk, client_id)
    check_login(desk, client_id, token)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for letter in letters:
        with pytest.raises(LoginRefusedError):
            check_login(desk, client_id, f"{token[:-2]}{letter}=")


def test_all_processes_know_which_logins_were_used(desk: DeskOfTests, client_id: str) -> None:
    token = login(desk, client_id)
    check_login(desk, client_id, token)
    other_process = Database(desk.database.url)
    try:
        with pytest.raises(LoginRefusedError):
            check_login(DeskOfTests(other_process, desk.clock), client_id, token)
    finally:
        other_process.close()


def test_a_used_login_is_remembered_for_as_long_as_it_is_fresh(
    desk: DeskOfTests, client_id: str
) -> None:
    desk.clock.pass_s(3600)  # the client's clock is an hour ahead
    token = login(desk, client_id)
    desk.clock.pass_s(-3600)
    check_login(desk, client_id, token)
    for _ in range(2):
        desk.clock.pass_s(3600)
        check_login(desk, client_id, login(desk, client_id))
        with pytest.raises(LoginRefusedError):
            check_login(desk, client_id, token)
    desk.clock.pass_s(2 * 3600)
    check_login(desk, client_id, login(desk, client_id))
    with desk.database.reading() as connection:
        kept = connection.execute(sa.select(used_logins.c.until_ms)).scalars().all()
    assert kept == [desk.now_ms() + 3600_000]
