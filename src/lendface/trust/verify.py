"""Reads the provenance of a file, whoever signed it, and tells in words whether it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import c2pa

from ..errors import UnreadableMediaError
from ..media.failures import check_readable, reading
from .claims import REPLACED, media_type
from .manifest import SWAP
from .metadata import find_source_type
from .provenance import SIDECAR, sidecar_of

State = Literal["trusted", "valid", "invalid", "none"]
STATES: Mapping[str, State] = {"Trusted": "trusted", "Valid": "valid", "Invalid": "invalid"}
MOST_SIDECAR = 64 << 20  # bytes

HEADLINES: Mapping[State, str] = {
    "trusted": "as it was when it was signed, and the signer is known here",
    "valid": "as it was when it was signed; the signer is not known here",
    "invalid": "NOT as it was when it was signed, or its signature does not hold",
    "none": "without a manifest; that says nothing about how it was made",
}
WORDS_BY_CODE: Mapping[str, str] = {
    "assertion.bmffHash.mismatch": "the film was changed after it was signed",
    "assertion.dataHash.mismatch": "the file was changed after it was signed",
    "assertion.boxesHash.mismatch": "the file was changed after it was signed",
    "assertion.hashedURI.mismatch": "a statement of the manifest was changed after it was signed",
    "assertion.missing": "a statement of the manifest is missing",
    "claim.missing": "the manifest has lost its claim",
    "claimSignature.mismatch": "the signature does not fit the claim",
    "claimSignature.missing": "the signature is missing",
    "claimSignature.outsideValidity": "it was signed when the certificate was not valid",
    "signingCredential.expired": "the certificate has expired, and no time stamp shows that it "
    "was signed before",
    "signingCredential.invalid": "the certificate is not one that may sign such manifests",
    "signingCredential.revoked": "the certificate was revoked",
    "signingCredential.untrusted": "nobody vouches for the certificate here",
    "timeStamp.mismatch": "the time stamp belongs to something else",
    "timeStamp.untrusted": "nobody vouches for the time stamp here",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not hold, by C2PA's code and in words."""

    code: str
    words: str


UNREADABLE = Problem("manifest.unreadable", "the file or its manifest is damaged")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the provenance of a file says, and whether it holds."""

    name: str
    state: State
    problems: tuple[Problem, ...] = ()
    signer: str | None = None  # as the certificate names it
    stamped_at: str | None = None  # by a time stamp authority; ISO 8601
    is_stamp_trusted: bool = False  # whether a known root vouches for that authority
    generator: str | None = None  # the program that made the manifest
    source_types: tuple[str, ...] = ()  # of its actions, URIs of the IPTC
    actions: tuple[str, ...] = ()  # descriptions of what was done, in order
    swap: Mapping[str, Any] | None = None  # what lendface said of a swap
    is_beside: bool = False  # the manifest lies in a file beside it
    xmp_source_type: str | None = None  # what plain metadata says, signed or not

    @property
    def holds(self) -> bool:
        """There is a manifest, and the file is as it was when it was signed."""
        return self.state in ("trusted", "valid")

    @property
    def is_face_swap(self) -> bool:
        """The manifest says that AI changed it in parts, as lendface says of each swap."""
        return REPLACED in self.source_types

    def explain(self) -> list[str]:
        """Lines for people."""
        return list(_lines(self))


def verify(path: str | Path, *, anchors: Sequence[str] = ()) -> Verdict:
    """What the provenance of a file says; nothing is asked of the network.

    ``anchors`` are certificates, PEM, whose owners are trusted to vouch for signers.
    Raises FileMissingError, EmptyFileError, UnreadableMediaError, and nothing about a manifest
    that is damaged: that is a verdict.
    """
    path = Path(path)
    check_readable(path)
    with reading(path.name):
        found = find_source_type(path)
        beside = _read_sidecar(path)
        rules: dict[str, Any] = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
        if anchors:
            rules["trust"] = {"user_anchors": "\n".join(anchors)}
        try:
            store = _read(path, None, rules)
            if store is None and beside is not None:
                store = _read(path, beside, rules)
            else:
                beside = None
        except c2pa.C2paError:
            return Verdict(path.name, "invalid", (UNREADABLE,), xmp_source_type=found)
    if store is None:
        return Verdict(path.name, "none", xmp_source_type=found)
    return _judge(path.name, store, found, is_beside=beside is not None)


def _read(path: Path, manifest: bytes | None, rules: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest store as plain values; None where the file holds none, or cannot."""
    with c2pa.Context.from_dict(rules) as context, path.open("rb") as file:
        try:
            reader = c2pa.Reader(media_type(path), file, manifest, context=context)
        except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
            return None
        with reader:
            return json.loads(reader.json())


