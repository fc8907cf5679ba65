"""Files of every kind are signed, and read back with the reader that everybody uses."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import c2pa
import numpy as np
import pytest

from full_disk import largest_file
from lendface.errors import DiskFullError, SigningError
from lendface.media import read_image
from lendface.trust.certificates import Credentials, make_chain
from lendface.trust.claims import REPLACED, Claim, hash_file, media_type
from lendface.trust.provenance import BESIDE as LIES_BESIDE
from lendface.trust.provenance import NO_TIME, Provenance, sidecar_of
from peak_memory import PEAK_MIB
from trust.conftest import BESIDE, INSIDE, NOW

ENDINGS = (*INSIDE, *BESIDE)
Copy = Callable[[str], Path]


@pytest.fixture
def copy(originals: Path, tmp_path: Path) -> Copy:
    """A file of the test's own with that ending."""

    def made(ending: str) -> Path:
        return Path(shutil.copy(originals / f"out.{ending}", tmp_path))

    return made


def read_back(path: Path, root: str | None) -> tuple[str, dict[str, Any]]:
    """State and manifest by C2PA's own reader, with nothing of ours between."""
    rules = {"trust": {"user_anchors": root}} if root else {}
    beside = sidecar_of(path)
    manifest = beside.read_bytes() if beside.exists() else None
    with (
        c2pa.Context.from_dict(rules) as context,
        path.open("rb") as file,
        c2pa.Reader(media_type(path), file, manifest, context=context) as reader,
    ):
        store = json.loads(reader.json())
    return store["validation_state"], store["manifests"][store["active_manifest"]]


def data_of(manifest: dict[str, Any], label: str) -> Any:
    return next(part["data"] for part in manifest["assertions"] if part["label"] == label)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def place_in_picture(path: Path) -> int:
    """A byte of the pictures' own data, far from all heads."""
    data = path.read_bytes()
    marks = {".jpg": b"\xff\xda", ".png": b"IDAT", ".webp": b"VP8 "}
    start = data.find(marks.get(path.suffix, b"mdat"))
    return start + 200 if start >= 0 else len(data) // 2


