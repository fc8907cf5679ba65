"""A sealed file opens to the very bytes, and to nothing at all where it was touched."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lendface.errors import SealBrokenError
from lendface.service.sealed_files import PIECE_BYTES, SEALED_PIECE, sealed, unsealed, unsealed_size
from lendface.service.sealing import Sealer

FIRST, SECOND = b"1" * 32, b"2" * 32
HEAD = 40
SIZES = (0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES)


def some_bytes(size: int) -> bytes:
    return bytes(range(256)) * (size // 256) + bytes(range(size % 256))


def in_chunks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def seal(data: bytes, purpose: str = "scan:1", sealer: Sealer | None = None) -> bytes:
    return b"".join(sealed(sealer or Sealer(FIRST), in_chunks(data, 70_001), purpose))


def unseal(data: bytes, purpose: str = "scan:1", sealer: Sealer | None = None) -> bytes:
    return b"".join(unsealed(sealer or Sealer(FIRST), in_chunks(data, 90_001), purpose))


@pytest.mark.parametrize("size", SIZES)
def test_what_was_sealed_comes_out_again_whatever_its_size(size: int) -> None:
    data = some_bytes(size)
    assert unseal(seal(data)) == data
    assert unsealed_size(len(seal(data))) == size


def test_nothing_of_it_can_be_read_and_no_two_are_alike() -> None:
    data = b"landmarks" * 1000
    assert b"landmarks" not in seal(data)
    assert seal(data) != seal(data)


def test_the_form_is_as_documented() -> None:
    """So that a later version, or another program, can open it."""
    data = seal(b"of a face", "scans/a/b/tracks")
    key = HKDF(SHA256(), length=32, salt=data[8:40], info=b"lendface file v1").derive(FIRST)
    assert data[:8] == b"lf-seal1"
    opened = AESGCM(key).decrypt(bytes(11) + b"\x01", data[40:], b"scans/a/b/tracks")
    assert opened == b"of a face"


@pytest.mark.parametrize("place", [0, 9, HEAD, HEAD + 5, -1])
def test_one_changed_byte_is_found(place: int) -> None:
    data = bytearray(seal(some_bytes(5000)))
    data[place] ^= 1
    with pytest.raises(SealBrokenError):
        unseal(bytes(data))


def test_pieces_cannot_be_cut_off_left_out_or_moved() -> None:
    data = seal(some_bytes(3 * PIECE_BYTES + 5))
    cuts = [HEAD + SEALED_PIECE * n for n in range(4)]
    head, pieces = data[:HEAD], [data[a:b] for a, b in pairwise([*cuts, len(data)])]
    for wrong in ([*pieces[:3]], [*pieces[1:]], [pieces[1], pieces[0], *pieces[2:]], []):
        with pytest.raises(SealBrokenError):
            unseal(head + b"".join(wrong))


@pytest.mark.parametrize("data", [b"", b"lf-seal1", b"lf-scan\n" + bytes(100)])
def test_what_was_never_sealed_is_refused(data: bytes) -> None:
    with pytest.raises(SealBrokenError):
        unseal(data)


def test_another_purpose_or_secret_does_not_open_it_but_an_older_secret_does() -> None:
    data = seal(some_bytes(PIECE_BYTES + 9))
    with pytest.raises(SealBrokenError):
        unseal(data, "scan:2")
    with pytest.raises(SealBrokenError):
        unseal(data, sealer=Sealer(SECOND))
    assert unseal(data, sealer=Sealer(SECOND, (FIRST,))) == some_bytes(PIECE_BYTES + 9)


def test_what_chunks_raise_comes_out() -> None:
    def failing() -> Iterator[bytes]:
        yield b"a"
        raise io.UnsupportedOperation

    with pytest.raises(io.UnsupportedOperation):
        list(sealed(Sealer(FIRST), failing(), "p"))