def _read_sidecar(path: Path) -> bytes | None:
    """Beside the name, or beside what a link of that name leads to."""
    beside = sidecar_of(path)
    if not beside.is_file():
        beside = sidecar_of(path.resolve())
    if not beside.is_file():
        return None
    if beside.stat().st_size > MOST_SIDECAR:
        raise UnreadableMediaError(beside.name, "it is too large for a manifest")
    return beside.read_bytes()


def _judge(name: str, store: dict[str, Any], found: str | None, *, is_beside: bool) -> Verdict:
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    said = {part["label"]: part["data"] for part in manifest.get("assertions", ())}
    actions = said.get("c2pa.actions.v2", said.get("c2pa.actions", {})).get("actions", ())
    signature = manifest.get("signature_info", {})
    makers = manifest.get("claim_generator_info") or [{}]
    return Verdict(
        name=name,
        state=STATES.get(store.get("validation_state", ""), "invalid"),
        problems=tuple(_problems(store)),
        signer=signature.get("common_name") or signature.get("issuer"),
        stamped_at=signature.get("time"),
        is_stamp_trusted=_is_stamp_trusted(store),
        generator=" ".join(filter(None, (makers[0].get("name"), makers[0].get("version")))) or None,
        source_types=tuple(a["digitalSourceType"] for a in actions if "digitalSourceType" in a),
        actions=tuple(a.get("description") or a["action"] for a in actions),
        swap=said.get(SWAP),
        is_beside=is_beside,
        xmp_source_type=found,
    )


def _problems(store: dict[str, Any]) -> Iterator[Problem]:
    told = set()
    for status in store.get("validation_status") or ():
        code = status.get("code", "")
        if code not in told:
            told.add(code)
            yield Problem(code, WORDS_BY_CODE.get(code, status.get("explanation") or code))


def _is_stamp_trusted(store: dict[str, Any]) -> bool:
    found = store.get("validation_results", {}).get("activeManifest", {}).get("success", ())
    return any(status.get("code") == "timeStamp.trusted" for status in found)


# In words


def _lines(verdict: Verdict) -> Iterator[str]:
    yield f"{verdict.name} is {HEADLINES[verdict.state]}"
    yield from (f"  {problem.words} [{problem.code}]" for problem in verdict.problems)
    if verdict.state == "none":
        if verdict.xmp_source_type:
            word = verdict.xmp_source_type.rpartition("/")[2]
            yield f"  its metadata, which anybody can write, say {word}"
        return
    if verdict.is_beside:
        yield f"  the manifest lies beside it, in {verdict.name}{SIDECAR}"
    if verdict.actions and not verdict.holds:
        yield "  what follows cannot be relied on"
    for name, value in _facts(verdict):
        yield f"  {name:12} {value}"


def _facts(verdict: Verdict) -> Iterator[tuple[str, str]]:
    if verdict.signer:
        yield "signed by", verdict.signer
    if verdict.stamped_at:
        doubt = "" if verdict.is_stamp_trusted else " (nobody vouches for that clock here)"
        yield "time stamp", verdict.stamped_at + doubt
    if verdict.generator:
        yield "made with", verdict.generator
    yield from (("what", action) for action in verdict.actions if action != "c2pa.opened")
    yield from (("source type", uri.rpartition("/")[2]) for uri in verdict.source_types)
    yield from _swap_facts(verdict.swap or {})


def _swap_facts(swap: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, name in (
        ("made_at", "when"),
        ("engine", "engine"),
        ("people", "people"),
        ("consent", "consent"),
        ("target_sha256", "target"),
    ):
        if key in swap:
            yield name, str(swap[key])
    for model in swap.get("models", ()):
        name = "judged by" if model.get("use") == "gate" else "model"
        yield name, f"{model.get('id')} ({model.get('licence')})"
    for name, value in swap.get("lowered_guards", {}).items():
        yield "guard", f"{name} {json.dumps(value, ensure_ascii=False)}"
    for name, value in swap.get("parameters", {}).items():
        yield "setting", f"{name} {json.dumps(value, ensure_ascii=False)}"