# What is said


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_signed_file_is_trusted_where_the_root_is_known(
    ending: str, copy: Copy, provenance: Provenance, claim: Claim, root: str
) -> None:
    path = copy(ending)
    warnings = provenance.sign(path, claim)
    assert warnings == ([LIES_BESIDE] if ending in BESIDE else [])
    assert read_back(path, root)[0] == "Trusted"
    assert read_back(path, None)[0] == "Valid"  # intact, but who signed it?


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_manifest_says_what_was_done_with_what_and_to_what(
    ending: str, copy: Copy, provenance: Provenance, claim: Claim
) -> None:
    path = copy(ending)
    provenance.sign(path, claim)
    manifest = read_back(path, None)[1]
    opened, edited = data_of(manifest, "c2pa.actions.v2")["actions"]
    assert (opened["action"], edited["action"]) == ("c2pa.opened", "c2pa.edited")
    assert edited["digitalSourceType"] == REPLACED
    assert edited["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert edited["when"] == "2026-09-21T14:13:20Z"
    (target,) = manifest["ingredients"]
    assert (target["relationship"], target["title"]) == ("parentOf", "target")
    assert target["instance_id"] == f"sha256:{claim.target_sha256}"
    swap = data_of(manifest, "lendface.swap")
    assert (swap["engine"], swap["people"], swap["consent"]) == ("mesh", 2, "consent-7")
    assert swap["parameters"] == dict(claim.parameters)
    assert {"id": "yunet", "licence": "MIT"}.items() <= swap["models"][0].items()
    assert len(swap["models"]) == len(claim.models)


def test_no_name_of_a_file_or_folder_is_in_it(
    copy: Copy, provenance: Provenance, claim: Claim, originals: Path, tmp_path: Path
) -> None:
    named = tmp_path / "anna_smith.mp4"
    shutil.copy(originals / "out.mov", named)
    path = copy("mp4").rename(tmp_path / "bob_jones.mp4")
    provenance.sign(path, claim, named)
    data = path.read_bytes().lower()
    for word in ("anna", "smith", "bob_", "jones", str(tmp_path)):
        assert word.lower().encode() not in data


def test_what_the_target_said_of_itself_is_carried_on(
    copy: Copy, provenance: Provenance, claim: Claim, root: str
) -> None:
    target, path = copy("mov"), copy("mp4")
    provenance.sign(target, claim)
    told = replace(claim, target_sha256=hash_file(target), target_type="video/quicktime")
    provenance.sign(path, told, target)
    state, manifest = read_back(path, root)
    (parent,) = manifest["ingredients"]
    assert state == "Trusted"
    assert parent["active_manifest"].startswith("urn:c2pa:")
    assert parent["instance_id"] == f"sha256:{told.target_sha256}"


@pytest.mark.parametrize("target", ["mkv", "webm"])
def test_a_target_that_holds_no_manifest_is_named_by_its_hash(
    target: str, copy: Copy, provenance: Provenance, claim: Claim, root: str
) -> None:
    path = copy("mp4")
    provenance.sign(path, replace(claim, target_type=f"video/{target}"), copy(target))
    state, manifest = read_back(path, root)
    assert state == "Trusted"
    assert manifest["ingredients"][0]["instance_id"] == f"sha256:{claim.target_sha256}"


# What stays


@pytest.mark.parametrize("ending", ["mp4", "m4v", "mov", "mkv", "webm"])
def test_signing_changes_no_packet_of_a_film(
    ending: str, copy: Copy, provenance: Provenance, claim: Claim, originals: Path
) -> None:
    path = copy(ending)
    provenance.sign(path, claim)
    assert packets(path) == packets(originals / path.name)


def packets(path: Path) -> list[Any]:
    with av.open(str(path)) as file:
        return [
            (packet.stream.index, packet.pts, packet.dts, packet.duration, bytes(packet))
            for packet in file.demux()
            if packet.size
        ]


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_signing_changes_no_pixel_of_a_picture(
    ending: str, copy: Copy, provenance: Provenance, claim: Claim, originals: Path
) -> None:
    path = copy(ending)
    provenance.sign(path, claim)
    before, after = (read_image(p)[0].pixels for p in (originals / path.name, path))
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("ending", BESIDE)
def test_a_file_with_its_manifest_beside_it_is_not_touched(
    ending: str, copy: Copy, provenance: Provenance, claim: Claim, originals: Path
) -> None:
    path = copy(ending)
    provenance.sign(path, claim)
    assert path.read_bytes() == (originals / path.name).read_bytes()
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name, f"{path.name}.c2pa"]


@pytest.mark.parametrize("ending", INSIDE)
def test_a_manifest_weighs_a_few_kilobytes(
    ending: str, copy: Copy, provenance: Provenance, claim: Claim
) -> None:
    path = copy(ending)
    before = path.stat().st_size
    provenance.sign(path, claim)
    assert path.stat().st_size - before < 9_000
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_signing_once_more_leaves_one_manifest(
    copy: Copy, provenance: Provenance, claim: Claim, root: str
) -> None:
    """As a task that runs twice does."""
    for ending in INSIDE:
        path = copy(ending)
        provenance.sign(path, claim)
        once = path.stat().st_size
        provenance.sign(path, claim)
        assert read_back(path, root)[0] == "Trusted"
        assert abs(path.stat().st_size - once) < 64


# What is found


@pytest.mark.parametrize("ending", ENDINGS)
def test_one_flipped_byte_of_the_pictures_is_found(
    ending: str, copy: Copy, provenance: Provenance, claim: Claim, root: str
) -> None:
    path = copy(ending)
    provenance.sign(path, claim)
    flip(path, place_in_picture(path))
    assert read_back(path, root)[0] == "Invalid"


