"""The output is there whole or not at all."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from full_disk import largest_file
from lendface.errors import (
    BadOptionError,
    DiskFullError,
    EncoderError,
    OutputError,
    OutputFolderMissingError,
    OutputFormatError,
)
from lendface.media import EncodeOptions, open_video, open_writer, write_image
from lendface.media.encode import HARDWARE, choose_encoder, works
from lendface.media.failures import write_error
from make_media import Sound, make_video


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_video(tmp_path / "in.mp4", 30, (160, 120), sounds=[Sound()])


def write_again(source: Path, target: Path, options: EncodeOptions | None = None) -> None:
    with open_video(source) as reader, open_writer(target, reader, options) as writer:
        for frame in reader.frames():
            writer.write(frame)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("size", [0, 2_000, 20_000])
def test_a_full_disk_is_said_and_leaves_nothing(
    ending: str, size: int, source: Path, tmp_path: Path
) -> None:
    options = EncodeOptions(is_lossless=True, preset="ultrafast")
    with pytest.raises(DiskFullError, match="disk is full"), largest_file(size):
        write_again(source, tmp_path / f"out{ending}", options)
    assert names_in(tmp_path) == ["in.mp4"]


def test_every_way_to_be_full_is_a_full_disk() -> None:
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        assert isinstance(write_error(OSError(number, "x")), DiskFullError)
    assert not isinstance(write_error(OSError(errno.EACCES, "x")), DiskFullError)


def write_until(source: Path, target: Path, stop: type[BaseException]) -> None:
    with open_video(source) as reader, open_writer(target, reader) as writer:
        for frame in reader.frames():
            writer.write(frame)
            if frame.index == 7:
                raise stop


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError, GeneratorExit, SystemExit])
def test_whatever_stops_it_leaves_no_file(
    stop: type[BaseException], source: Path, tmp_path: Path
) -> None:
    with pytest.raises(stop):
        write_until(source, tmp_path / "out.mp4", stop)
    assert names_in(tmp_path) == ["in.mp4"]


def test_an_older_output_stays_when_the_new_one_fails(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"older")
    with pytest.raises(KeyError):
        write_until(source, target, KeyError)
    assert target.read_bytes() == b"older"
    write_again(source, target)
    assert target.read_bytes()[4:8] == b"ftyp"
    assert names_in(tmp_path) == ["in.mp4", "out.mp4"]


def test_the_source_can_be_its_own_output(source: Path, tmp_path: Path) -> None:
    write_again(source, source)
    assert names_in(tmp_path) == ["in.mp4"]
    with open_video(source) as reader:
        assert sum(1 for _ in reader.frames()) == 30


def test_a_missing_folder_and_a_wrong_ending_say_what_to_do(source: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputFolderMissingError, match="the folder nowhere does not exist"):
        write_again(source, tmp_path / "nowhere" / "out.mp4")
    with pytest.raises(OutputFormatError, match=r"out\.avi: videos are written as \.mp4"):
        write_again(source, tmp_path / "out.avi")
    with pytest.raises(OutputFormatError, match="WebM cannot hold h264"):
        write_again(source, tmp_path / "out.webm", EncodeOptions("h264"))
    with pytest.raises(BadOptionError):
        write_again(source, tmp_path / "out.mp4", EncodeOptions("vp6"))  # type: ignore[arg-type]
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        write_again(source, tmp_path / "folder.mp4")


def test_no_frame_is_no_video(source: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="no frame"),
        open_video(source) as reader,
        open_writer(tmp_path / "out.mp4", reader),
    ):
        pass
    assert names_in(tmp_path) == ["in.mp4"]


def test_an_encoder_that_is_not_there_is_an_error_but_auto_always_works(
    source: Path, tmp_path: Path
) -> None:
    assert works("libx264")
    assert not works("no_such_encoder")
    with pytest.raises(EncoderError, match="does not work on this machine"):
        write_again(source, tmp_path / "out.mp4", EncodeOptions(encoder="no_such_encoder"))
    assert choose_encoder(EncodeOptions(encoder="auto"), "mp4") in (*HARDWARE["h264"], "libx264")
    write_again(source, tmp_path / "out.mp4", EncodeOptions(encoder="auto"))
    assert names_in(tmp_path) == ["in.mp4", "out.mp4"]


def test_a_frame_off_the_clock_is_refused(source: Path, tmp_path: Path) -> None:
    with open_video(source) as reader:
        first = next(reader.frames())
    late = replace(first, time=Fraction(1, 7))
    with (
        pytest.raises(EncoderError, match="clock"),
        open_writer(tmp_path / "out.mp4", reader) as writer,
    ):
        writer.write(late)


def test_a_new_file_has_the_rights_of_any_new_file(source: Path, tmp_path: Path) -> None:
    write_again(source, tmp_path / "out.mp4")
    (tmp_path / "plain").touch()
    rights = [os.stat(tmp_path / name).st_mode for name in ("out.mp4", "plain")]
    assert rights[0] == rights[1]


def test_a_full_disk_for_a_picture(tmp_path: Path) -> None:
    import numpy as np

    from lendface.engine.picture import ArrayPicture
    from lendface.media import ImageInfo

    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    with pytest.raises(DiskFullError), largest_file(500):
        write_image(tmp_path / "out.png", ArrayPicture(noise), ImageInfo("png"))
    assert names_in(tmp_path) == []
