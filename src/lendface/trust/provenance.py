"""Signs finished files with a manifest by C2PA, inside the file or in a sidecar beside it.

Where the library can, the manifest lies inside the file. It cannot in Matroska and WebM; there it
lies in ``<name>.c2pa`` and holds a hash over the whole file. The samples of a film and the pixels
of a picture stay as they are.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import c2pa
import cv2
import numpy as np

from ..errors import BadCredentialsError, SigningError
from ..media.failures import writing
from ..media.output import NAME_BYTES, atomic_output, fitted
from .certificates import Credentials
from .claims import ANY_TYPE, Claim, media_type
from .manifest import ingredient_of, manifest_of
from .metadata import write_source_type

SIDECAR, MANIFEST_TYPE = ".c2pa", "application/c2pa"
INSIDE = frozenset(
    {"video/mp4", "video/quicktime", "image/jpeg", "image/png", "image/webp", "image/gif"}
    | {"image/avif"}
)
RULES = {  # of the library
    # No large film is ever in memory: what is kept of it meanwhile goes to a temporary file, and
    # its samples are hashed in blocks (C2PA, BMFF-based hash: a Merkle tree over mdat). Whole
    # boxes and whole files are read up to 256 MiB at once, two such parts at a time.
    "core": {"backing_store_memory_threshold_in_mb": 32, "merkle_tree_chunk_size_in_kb": 4096},
    # a thumbnail would show people and weighs 250 kB
    "builder": {"thumbnail": {"enabled": False}},
    # a manifest may name an address; nobody else's is ever asked
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": True},
}
SYSTEM_FAULT = re.compile(r"\(os error (\d+)\)")
NO_TIME = "the time stamp authority did not answer; the result was signed without its stamp"
BESIDE = (
    "a file of this kind cannot hold its signed manifest, which lies beside it "
    f"with the ending {SIDECAR}; keep both together"
)

log = logging.getLogger("lendface.trust")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Signs with one certificate; may be used by several threads."""

    credentials: Credentials
    tsa_url: str | None = None  # of a time stamp authority, RFC 3161

    def sign(self, path: Path, claim: Claim, target: Path | None = None) -> list[str]:
        """Sign a finished file; it is replaced at once, or stays as it was. Returns warnings.

        A file that cannot hold a manifest gets one beside it, at ``sidecar_of(path)``. ``target``,
        where it is at hand, is looked at for a manifest of its own, which is then carried on.
        Signing once more replaces what there was. Raises SigningError, DiskFullError, OutputError.
        """
        with writing():
            write_source_type(path, claim.source_type)
        kind = media_type(path)
        warnings = list(self.credentials.notes)
        if kind in INSIDE:
            try:
                return warnings + self._sign_inside(path, kind, claim, target)
            except c2pa.C2paError as fault:  # a file that FFmpeg writes and the library cannot read
                log.warning("no manifest fits into the result", extra={"reason": str(fault)})
        try:
            told = self._sign_beside(path, kind, claim, target)
        except c2pa.C2paError as fault:
            log.error("a result could not be signed", extra={"reason": str(fault)})
            raise SigningError(path.name) from fault
        return [*warnings, *told, BESIDE]

    def check(self) -> None:
        """Sign a picture of nothing: what C2PA will not take is told before there is any work.

        Raises BadCredentialsError.
        """
        claim = Claim(made_ms=0, target_sha256="", target_type=ANY_TYPE)
        source, made = io.BytesIO(_dot()), io.BytesIO()
        try:
            alone = replace(self, tsa_url=None)
            alone._sign(source, made, "image/jpeg", claim, None, embed=True)
        except c2pa.C2paError as fault:
            raise BadCredentialsError(
                f"C2PA does not sign with this certificate: {fault}"
            ) from None

    def _sign_inside(self, path: Path, kind: str, claim: Claim, target: Path | None) -> list[str]:
        with (
            atomic_output(path) as part,
            writing(),
            path.open("rb") as source,
            Output(part) as raw,
            io.BufferedRandom(raw) as made,
        ):
            try:
                _, warnings = self._sign(source, made, kind, claim, target, embed=True)
            except c2pa.C2paError as fault:
                raise raw.fault or system_fault(fault) or fault from None
        return warnings

    def _sign_beside(self, path: Path, kind: str, claim: Claim, target: Path | None) -> list[str]:
        # Another name for the type: what the library knows it would hash by parts it cannot find.
        plain = ANY_TYPE if kind in INSIDE else kind
        with writing(), path.open("rb") as source:
            try:
                manifest, warnings = self._sign(source, Sink(), plain, claim, target, embed=False)
            except c2pa.C2paError as fault:
                raise system_fault(fault) or fault from None
        with atomic_output(sidecar_of(path)) as part, writing():
            part.write_bytes(manifest)
        return warnings

    def _sign(
        self,
        source: BinaryIO,
        made: Any,
        kind: str,
        claim: Claim,
        target: Path | None,
        *,
        embed: bool,
    ) -> tuple[bytes, list[str]]:
        """The manifest, and warnings. Without an answer of the authority: without its stamp."""
        for tsa_url in [self.tsa_url, None] if self.tsa_url else [None]:
            source.seek(0)
            made.seek(0)
            made.truncate()
            with ExitStack() as closing:
                context = closing.enter_context(c2pa.Context.from_dict(RULES))
                builder = closing.enter_context(c2pa.Builder(manifest_of(claim), context=context))
                signer = closing.enter_context(self._signer(tsa_url))
                _add_target(builder, claim, target)
                if not embed:
                    builder.set_no_embed()
                try:
                    manifest = builder.sign(signer, kind, source, made)
                except c2pa.C2paError:
                    if tsa_url is None:
                        raise
                    continue
            return manifest, [NO_TIME] if self.tsa_url and tsa_url is None else []
        raise AssertionError("the last try ends or raises")

    def _signer(self, tsa_url: str | None) -> c2pa.Signer:
        known = self.credentials
        return c2pa.Signer.from_info(
            c2pa.C2paSignerInfo(
                known.algorithm, known.chain_pem.encode(), known.key_pem.encode(), tsa_url
            )
        )