@pytest.mark.parametrize("ending", BESIDE)
def test_the_manifest_of_another_file_does_not_fit(
    ending: str, copy: Copy, provenance: Provenance, claim: Claim, root: str
) -> None:
    path = copy(ending)
    provenance.sign(path, claim)
    path.write_bytes(path.read_bytes() + b"\0")
    assert read_back(path, root)[0] == "Invalid"


# What goes wrong


def test_a_picture_that_the_library_refuses_gets_its_manifest_beside_it(
    provenance: Provenance, claim: Claim, root: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.png"
    path.write_bytes(b"no picture at all")
    assert provenance.sign(path, claim) == [LIES_BESIDE]
    assert path.read_bytes() == b"no picture at all"
    assert sidecar_of(path).exists()


def test_without_an_answer_of_the_time_authority_it_is_signed_with_a_warning(
    copy: Copy, credentials: Credentials, claim: Claim, root: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    path = copy("mp4")
    told = Provenance(credentials, f"http://127.0.0.1:{port}/").sign(path, claim)
    assert told == [NO_TIME]
    assert read_back(path, root)[0] == "Trusted"


def test_what_cannot_be_signed_is_an_error_and_stays_as_it_was(
    copy: Copy, claim: Claim, originals: Path
) -> None:
    _, _, key = make_chain(NOW)
    root, _, _ = make_chain(NOW)  # a root must not sign files
    path = copy("mkv")
    with pytest.raises(SigningError, match=r"out\.mkv could not be signed"):
        Provenance(Credentials(root, key, "es256")).sign(path, claim)
    assert [p.name for p in path.parent.iterdir()] == ["out.mkv"]


def test_a_full_disk_is_no_reason_for_a_sidecar(
    copy: Copy, provenance: Provenance, claim: Claim
) -> None:
    path = copy("mp4")
    room = path.stat().st_size + 2_500  # for the metadata, not for the manifest
    with largest_file(room), pytest.raises(DiskFullError):
        provenance.sign(path, claim)
    assert [p.name for p in path.parent.iterdir()] == ["out.mp4"]
    assert packets(path)


# Large films

SIGN = (
    PEAK_MIB
    + """
import sys
from datetime import UTC, datetime
from pathlib import Path
from lendface.trust.certificates import machine_credentials
from lendface.trust.claims import ANY_TYPE, Claim
from lendface.trust.provenance import Provenance

provenance = Provenance(machine_credentials(Path(sys.argv[1]), datetime.now(UTC)))
provenance.check()
before = peak_mib()
told = provenance.sign(Path(sys.argv[2]), Claim(made_ms=0, target_sha256="", target_type=ANY_TYPE))
assert told == [], told
print(peak_mib() - before)
"""
)


def test_a_large_film_is_signed_without_having_it_in_memory(
    tmp_path: Path, data: Path, root: str
) -> None:
    """96 MiB of plain sound, which are made more quickly than a film of that size."""
    path = tmp_path / "long.mov"
    write_noise(path, 96)
    command = [sys.executable, "-c", SIGN, str(data), str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(done.stdout) < 48  # 9 measured; 96 where boxes are hashed whole
    assert read_back(path, root)[0] == "Trusted"
    flip(path, path.stat().st_size // 2)
    assert read_back(path, root)[0] == "Invalid"


def test_neither_are_full_temporary_files(
    tmp_path: Path, provenance: Provenance, claim: Claim
) -> None:
    path = tmp_path / "long.mov"
    write_noise(path, 40)  # from 33 MiB on the library keeps a copy there
    with largest_file(path.stat().st_size + 2_500), pytest.raises(DiskFullError):
        provenance.sign(path, claim)
    assert [p.name for p in tmp_path.iterdir()] == ["long.mov"]


def write_noise(path: Path, mebibytes: int) -> None:
    samples = np.random.default_rng(5).integers(-9999, 9999, (1, 1 << 18), np.int16)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("pcm_s16le", rate=48000)
        stream.layout = "stereo"
        for part in range(2 * mebibytes):
            frame = av.AudioFrame.from_ndarray(samples, "s16", "stereo")
            frame.sample_rate, frame.pts = 48000, part * samples.shape[1] // 2
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
