"""Films whose containers FFmpeg has one name for are told apart."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from lendface.media import probe
from lendface.media.containers import ending_of

CODECS = {".mp4": "mpeg4", ".mov": "mpeg4", ".mkv": "mpeg4", ".webm": "libvpx-vp9", ".avi": "mpeg4"}
ENDINGS = {ending: ending for ending in CODECS} | {".avi": ".mp4"}


def write_film(path: Path, codec: str) -> Path:
    with av.open(str(path), "w") as film:
        stream = film.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(3):
            frame = av.VideoFrame(64, 64, "yuv420p")
            frame.pts = number
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return path


@pytest.mark.parametrize("ending", CODECS)
def test_a_film_is_called_what_it_is_whatever_its_file_is_called(
    ending: str, tmp_path: Path
) -> None:
    film = write_film(tmp_path / f"a{ending}", CODECS[ending]).rename(tmp_path / "film")
    assert ending_of(film, probe(film).container) == ENDINGS[ending]


@pytest.mark.parametrize(
    ("head", "demuxer", "ending"),
    [
        (b"\0\0\0\x08wide\0\0\0\0mdat", "mov,mp4", ".mov"),  # before there were brands
        (b"\0\0\0\x14ftypisom", "mov,mp4", ".mp4"),
        (b"", "mov,mp4", ".mov"),
        (b"\x1a\x45\xdf\xa3\x42\x82", "matroska,webm", ".mkv"),
        (b"\x1a\x45\xdf\xa3\x42\x82\x84we", "matroska,webm", ".mkv"),
        (b"", "matroska,webm", ".mkv"),
        (b"anything", "ogg", ".mp4"),
    ],
)
def test_short_and_old_heads_have_an_ending_too(
    head: bytes, demuxer: str, ending: str, tmp_path: Path
) -> None:
    path = tmp_path / "film"
    path.write_bytes(head)
    assert ending_of(path, demuxer) == ending
