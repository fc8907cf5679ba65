"""Swaps of files are signed before they appear, and only an operator can leave that out."""

from __future__ import annotations

import inspect
import logging
from pathlib import Path

import numpy as np
import pytest

import lendface
from lendface import Label, Pair, SwapRequest, swap_files
from lendface.engine.types import Box, Frame
from lendface.errors import BadCredentialsError, OutputError
from lendface.media import open_video, probe
from lendface.pipeline import swaps
from lendface.pipeline.finishing import Made
from lendface.pipeline.parts import Parts
from lendface.trust.claims import hash_file
from lendface.trust.swaps import OFF
from material import COUNT, SMALL, Material


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for results; the data folder lies beside it."""
    monkeypatch.setenv("LENDFACE_DATA", str(tmp_path / "data"))
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def request_of(material: Material, output: Path, **more: object) -> SwapRequest:
    return SwapRequest((Pair((material.photo,)),), material.film, output, **more)  # pyrefly: ignore


def test_a_film_says_of_itself_what_was_done_to_it(
    material: Material, parts: Parts, here: Path
) -> None:
    output = here / "out.mp4"
    report = lendface.swap(material.photo, material.film, output, parts=parts)
    assert isinstance(report, lendface.SwapReport)
    assert report.warnings == ()
    verdict = lendface.verify(output)
    assert (verdict.state, verdict.is_face_swap) == ("trusted", True)  # by this machine's root
    assert verdict.swap is not None
    assert verdict.swap["target_sha256"] == hash_file(material.film)
    assert verdict.swap["people"] == 1
    assert verdict.swap["parameters"] == {
        "strength": 1.0,
        "shape": 0.9,
        "skin_tone": "target",
        "keep_mouth": False,
        "enhance": False,
        "visible_label": False,
    }
    data = output.read_bytes()
    assert not [n for n in (material.photo.name, material.film.name) if n.encode() in data]
    assert names(here) == ["out.mp4"]


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_a_picture_does_too(ending: str, material: Material, parts: Parts, here: Path) -> None:
    output = here / f"out.{ending}"
    lendface.swap(material.photo, material.film_person, output, parts=parts)
    assert lendface.verify(output).state == "trusted"


def test_matroska_appears_with_its_manifest_beside_it(
    material: Material, parts: Parts, here: Path
) -> None:
    report = swap_files(request_of(material, here / "out.mkv"), parts)
    assert any("lies beside it" in warning for warning in report.warnings)
    assert names(here) == ["out.mkv", "out.mkv.c2pa"]
    verdict = lendface.verify(here / "out.mkv")
    assert (verdict.state, verdict.is_beside) == ("trusted", True)


def test_a_mask_preview_says_that_no_face_was_replaced(
    material: Material, parts: Parts, here: Path
) -> None:
    preview = here / "mask.mp4"
    swap_files(request_of(material, here / "out.mp4", mask_preview=preview), parts)
    verdict = lendface.verify(preview)
    assert (verdict.state, verdict.is_face_swap) == ("trusted", False)
    assert names(here) == ["mask.mp4", "out.mp4"]


# Who may leave it out


def test_an_operator_may_switch_it_off_and_it_is_told_and_logged(
    material: Material,
    parts: Parts,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("LENDFACE_PROVENANCE", "off")
    with caplog.at_level(logging.WARNING):
        report = swap_files(request_of(material, here / "out.mp4"), parts)
    assert report.warnings == (OFF,)
    assert OFF in caplog.text
    assert lendface.verify(here / "out.mp4").state == "none"
    assert {kept.name for kept in (here.parent / "data").glob("*")} <= {"cache"}  # no key, no log


def test_no_argument_of_a_swap_switches_it_off() -> None:
    for function in (lendface.swap, lendface.swap_files):
        words = " ".join(inspect.signature(function).parameters)
        assert not [w for w in ("sign", "provenance", "finish", "c2pa") if w in words]


def test_a_wrong_certificate_is_told_before_the_work(
    material: Material, parts: Parts, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENDFACE_C2PA_CERT", str(here / "gone.pem"))
    stages: list[str] = []
    watch = lendface.Watch(lambda progress: stages.append(progress.stage))
    with pytest.raises(BadCredentialsError, match="go together"):
        swap_files(request_of(material, here / "out.mp4"), parts, watch)
    assert stages == []


# Whole or not at all


@pytest.mark.parametrize("fault", [OutputError("spoilt"), KeyboardInterrupt()])
def test_what_cannot_be_finished_does_not_appear(
    fault: BaseException, material: Material, parts: Parts, here: Path
) -> None:
    (here / "out.mp4").write_bytes(b"older")
    seen: list[list[str]] = []

    def finish(path: Path, made: Made) -> list[str]:
        assert path.name == "out.mp4"
        assert probe(path).frame_count == COUNT  # whole, under another roof
        seen.append(names(path.parent))
        path.with_name("out.mp4.c2pa").write_bytes(b"half")
        raise fault

    with pytest.raises(type(fault)):
        swaps.swap_files(request_of(material, here / "out.mp4"), parts, finish=finish)
    assert seen == [["out.mp4"]]
    assert names(here) == ["out.mp4"]
    assert (here / "out.mp4").read_bytes() == b"older"


# The label


def test_a_label_is_in_every_frame_and_told_in_the_manifest(
    material: Material, parts: Parts, here: Path
) -> None:
    plain, labelled = here / "plain.mp4", here / "labelled.mp4"
    lossless = lendface.EncodeOptions(is_lossless=True, preset="ultrafast")
    swap_files(request_of(material, plain, encode=lossless), parts)
    label = Label("top-left", 0.1)
    swap_files(request_of(material, labelled, encode=lossless, label=label), parts)
    box = label.patch((SMALL, SMALL)).box
    outside = np.ones((SMALL, SMALL), bool)
    outside[: box.y1 + 2, : box.x1 + 2] = False  # two samples share one colour
    with open_video(plain) as one, open_video(labelled) as other:
        for before, after in zip(one.frames(), other.frames(), strict=True):
            change = np.abs(_pixels(after) - _pixels(before)).max(axis=2)
            assert change[outside].max() == 0
            assert change[box.y0 : box.y1, box.x0 : box.x1].mean() > 20
    verdict = lendface.verify(labelled)
    assert verdict.swap is not None
    assert verdict.swap["parameters"]["visible_label"] is True


def test_an_operator_may_want_it_always(
    material: Material, parts: Parts, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENDFACE_LABEL", "always")
    lendface.swap(material.photo, material.film, here / "out.mp4", parts=parts)
    verdict = lendface.verify(here / "out.mp4")
    assert verdict.swap is not None
    assert verdict.swap["parameters"]["visible_label"] is True


def _pixels(frame: Frame) -> np.ndarray:
    return frame.picture.region(Box(0, 0, SMALL, SMALL))
