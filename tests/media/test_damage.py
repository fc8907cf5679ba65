"""Files that are cut off, broken, empty or not films at all."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from lendface.errors import (
    BadOptionError,
    EmptyFileError,
    FileMissingError,
    MediaError,
    NoVideoError,
    UnknownCodecError,
    UnreadableMediaError,
)
from lendface.media import VideoReader, open_video, open_writer, probe
from make_media import Sound, make_video


def read_all(path: Path) -> tuple[VideoReader, list[Fraction]]:
    with open_video(path) as reader:
        times = [frame.time for frame in reader.frames()]
    return reader, times


def film(path: Path) -> bytes:
    """60 frames, 2.4 s; its index stands in front."""
    front = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    sounds = [Sound(seconds=2.4)]
    return make_video(path, 60, (160, 120), gop=10, sounds=sounds, muxer_options=front).read_bytes()


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".ts", ".avi"])
def test_a_cut_off_file_gives_what_decodes_and_says_how_much(ending: str, tmp_path: Path) -> None:
    clock = {".ts": Fraction(1, 90_000), ".avi": Fraction(1, 25)}.get(ending, Fraction(1, 12_800))
    path = tmp_path / f"in{ending}"
    front = {"movflags": "faststart"} if ending == ".mp4" else {}
    whole = make_video(path, 60, (160, 120), gop=10, time_base=clock, muxer_options=front)
    data = whole.read_bytes()
    _, all_times = read_all(whole)
    path.write_bytes(data[: len(data) * 6 // 10])
    reader, times = read_all(path)
    assert 20 < len(times) < 50
    assert times == all_times[: len(times)]
    assert reader.damage.frames_decoded == len(times)
    assert reader.damage.seconds_decoded == Fraction(len(times), 25)
    with open_video(path) as again, open_writer(tmp_path / "out.mp4", again) as writer:
        for frame in again.frames():
            writer.write(frame)
    assert probe(tmp_path / "out.mp4").frame_count == len(times)
    if ending != ".ts":  # which does not know how long it should be
        assert reader.damage.is_damaged
        assert f"decoded {len(times)}" in (reader.damage.reason or "")


def test_a_whole_file_is_not_called_damaged(tmp_path: Path) -> None:
    film(tmp_path / "in.mp4")
    reader, times = read_all(tmp_path / "in.mp4")
    assert (len(times), reader.damage.is_damaged, reader.damage.reason) == (60, False, None)


def test_bytes_gone_bad_in_the_middle_do_not_stop_the_film(tmp_path: Path) -> None:
    data = bytearray(film(tmp_path / "in.mp4"))
    for place in range(len(data) // 2, len(data) // 2 + 3000):
        data[place] ^= 0x5A
    (tmp_path / "in.mp4").write_bytes(data)
    reader, times = read_all(tmp_path / "in.mp4")
    assert reader.damage.is_damaged
    assert times[-1] == Fraction(59, 25)
    assert len(times) > 30


def test_an_mp4_without_its_index_cannot_be_read(tmp_path: Path) -> None:
    data = make_video(tmp_path / "in.mp4", 30).read_bytes()
    (tmp_path / "in.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableMediaError, match=r"in\.mp4 cannot be read"):
        probe(tmp_path / "in.mp4")


@pytest.mark.parametrize("what", ["random", "text", "html", "playlist", "concat"])
def test_what_is_not_media_is_refused(what: str, tmp_path: Path) -> None:
    secret = make_video(tmp_path / "secret.mp4", 3)
    content = {
        "random": bytes(range(256)) * 40,
        "text": b"hello, world\n" * 100,
        "html": b"<html><body>no</body></html>",
        "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{secret}'\n".encode(),
    }[what]
    path = tmp_path / "in.mp4"
    path.write_bytes(content)
    with pytest.raises(UnreadableMediaError):
        probe(path)
    with pytest.raises(UnreadableMediaError), open_video(path):
        pass


def test_missing_and_empty_files_say_so(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(EmptyFileError, match=r"empty\.mp4 is empty"):
        probe(tmp_path / "empty.mp4")
    with pytest.raises(FileMissingError, match=r"^gone\.mp4: there is no such file$"):
        probe(tmp_path / "gone.mp4")
    with pytest.raises(UnreadableMediaError, match="not a regular file"):
        probe(tmp_path)


def test_sound_alone_is_not_a_film(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "in.m4a"), "w", format="mp4") as target:
        stream = target.add_stream("aac", rate=44_100)
        from make_media import tone

        for frame in tone(stream, Sound(seconds=0.3)):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    with pytest.raises(NoVideoError):
        probe(tmp_path / "in.m4a")


def test_a_film_of_which_nothing_decodes_is_unreadable(tmp_path: Path) -> None:
    data = bytearray(film(tmp_path / "in.mp4"))
    start = data.index(b"mdat") + 4
    data[start:] = bytes(len(data) - start)
    (tmp_path / "in.mp4").write_bytes(data)
    with pytest.raises(MediaError):
        read_all(tmp_path / "in.mp4")


def test_an_empty_trim_is_a_bad_option(tmp_path: Path) -> None:
    path = make_video(tmp_path / "in.mp4", 10)
    late, early = Fraction(2), Fraction(1)
    with (
        pytest.raises(BadOptionError, match="later than"),
        open_video(path, start_s=late, end_s=early),
    ):
        pass
    with open_video(path, start_s=Fraction(50)) as reader, pytest.raises(BadOptionError):
        list(reader.frames())


def test_a_reader_that_is_left_early_ends_its_thread(tmp_path: Path) -> None:
    import threading

    from lendface.media import prefetch

    film(tmp_path / "in.mp4")
    before = threading.active_count()
    with open_video(tmp_path / "in.mp4") as reader:
        frames = prefetch(reader.frames())
        assert next(frames).index == 0
        frames.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_prefetch_keeps_the_order_and_raises_what_the_source_raises() -> None:
    from lendface.media import prefetch

    def source() -> object:
        yield from range(20)
        raise KeyError("broken")

    seen: list[object] = []
    with pytest.raises(KeyError, match="broken"):
        seen.extend(prefetch(iter(source()), depth=3))  # type: ignore[call-overload]
    assert list(prefetch(range(100), depth=7)) == list(range(100))
    assert list(prefetch([])) == []


def test_an_unknown_codec_is_said(tmp_path: Path) -> None:
    path = make_video(tmp_path / "in.mp4", 5)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zz9q").replace(b"avcC", b"zz9C"))
    with pytest.raises(UnknownCodecError, match="no decoder for codec unknown"):
        probe(path)
    with pytest.raises(UnknownCodecError), open_video(path):
        pass
