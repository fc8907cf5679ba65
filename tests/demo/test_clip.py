"""The demo's clip as a file: its clock, its sound, and what is left of it when it fails."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from lendface.demo import (
    Script,
    Truth,
    demo_source_photo,
    demo_target_photo,
    write_demo_clip,
)
from lendface.demo.script import frame_ticks
from lendface.engine.enrol import Photo
from lendface.engine.types import Array
from lendface.errors import CancelledError, DemoPeopleMissingError, OutputFolderMissingError
from lendface.media import probe, read_image
from lendface.pipeline.parts import Parts

SCRIPT = Script(seconds=3.0, size_px=128)


@pytest.fixture(scope="module")
def clip(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Truth]]:
    path = tmp_path_factory.mktemp("demo") / "clip.mp4"
    return path, write_demo_clip(path, parts.enroller, SCRIPT)


def packets_of(path: Path, kind: str) -> list[Any]:
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [packet for packet in container.demux(stream) if packet.size]


def test_every_frame_has_its_exact_time_and_length(clip: tuple[Path, list[Truth]]) -> None:
    packets, ticks = packets_of(clip[0], "video"), frame_ticks(SCRIPT)
    assert {packet.time_base for packet in packets} == {Fraction(1, 600)}
    assert [packet.pts for packet in packets] == ticks
    assert [packet.duration for packet in packets] == np.diff([*ticks, 1800]).tolist()
    assert [truth.time for truth in clip[1]] == [Fraction(tick, 600) for tick in ticks]


def test_the_picture_says_which_colours_it_has(clip: tuple[Path, list[Truth]]) -> None:
    info = probe(clip[0])
    assert info.size_wh == (128, 128)
    assert (info.codec, info.pix_fmt) == ("h264", "yuv420p")
    tags = info.colour
    assert (tags.primaries, tags.transfer, tags.matrix, tags.range) == (1, 1, 1, 1)


def test_the_sound_is_as_loud_as_the_mouth_is_open(clip: tuple[Path, list[Truth]]) -> None:
    sound, rate = read_sound(clip[0])
    assert sound.shape[0] == 2
    assert sound.shape[1] == pytest.approx(3 * rate, abs=2 * 1024)  # AAC comes in blocks
    loudness = [
        float(np.sqrt((sound[:, start : start + rate // 20] ** 2).mean()))
        for truth in clip[1][:-2]
        for start in [max(0, int(truth.time * rate) - rate // 40)]
    ]
    opened = [truth.moves.jaw_cm for truth in clip[1][:-2]]
    assert np.corrcoef(loudness, opened)[0, 1] > 0.95


def read_sound(path: Path) -> tuple[Array, int]:
    with av.open(str(path)) as container:
        (stream,) = container.streams.audio
        parts = [frame.to_ndarray() for frame in container.decode(stream)]
        return np.concatenate(parts, axis=1), stream.rate


def test_a_stopped_clip_leaves_no_file(parts: Parts, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        assert total == len(frame_ticks(SCRIPT))
        if done == 3:
            raise CancelledError

    with pytest.raises(CancelledError):
        write_demo_clip(tmp_path / "clip.mp4", parts.enroller, SCRIPT, stop)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_told_before_anything_is_made(parts: Parts, tmp_path: Path) -> None:
    with pytest.raises(OutputFolderMissingError):
        write_demo_clip(tmp_path / "none" / "clip.mp4", parts.enroller, SCRIPT)


def test_source_and_target_are_two_people(parts: Parts) -> None:
    photos = [demo_source_photo(), demo_target_photo()]
    one, other = (
        parts.enroller.portrait(Photo(photo.name, read_image(photo)[0])) for photo in photos
    )
    assert float(one.embedding @ other.embedding) < 0.34


def test_without_the_synthetic_people_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "openpeople", None)  # as Python marks what is not there
    with pytest.raises(DemoPeopleMissingError, match=r"pip install 'lendface\[demo\]'") as error:
        demo_source_photo()
    assert error.value.code == "demo_people_missing"
