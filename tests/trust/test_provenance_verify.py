"""What ``verify`` makes of a manifest: whether it holds, and in which words."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lendface.errors import EmptyFileError, FileMissingError, UnreadableMediaError
from lendface.trust.claims import DRAWN_OVER, REPLACED, Claim
from lendface.trust.metadata import write_source_type
from lendface.trust.provenance import Provenance, sidecar_of
from lendface.trust.verify import verify
from trust.conftest import BESIDE, INSIDE

Sign = Callable[[str], Path]


@pytest.fixture
def signed(originals: Path, tmp_path: Path, provenance: Provenance, claim: Claim) -> Sign:
    """A signed file with that ending."""

    def made(ending: str) -> Path:
        path = Path(shutil.copy(originals / f"out.{ending}", tmp_path))
        provenance.sign(path, claim)
        return path

    return made


def change(path: Path, at: int, flip: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= flip
    path.write_bytes(data)


@pytest.mark.parametrize("ending", [*INSIDE, *BESIDE])
def test_an_untouched_file_is_explained(ending: str, signed: Sign, root: str) -> None:
    verdict = verify(signed(ending), anchors=[root])
    assert (verdict.state, verdict.problems) == ("trusted", ())
    assert verdict.holds
    assert verdict.is_face_swap
    assert verdict.is_beside == (ending in BESIDE)
    assert verdict.xmp_source_type == (None if ending in BESIDE else REPLACED)
    text = "\n".join(verdict.explain())
    assert f"out.{ending} is as it was when it was signed, and the signer is known here" in text
    for part in (
        "Faces were replaced by AI.",
        "compositeWithTrainedAlgorithmicMedia",
        "signed by    lendface development signer",
        "model        yunet (MIT)",
        "people       2",
        "consent      consent-7",
        'setting      skin_tone "mix"',
        "2026-09-21T14:13:20Z",
    ):
        assert part in text


def test_without_the_root_the_file_holds_and_the_signer_is_unknown(signed: Sign) -> None:
    verdict = verify(signed("mp4"))
    assert (verdict.state, verdict.holds) == ("valid", True)
    assert [problem.code for problem in verdict.problems] == ["signingCredential.untrusted"]
    assert "nobody vouches for the certificate here" in verdict.explain()[1]


@pytest.mark.parametrize("ending", [*INSIDE, *BESIDE])
def test_a_changed_file_is_called_changed(ending: str, signed: Sign, root: str) -> None:
    path = signed(ending)
    size = path.stat().st_size
    change(path, size - size // 8 if ending != "webp" else size // 2)
    verdict = verify(path, anchors=[root])
    assert (verdict.state, verdict.holds) == ("invalid", False)
    text = "\n".join(verdict.explain())
    assert "NOT as it was" in text
    assert "was changed after it was signed" in text
    assert "what follows cannot be relied on" in text


def test_whichever_byte_is_changed_nothing_false_is_believed(signed: Sign, root: str) -> None:
    """C2PA leaves out the brand of the file, free space and the room after the signature; in
    whatever is believed, what is said is the same."""
    path = signed("mp4")
    data, before = path.read_bytes(), verify(path, anchors=[root])
    unseen = 0
    for at in range(0, len(data), 97):
        changed = bytearray(data)
        changed[at] ^= 1
        path.write_bytes(changed)
        verdict = verify(path, anchors=[root])
        if verdict.state == "trusted":
            unseen += 1
            assert verdict == before
    assert unseen * 97 < 2_000


def test_a_file_that_ends_early_does_not_hold(signed: Sign, root: str) -> None:
    for ending in INSIDE:
        path = signed(ending)
        path.write_bytes(path.read_bytes()[:-100])
        assert not verify(path, anchors=[root]).holds


def test_a_statement_that_was_changed_is_found(signed: Sign, root: str) -> None:
    path = signed("mp4")
    change(path, path.read_bytes().find(b"consent-7"))
    verdict = verify(path, anchors=[root])
    assert verdict.state == "invalid"
    assert "a statement of the manifest was changed" in "\n".join(verdict.explain())


def test_a_file_without_a_manifest_is_not_judged(originals: Path, tmp_path: Path) -> None:
    for ending in (*INSIDE, *BESIDE):
        verdict = verify(originals / f"out.{ending}")
        assert (verdict.state, verdict.holds, verdict.is_face_swap) == ("none", False, False)
    text = tmp_path / "notes.txt"
    text.write_text("nothing")
    assert verify(text).explain() == [
        "notes.txt is without a manifest; that says nothing about how it was made"
    ]


def test_metadata_alone_are_told_and_proves_nothing(originals: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(originals / "out.jpg", tmp_path))
    write_source_type(path, REPLACED)
    verdict = verify(path)
    assert (verdict.holds, verdict.is_face_swap) == (False, False)
    assert "anybody can write, say compositeWithTrained" in verdict.explain()[1]


def test_a_preview_of_the_mask_is_no_swap(
    originals: Path, tmp_path: Path, provenance: Provenance, claim: Claim
) -> None:
    path = Path(shutil.copy(originals / "out.mp4", tmp_path))
    provenance.sign(path, replace(claim, change="mask_preview"))
    verdict = verify(path)
    assert (verdict.source_types, verdict.is_face_swap) == ((DRAWN_OVER,), False)
    assert "no face was replaced" in "\n".join(verdict.explain())


def test_a_sidecar_that_is_no_manifest_does_not_hold(originals: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(originals / "out.mkv", tmp_path))
    sidecar_of(path).write_bytes(b"nothing of the kind")
    verdict = verify(path)
    assert (verdict.state, verdict.problems[0].code) == ("invalid", "manifest.unreadable")


def test_the_manifest_inside_counts_more_than_one_beside(signed: Sign, root: str) -> None:
    path = signed("mp4")
    sidecar_of(path).write_bytes(b"nothing of the kind")
    verdict = verify(path, anchors=[root])
    assert (verdict.state, verdict.is_beside) == ("trusted", False)


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    for name, error in (
        ("gone.mp4", FileMissingError),
        ("empty.mp4", EmptyFileError),
        (".", UnreadableMediaError),
    ):
        with pytest.raises(error):
            verify(tmp_path / name)
