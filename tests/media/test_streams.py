"""Sound, subtitles, attachments, chapters and tags around the picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from lendface.media import EncodeOptions, open_video, open_writer, probe
from make_media import Line, Parcel, Sound, make_video, packets_by_stream

LINES = [Line(100, 300, "bonjour"), Line(350, 420, "salut\nà tous")]
FAST = EncodeOptions(preset="ultrafast")


def write_again(source: Path, target: Path, options: EncodeOptions = FAST) -> list[str]:
    with open_video(source) as reader, open_writer(target, reader, options) as writer:
        for frame in reader.frames():
            writer.write(frame)
    return writer.warnings


def data_of(parcels: list[Parcel]) -> list[bytes]:
    return [parcel.data for parcel in parcels]


def streams_of(path: Path) -> list[tuple[str, str, str | None]]:
    return [(s.type, s.codec, s.language) for s in probe(path).other_streams]


def test_matroska_keeps_everything_bit_for_bit(tmp_path: Path) -> None:
    source = make_video(
        tmp_path / "in.mkv",
        sounds=[Sound(), Sound("libopus", 48_000, "mono", "deu"), Sound("flac"), Sound("ac3")],
        subtitles={"subrip": LINES, "ass": [Line(100, 300, "{\\b1}oui{\\b0}")]},
        attachments=[("face.ttf", "font/ttf", b"not really a font")],
        tags={"title": "The film", "FOO": "bar"},
        chapters=[(0, 200, "one"), (200, 480, "two")],
    )
    assert write_again(source, tmp_path / "out.mkv") == []
    was, now = packets_by_stream(source), packets_by_stream(tmp_path / "out.mkv")
    assert {k: v for k, v in now.items() if k} == {k: v for k, v in was.items() if k}
    assert streams_of(tmp_path / "out.mkv") == streams_of(source)
    with av.open(str(tmp_path / "out.mkv")) as target:
        assert target.streams.attachments[0].data == b"not really a font"
        assert (target.metadata["title"], target.metadata["FOO"]) == ("The film", "bar")
        spans = [(c["start"] * c["time_base"], c["metadata"]["title"]) for c in target.chapters()]
    assert spans == [(0, "one"), (Fraction(1, 5), "two")]


def test_mp4_keeps_what_it_can_hold(tmp_path: Path) -> None:
    source = make_video(
        tmp_path / "in.mp4",
        sounds=[Sound(), Sound(language="deu", layout="mono")],
        subtitles={"mov_text": LINES},
        tags={"title": "The film", "location": "+48.85+002.35/", "com.maker.model": "X100"},
        chapters=[(0, 200, "one"), (200, 480, "two")],
        muxer_options={"movflags": "use_metadata_tags"},
    )
    warnings = write_again(source, tmp_path / "out.mp4")
    was, now = packets_by_stream(source), packets_by_stream(tmp_path / "out.mp4")
    assert (now[1], now[2]) == (was[1], was[2])
    assert [d for d in data_of(now[3]) if d != b"\0\0"] == [
        d for d in data_of(was[3]) if d != b"\0\0"
    ]
    with av.open(str(tmp_path / "out.mp4")) as target:
        assert target.metadata["com.maker.model"] == "X100"
        assert target.metadata["title"] == "The film"
        assert [c["metadata"]["title"] for c in target.chapters()] == ["one", "two"]
    assert all("data stream" in warning for warning in warnings)


def test_mp4_gets_matroska_sound_and_text_converted_with_a_warning(tmp_path: Path) -> None:
    source = make_video(
        tmp_path / "in.mkv",
        sounds=[Sound("libopus", 48_000), Sound("pcm_s16le"), Sound("flac", language="deu")],
        subtitles={"subrip": LINES, "ass": [Line(100, 300, "{\\b1}oui{\\b0} \\Nnon")]},
        attachments=[("face.ttf", "font/ttf", b"x")],
    )
    warnings = write_again(source, tmp_path / "out.mp4")
    assert [warning.split(":")[0] for warning in warnings] == [
        "audio stream 2 was re-encoded from pcm_s16le to aac",
        "subtitle stream 4 was converted from subrip to mov_text; its styling is lost",
        "subtitle stream 5 was converted from ass to mov_text; its styling is lost",
        "attachment stream 6 (face.ttf) was left out",
    ]
    assert streams_of(tmp_path / "out.mp4") == [
        ("audio", "opus", "eng"),
        ("audio", "aac", "eng"),
        ("audio", "flac", "deu"),
        ("subtitle", "mov_text", "fra"),
        ("subtitle", "mov_text", "fra"),
    ]
    was, now = packets_by_stream(source), packets_by_stream(tmp_path / "out.mp4")
    assert (data_of(now[1]), data_of(now[3])) == (data_of(was[1]), data_of(was[3]))
    spoken = [(p.pts, p.duration, p.data) for p in now[4] if p.data != b"\0\0"]
    assert spoken == [
        (Fraction(1, 10), Fraction(1, 5), b"\0\7bonjour"),
        (Fraction(35, 100), Fraction(7, 100), b"\0\x0dsalut\n\xc3\xa0 tous"),
    ]
    assert [p.data for p in now[5] if p.data != b"\0\0"] == [b"\0\x08oui \nnon"]


def test_webm_gets_opus_and_webvtt(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mkv", sounds=[Sound()], subtitles={"subrip": LINES})
    warnings = write_again(source, tmp_path / "out.webm", EncodeOptions(preset="12"))
    assert [stream.codec for stream in probe(tmp_path / "out.webm").other_streams] == [
        "opus",
        "webvtt",
    ]
    assert len(warnings) == 2
    now = packets_by_stream(tmp_path / "out.webm")
    assert data_of(now[2]) == [b"bonjour", "salut\nà tous".encode()]


def loudness(path: Path) -> tuple[Fraction, Fraction]:
    """Time of the first and of the last sample of sound that is not silence."""
    import numpy as np

    heard: list[Fraction] = []
    with av.open(str(path)) as source:
        for frame in source.decode(audio=0):
            values = np.abs(frame.to_ndarray().astype(np.float64)).max(axis=0)
            loud = np.nonzero(values > 0.02 * values.max())[0] if values.max() > 0.01 else []
            heard += [frame.pts * frame.time_base + Fraction(int(i), frame.rate) for i in loud[:1]]
            heard += [frame.pts * frame.time_base + Fraction(int(i), frame.rate) for i in loud[-1:]]
    return min(heard), max(heard)


@pytest.mark.parametrize(
    ("codec", "ending"), [("aac", ".mp4"), ("pcm_s16le", ".mp4"), ("aac", ".webm")]
)
def test_sound_is_heard_when_it_was(codec: str, ending: str, tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mkv", sounds=[Sound(codec, 48_000)])
    options = EncodeOptions(preset="12") if ending == ".webm" else FAST
    write_again(source, tmp_path / f"out{ending}", options)
    (start, end), (new_start, new_end) = loudness(source), loudness(tmp_path / f"out{ending}")
    assert abs(new_start - start) < Fraction(1, 100)
    assert abs(new_end - end) < Fraction(3, 100)


def add_cover(path: Path, target: Path) -> Path:
    """The same file with a picture on its sleeve."""
    cover = av.CodecContext.create("mjpeg", "w")
    cover.width = cover.height = 32
    cover.pix_fmt, cover.time_base = "yuvj420p", Fraction(1, 25)
    frame = av.VideoFrame(32, 32, "yuvj420p")
    frame.pts = 0
    (packet,) = [*cover.encode(frame), *cover.encode(None)]
    with av.open(str(path)) as source, av.open(str(target), "w") as out:
        copies = {s.index: out.add_stream_from_template(s, opaque=True) for s in source.streams}
        sleeve: Any = out.add_stream("mjpeg", rate=25)
        sleeve.width = sleeve.height = 32
        sleeve.pix_fmt, sleeve.disposition = "yuvj420p", av.stream.Disposition.attached_pic
        packet.stream, packet.pts, packet.dts = sleeve, 0, 0
        out.mux(packet)
        for other in source.demux():
            if other.dts is not None:
                other.stream = copies[other.stream.index]
                out.mux(other)
    return target


def test_a_cover_is_kept_and_never_taken_for_the_film(tmp_path: Path) -> None:
    plain = make_video(tmp_path / "plain.mp4", sounds=[Sound()])
    source = add_cover(plain, tmp_path / "in.mp4")
    info = probe(source)
    assert (info.codec, info.video_index) == ("h264", 0)
    write_again(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as target:
        sleeve = target.streams.video[1]
        assert sleeve.disposition & av.stream.Disposition.attached_pic
        assert sleeve.codec_context.codec.canonical_name == "mjpeg"
    was, now = packets_by_stream(source), packets_by_stream(tmp_path / "out.mp4")
    assert (data_of(now[2]), now[1]) == (data_of(was[2]), was[1])


def test_late_sound_stays_late(tmp_path: Path) -> None:
    plain = make_video(tmp_path / "plain.mp4", sounds=[Sound()])
    source = tmp_path / "in.mp4"
    with av.open(str(plain)) as old, av.open(str(source), "w") as out:
        copies = {s.index: out.add_stream_from_template(s, opaque=True) for s in old.streams}
        for packet in old.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "audio":
                packet.pts, packet.dts = packet.pts + 11_025, packet.dts + 11_025
            packet.stream = copies[packet.stream.index]
            out.mux(packet)
    write_again(source, tmp_path / "out.mp4")
    was, now = packets_by_stream(source)[1], packets_by_stream(tmp_path / "out.mp4")[1]
    assert data_of(now) == data_of(was)
    assert [p.pts for p in now] == [p.pts for p in was]
    assert now[0].pts > Fraction(1, 5)
