"""Large things at rest, such as what a scan knows of faces: sealed as a stream of pieces.

A sealed file is

    b"lf-seal1"  salt (32 bytes)  pieces

Each piece is up to 1 MiB, sealed by AES-256-GCM with a key that HKDF-SHA256 derives from the
server's secret and the salt, so it is this file's alone. A piece's nonce is its number (11 bytes,
big-endian) and whether it is the last (1 byte), by which nothing can be cut off, left out or moved:
the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015. The purpose is
authenticated with each.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import SealBrokenError
from .sealing import TAG_BYTES, Sealer

MAGIC = b"lf-seal1"
SALT_BYTES = 32
PIECE_BYTES = 1 << 20
HEAD_BYTES = len(MAGIC) + SALT_BYTES
SEALED_PIECE = PIECE_BYTES + TAG_BYTES


def sealed(sealer: Sealer, chunks: Iterable[bytes], purpose: str) -> Iterator[bytes]:
    """The sealed form of what ``chunks`` are together; ``purpose`` as of ``Sealer.seal``."""
    salt = secrets.token_bytes(SALT_BYTES)
    cipher = next(sealer.file_ciphers(salt))
    yield MAGIC + salt
    for number, (piece, is_last) in enumerate(_pieces(chunks, PIECE_BYTES)):
        yield cipher.encrypt(_nonce(number, is_last), piece, purpose.encode())


def unsealed(sealer: Sealer, chunks: Iterable[bytes], purpose: str) -> Iterator[bytes]:
    """What was sealed, piece by piece. Raises SealBrokenError, perhaps after some pieces: nothing
    may be believed before the end."""
    rest = iter(chunks)
    head = bytearray()
    while len(head) < HEAD_BYTES:
        head += next(rest, b"") or _broken()
    if head[: len(MAGIC)] != MAGIC:
        raise SealBrokenError
    salt = bytes(head[len(MAGIC) : HEAD_BYTES])
    ciphers = list(sealer.file_ciphers(salt))
    after_head = _joined(bytes(head[HEAD_BYTES:]), rest)
    for number, (piece, is_last) in enumerate(_pieces(after_head, SEALED_PIECE)):
        cipher, opened = _opened(ciphers, _nonce(number, is_last), piece, purpose)
        ciphers = [cipher]
        yield opened


def unsealed_size(size: int) -> int:
    """How many bytes are inside a sealed file of ``size``.

    >>> unsealed_size(40 + 16), unsealed_size(40 + 3 + 16), unsealed_size(40 + 2**20 + 1 + 2 * 16)
    (0, 3, 1048577)
    """
    body = max(size - HEAD_BYTES, 0)
    return max(body - TAG_BYTES * -(-body // SEALED_PIECE), 0)


def _opened(
    ciphers: list[AESGCM], nonce: bytes, piece: bytes, purpose: str
) -> tuple[AESGCM, bytes]:
    for cipher in ciphers:
        try:
            return cipher, cipher.decrypt(nonce, piece, purpose.encode())
        except InvalidTag:
            continue
    raise SealBrokenError


def _pieces(chunks: Iterable[bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """Pieces of ``size`` bytes and whether it is the last, which may be shorter, or empty."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) > size:  # a full one waits, for it may be the last
            yield bytes(held[:size]), False
            del held[:size]
    yield bytes(held), True


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _broken() -> bytes:
    raise SealBrokenError
