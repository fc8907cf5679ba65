"""What is sealed can be opened by who may, and by nobody else."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from lendface.errors import BadOptionError, SealBrokenError
from lendface.service.sealing import Sealer

FIRST, SECOND = b"1" * 32, b"2" * 32


@given(st.text(), st.text())
def test_what_was_sealed_is_opened(text: str, purpose: str) -> None:
    sealer = Sealer(FIRST)
    assert sealer.unseal(sealer.seal(text, purpose), purpose) == text


def test_the_same_text_is_never_sealed_the_same() -> None:
    sealer = Sealer(FIRST)
    assert len({sealer.seal("text", "p") for _ in range(50)}) == 50


def test_the_sealed_form_is_as_documented() -> None:
    """So that a later version, or another program, can open it."""
    version, body = Sealer(FIRST).seal("käse", "key:1").split(".")
    data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    key = HKDF(SHA256(), length=32, salt=None, info=b"lendface sealing v1").derive(FIRST)
    assert version == "v1"
    assert AESGCM(key).decrypt(data[:12], data[12:], b"key:1").decode() == "käse"


def test_a_text_sealed_by_the_first_version_is_still_opened() -> None:
    sealed = "v1.bh5yweHNxFM_WMB__XC_5Ra9p9aj-ruQYQgB3KenayNUikLaxr2YGAhr"
    assert Sealer(FIRST).unseal(sealed, "key:1") == "kept for years"


def test_another_purpose_does_not_open_it() -> None:
    sealer = Sealer(FIRST)
    with pytest.raises(SealBrokenError):
        sealer.unseal(sealer.seal("text", "key:1"), "key:2")


def test_another_secret_does_not_open_it_and_says_nothing_of_it() -> None:
    sealed = Sealer(FIRST).seal("text", "key:1")
    with pytest.raises(SealBrokenError) as told:
        Sealer(SECOND).unseal(sealed, "key:1")
    assert told.value.code == "seal_broken"
    for private in ("text", "key:1", sealed):
        assert private not in str(told.value)


def test_an_older_secret_opens_but_does_not_seal() -> None:
    sealed = Sealer(FIRST).seal("text", "p")
    renewed = Sealer(SECOND, older=(FIRST,))
    assert renewed.unseal(sealed, "p") == "text"
    assert Sealer(SECOND).unseal(renewed.seal("text", "p"), "p") == "text"


def test_every_changed_byte_breaks_it() -> None:
    sealer = Sealer(FIRST)
    data = base64.urlsafe_b64decode(sealer.seal("texts", "p").removeprefix("v1."))
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(SealBrokenError):
            sealer.unseal(f"v1.{base64.urlsafe_b64encode(changed).decode()}", "p")


@pytest.mark.parametrize("sealed", ["", "v1.", "v1", "v1.AAAA", "text", "v1.***", "v1.ä"])
def test_what_was_never_sealed_is_refused(sealed: str) -> None:
    with pytest.raises(SealBrokenError):
        Sealer(FIRST).unseal(sealed, "p")


def test_another_version_is_refused() -> None:
    sealer = Sealer(FIRST)
    with pytest.raises(SealBrokenError):
        sealer.unseal(sealer.seal("text", "p").replace("v1", "v2"), "p")


@pytest.mark.parametrize("secret", [b"", b"short", b"1" * 31])
def test_a_short_secret_is_refused(secret: bytes) -> None:
    with pytest.raises(BadOptionError, match="at least 32 bytes"):
        Sealer(secret)
    with pytest.raises(BadOptionError, match="at least 32 bytes"):
        Sealer(FIRST, older=(secret,))