def _dot() -> bytes:
    """A JPEG of one block."""
    return cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()


def sidecar_of(path: Path) -> Path:
    """Where the manifest of a file lies that cannot hold one.

    A name without room for the ending is cut, and told apart from others by its hash.

    >>> sidecar_of(Path("out.mkv")).name
    'out.mkv.c2pa'
    """
    if len(os.fsencode(path.name + SIDECAR)) <= NAME_BYTES:
        return path.with_name(path.name + SIDECAR)
    mark = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]
    return path.with_name(fitted(path.name, f".{mark}{SIDECAR}", NAME_BYTES))


def _add_target(builder: c2pa.Builder, claim: Claim, target: Path | None) -> None:
    """The target as ingredient, with its own manifest where it has one that can be read."""
    known = ingredient_of(claim)
    if target is not None:
        with suppress(c2pa.C2paError, OSError), target.open("rb") as file:
            builder.add_ingredient(known, claim.target_type, file)
            return
    builder.add_ingredient(known, ANY_TYPE, io.BytesIO())


def system_fault(fault: c2pa.C2paError) -> OSError | None:
    """What the library met in its own temporary files, which it tells in words only.

    >>> system_fault(c2pa.C2paError("Io: No space left on device (os error 28)"))
    OSError(28, 'No space left on device')
    """
    told = SYSTEM_FAULT.search(str(fault))
    return OSError(int(told[1]), os.strerror(int(told[1]))) if told else None


class Output(io.FileIO):
    """A file that remembers why it could not be written: the library does not tell."""

    fault: OSError | None = None

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+b")

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as fault:
            self.fault = fault
            raise


class Sink(io.RawIOBase):
    """Takes the copy of a file that nobody needs: its manifest lies beside it."""

    def __init__(self) -> None:
        super().__init__()
        self._at = self._end = 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        return 0

    def write(self, data: Any, /) -> int:
        self._at += len(data)
        self._end = max(self._end, self._at)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        return self._at

    def truncate(self, size: int | None = None, /) -> int:
        self._end = self._at if size is None else size
        return self._end
