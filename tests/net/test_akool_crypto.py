"""Akool's envelope: vectors that two other libraries and two real receivers agreed on."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from lendface.errors import BadOptionError
from lendface.net.akool_crypto import akool_encrypt, akool_envelope, akool_signature


@dataclass(frozen=True)
class Vector:
    client_id: str
    client_secret: str
    timestamp_ms: int
    nonce: str
    plaintext: bytes
    data_encrypt: str
    signature: str


A = Vector(
    "ZGVtby1jbGllbnQtMDAwMQ==",
    "ZGVtby1zZWNyZXQtZm9yLXRlc3Rpbmcx",
    1767225600123,
    "4821",
    b'{"_id":"65f7d2a1c4b8e90012ab34cd","status":3,"type":"faceswap",'
    b'"url":"https://swap.example.test/r/65f7d2a1c4b8e90012ab34cd.mp4"}',
    "SyRtOCJG//AM4HZg7rZP4MBIsDWwK7bFaoIv8t41nA4PXe6e//kzfmX0Rf2MSXHtCdV34cXnu9kaFPRuRJjay+7Kyf5g"
    "zC61byWwBdfCMFU/tfUE0biEvy1Rs69Hycg74joQnpj9gybN12C34Z3boqX6UApNhFtL8QJRyVw8oKpnWexsGHeUc7Iz"
    "uYXmA2DP",
    "7a226bdc1a5a61d9f1ab61e45de16fa4e29987c3",
)
B = Vector(
    "democlient123456",
    "demo-secret-24-chars-abc",
    1767225600456,
    "0731",
    b'{"_id":"65f7d2a1c4b8e90012ab34ce","status":2,"type":"faceswap","url":""}',
    "23Sy2jyrXbk4VUtTcJCkH3dv0dd/iK2YIFpGoP1K0nahR2S/AXKt5f5N0DKYIbdPGAGPqx1gbPaIg8MIMRoWBOXyFYPl"
    "lYNoV2GFknUTaec=",
    "fd228f91f63063e878a9c0f40db5e8cf2b141a1d",
)
VECTORS = pytest.mark.parametrize("vector", [A, B], ids=["aes-256", "aes-192"])


@VECTORS
def test_the_known_envelopes_come_out(vector: Vector) -> None:
    envelope = akool_envelope(
        vector.client_id,
        vector.client_secret,
        vector.plaintext,
        vector.timestamp_ms,
        vector.nonce,
    )
    assert envelope == {
        "signature": vector.signature,
        "dataEncrypt": vector.data_encrypt,
        "timestamp": vector.timestamp_ms,
        "nonce": vector.nonce,
    }


def test_the_ciphertext_is_padded_to_blocks_of_sixteen() -> None:
    assert (len(A.plaintext), len(base64.b64decode(A.data_encrypt))) == (128, 144)
    assert (len(B.plaintext), len(base64.b64decode(B.data_encrypt))) == (72, 80)


@VECTORS
def test_a_receiver_of_its_own_making_reads_it(vector: Vector) -> None:
    assert decrypt(vector.client_id, vector.client_secret, vector.data_encrypt) == vector.plaintext


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs the openssl program")
@VECTORS
def test_the_openssl_program_reads_it(vector: Vector) -> None:
    key = vector.client_secret.encode()
    words = ["openssl", "enc", "-d", f"-aes-{len(key) * 8}-cbc", "-K", key.hex()]
    words += ["-iv", vector.client_id.encode()[:16].hex()]
    sent = base64.b64decode(vector.data_encrypt)
    assert subprocess.run(words, input=sent, capture_output=True, check=True).stdout == (
        vector.plaintext
    )


@VECTORS
def test_one_flipped_character_breaks_the_signature(vector: Vector) -> None:
    flipped = ("A" if vector.data_encrypt[0] != "A" else "B") + vector.data_encrypt[1:]
    signed = (vector.client_id, vector.timestamp_ms, vector.nonce)
    assert akool_signature(*signed, vector.data_encrypt) == vector.signature
    assert akool_signature(*signed, flipped) != vector.signature


@VECTORS
def test_another_time_nonce_or_client_breaks_the_signature(vector: Vector) -> None:
    one, two, three = vector.client_id, vector.timestamp_ms, vector.nonce
    for changed in ((one + "x", two, three), (one, two + 1, three), (one, two, three + "1")):
        assert akool_signature(*changed, vector.data_encrypt) != vector.signature


@VECTORS
def test_another_secret_reads_nothing(vector: Vector) -> None:
    wrong = "x" + vector.client_secret[1:]
    with pytest.raises(ValueError):
        json.loads(decrypt(vector.client_id, wrong, vector.data_encrypt))
    assert akool_encrypt(vector.client_id, wrong, vector.plaintext) != vector.data_encrypt


def test_the_four_strings_are_sorted_by_their_bytes() -> None:
    joined = "0731" + "1767225600456" + B.data_encrypt + "democlient123456"
    assert hashlib.sha1(joined.encode()).hexdigest() == B.signature
    upper_first = hashlib.sha1(b"1" + b"B" + b"Z" + b"a").hexdigest()
    assert akool_signature("a", 1, "Z", "B") == upper_first


def test_a_short_client_id_is_filled_up_with_zeros() -> None:
    sent = akool_encrypt("short", B.client_secret, B.plaintext)
    assert decrypt("short", B.client_secret, sent) == B.plaintext
    assert sent == akool_encrypt("short" + "\0" * 11, B.client_secret, B.plaintext)


@pytest.mark.parametrize("client_secret", ["", "short", "x" * 15, "x" * 33, "ä" * 10])
def test_a_secret_that_is_no_key_is_refused_and_not_repeated(client_secret: str) -> None:
    with pytest.raises(BadOptionError, match="16, 24 or 32 bytes") as refused:
        akool_encrypt(A.client_id, client_secret, b"")
    assert not client_secret or client_secret not in str(refused.value)


@given(st.binary(max_size=100))
def test_any_message_comes_back(plaintext: bytes) -> None:
    sent = akool_encrypt(A.client_id, A.client_secret, plaintext)
    assert decrypt(A.client_id, A.client_secret, sent) == plaintext


def decrypt(client_id: str, client_secret: str, data_encrypt: str) -> bytes:
    """As a receiver does it: the padding taken off by hand, and looked at."""
    key, iv = client_secret.encode(), client_id.encode()[:16].ljust(16, b"\0")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    padded = decryptor.update(base64.b64decode(data_encrypt, validate=True)) + decryptor.finalize()
    count = padded[-1]
    if not 1 <= count <= 16 or padded[-count:] != bytes([count]) * count:
        raise ValueError("the padding is wrong")
    return padded[:-count]
