"""What is refused, and that finding it out costs little and opens nothing else."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lendface.errors import (
    EmptyFileError,
    FileMissingError,
    MediaBadCodecError,
    MediaBadContainerError,
    MediaError,
    MediaFrameRateError,
    MediaLimitError,
    MediaTooLargeError,
    MediaTooLongError,
    MediaTooManyFramesError,
    MediaTooManyPixelsError,
    MediaTooManyStreamsError,
    MediaTooMuchWorkError,
    MediaWrongKindError,
    NoVideoError,
    UnreadableMediaError,
)
from lendface.media import inspection
from lendface.media.inspection import Bounds, inspect_film
from lendface.media.picture_size import read_picture_size
from lendface.pipeline.limits import Limits, check_photo, check_target
from make_media import Sound, make_video
from peak_memory import PEAK_MIB
from people import read_person, write_photo, write_sound

USUAL = Limits(
    max_bytes=10 << 20,
    max_duration_s=60,
    max_frames=2000,
    max_fps=61,
    max_pixels=1920 * 1080,
    max_long_side=4096,
)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 frames in a second, shown upright 48 wide and 64 high."""
    path = tmp_path_factory.mktemp("film") / "in.mp4"
    return make_video(path, 25, (64, 48), rotation=90, sounds=[Sound(seconds=1)])


def test_a_film_is_told_as_it_really_is(film: Path) -> None:
    facts = check_target(film, USUAL)
    told = json.loads(json.dumps(facts.as_dict()))
    assert (told["kind"], told["width"], told["height"]) == ("video", 48, 64)
    assert (told["duration_s"], told["frame_count"], told["fps"]) == (1.0, 25, 25.0)
    assert (told["codec"], told["has_audio"], told["audio_codecs"]) == ("h264", True, ["aac"])
    assert (told["rotation"], told["bit_depth"], told["cut_off"]) == (270, 8, None)
    assert told["bytes"] == film.stat().st_size
    assert "mp4" in told["container"].split(",")


@pytest.mark.parametrize("ending", [".mkv", ".avi", ".ts", ".mov", ".flv", ".gif", ".webm"])
def test_all_usual_formats_are_taken(ending: str, tmp_path: Path) -> None:
    codec, clock = {".gif": ("gif", 100), ".webm": ("libvpx", 1000), ".avi": ("libx264", 25)}.get(
        ending, ("libx264", {".ts": 90_000, ".mkv": 1000, ".flv": 1000}.get(ending, 12_800))
    )
    source = make_video(
        tmp_path / f"in{ending}",
        10,
        codec=codec,
        time_base=Fraction(1, clock),
        pix_fmt="rgb8" if codec == "gif" else "yuv420p",
        options={"b": "1M"} if codec == "libvpx" else None,
    )
    facts = check_target(source, USUAL)
    assert (facts.kind, facts.frame_count, facts.width, facts.height) == ("video", 10, 64, 48)
    assert facts.duration_s == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".bmp", ".tiff"])
def test_a_picture_is_a_target_of_one_frame(ending: str, tmp_path: Path) -> None:
    path = write_photo(tmp_path / f"in{ending}", read_person("P003")[:200, :300])
    facts = check_target(path, USUAL)
    assert (facts.kind, facts.width, facts.height, facts.frame_count) == ("image", 300, 200, 1)
    assert read_picture_size(path) == (300, 200)
    photo = check_photo(path, USUAL)
    assert (photo.width, photo.height, photo.bytes) == (300, 200, path.stat().st_size)


@pytest.mark.parametrize(
    ("limits", "error", "limit", "measured"),
    [
        (Limits(max_bytes=1000), MediaTooLargeError, 1000, None),
        (Limits(max_duration_s=0.5), MediaTooLongError, 0.5, None),
        (Limits(max_frames=24), MediaTooManyFramesError, 24, 25),
        (Limits(max_fps=24), MediaFrameRateError, 24, 25),
        (Limits(max_pixels=64 * 48 - 1), MediaTooManyPixelsError, 64 * 48 - 1, 64 * 48),
        (Limits(max_long_side=63), MediaTooManyPixelsError, 63, 64),
        (Limits(max_streams=1), MediaTooManyStreamsError, 1, 2),
        (Limits(max_gigapixels=7e-5), MediaTooMuchWorkError, 7e-5, 25 * 64 * 48 / 1e9),
    ],
)
def test_each_limit_is_told_with_both_numbers(
    limits: Limits, error: type[MediaLimitError], limit: float, measured: float | None, film: Path
) -> None:
    with pytest.raises(error, match=r"^the clip ") as caught:
        check_target(film, limits, name="the clip")
    assert caught.value.limit == limit
    assert caught.value.measured > limit
    assert measured is None or caught.value.measured == measured
    assert str(limit) in str(caught.value)


def still_gif(path: Path, frames: int, size_wh: tuple[int, int]) -> Path:
    """A canvas on which every frame paints one pixel, which takes 24 bytes."""
    control = b"\x21\xf9\x04\x04\x02\0\0\0"  # shown for 20 ms
    pixel = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    head = b"GIF89a" + struct.pack("<HH", *size_wh) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
    path.write_bytes(head + frames * (control + pixel) + b"\x3b")
    return path


def test_a_film_of_few_bytes_and_much_work_is_refused_by_its_work(tmp_path: Path) -> None:
    path = still_gif(tmp_path / "still.gif", 400, (960, 540))
    assert path.stat().st_size < 10_000
    gigapixels = 400 * 960 * 540 / 1e9
    assert check_target(path, Limits(max_gigapixels=gigapixels)).frame_count == 400
    with pytest.raises(
        MediaTooMuchWorkError, match=r"400 frames of 960x540 decoded, 0\.2 gigapixels"
    ):
        check_target(path, Limits(max_gigapixels=gigapixels - 1e-6))


def test_exactly_the_limit_is_taken(film: Path) -> None:
    just = Limits(film.stat().st_size, 1.024, 25, 25, 64 * 48, 64, {"mp4"}, {"h264"}, {"aac"})
    assert check_target(film, just).frame_count == 25


def test_the_rate_of_broadcast_is_its_round_name(tmp_path: Path) -> None:
    """60 frames a second, in whole milliseconds, may be 60.02 on average."""
    pts = [k * 1000 // 60 for k in range(60)]
    source = make_video(tmp_path / "in.mkv", pts=pts, time_base=Fraction(1, 1000))
    assert check_target(source, Limits(max_fps=60)).fps == pytest.approx(60, rel=0.005)


def test_containers_codecs_and_kinds_can_be_narrowed(film: Path, tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "in.png", read_person("P003"))
    with pytest.raises(MediaBadContainerError, match="convert it to avi, webm"):
        check_target(film, Limits(containers=("webm", "avi")))
    with pytest.raises(MediaBadContainerError, match="png"):
        check_target(photo, Limits(containers=("jpeg", "mp4")))
    with pytest.raises(MediaBadCodecError, match=r"the picture of in\.mp4 is h264"):
        check_target(film, Limits(codecs=("hevc", "av1")))
    with pytest.raises(MediaBadCodecError, match=r"the sound of in\.mp4 is aac"):
        check_target(film, Limits(audio_codecs=("opus",)))
    with pytest.raises(MediaWrongKindError, match="give a video"):
        check_target(photo, Limits(kinds=("video",)))
    with pytest.raises(MediaWrongKindError, match="give a photo"):
        check_target(film, Limits(kinds=("image",)))
    with pytest.raises(MediaWrongKindError, match="give a photo"):
        check_photo(film, Limits())


def test_files_that_are_not_there_or_empty_or_only_sound_say_so(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match=r"^the clip:"):
        check_target(tmp_path / "gone.mp4", USUAL, name="the clip")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(EmptyFileError, match=r"^the clip is empty"):
        check_target(tmp_path / "empty.mp4", USUAL, name="the clip")
    with pytest.raises(NoVideoError, match=r"^the clip has no video"):
        check_target(write_sound(tmp_path / "song.m4a"), USUAL, name="the clip")


# Headers that lie


def png_claiming(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)


def jpeg_claiming(width: int, height: int) -> bytes:
    thumbnail = b"Exif\0\0\xff\xd8\xff\xc0\0\x11\x08\0\x10\0\x10"  # a small frame inside of EXIF
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    frame = struct.pack(">HBHHB", 17, 8, height, width, 3) + b"\x01\x11\0\x02\x11\0\x03\x11\0"
    return b"\xff\xd8" + segment + b"garbage\xff\0\xff\xff\xc2" + frame


def webp_claiming(width: int, height: int) -> bytes:
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    first = b"VP8X\x0a\0\0\0\0\0\0\0" + canvas
    picture = b"VP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a\x10\0\x10\0"  # says 16x16
    return b"RIFF" + struct.pack("<I", len(first + picture) + 4) + b"WEBP" + first + picture


def tiff_claiming(width: int, height: int) -> bytes:
    entries = [(256, 4, 1, 100), (257, 4, 1, 100), (322, 4, 1, width), (323, 4, 1, height)]
    listed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + listed + bytes(4)


def bmp_claiming(width: int, height: int) -> bytes:
    return b"BM" + bytes(8) + struct.pack("<IIiiHHIIiiII", 54, 40, width, -height, 1, 24, *[0] * 6)


CLAIMS = [png_claiming, jpeg_claiming, webp_claiming, tiff_claiming, bmp_claiming]


@pytest.mark.parametrize("claiming", CLAIMS)
@pytest.mark.parametrize("check", [check_target, check_photo])
def test_a_giant_picture_is_refused_by_its_header(
    claiming: Callable[[int, int], bytes], check: Callable[..., object], tmp_path: Path
) -> None:
    """Nothing follows the header: had it been decoded, it would have been called broken."""
    path = tmp_path / "in.bin"
    path.write_bytes(claiming(50_000, 60_000))
    with pytest.raises(MediaTooManyPixelsError) as caught:
        check(path, Limits(max_pixels=10_000_000))
    assert caught.value.size_wh == (50_000, 60_000)
    assert caught.value.measured == 3_000_000_000
    with pytest.raises(MediaTooManyPixelsError) as caught:
        check(path, Limits(max_long_side=8192))
    assert (caught.value.limit, caught.value.measured) == (8192, 60_000)


@pytest.mark.parametrize("claiming", CLAIMS)
def test_a_picture_without_a_size_or_without_pixels_is_unreadable(
    claiming: Callable[[int, int], bytes], tmp_path: Path
) -> None:
    path, data = tmp_path / "in.bin", claiming(300, 200)
    for cut in (*range(12, len(data) - 4, 3), len(data)):
        path.write_bytes(data[:cut])
        with pytest.raises((UnreadableMediaError, MediaTooManyPixelsError, MediaBadContainerError)):
            check_target(path, Limits(max_pixels=10_000))
    if claiming is not webp_claiming:  # whose canvas is at least one
        path.write_bytes(claiming(0, 0))
        with pytest.raises(UnreadableMediaError):
            check_target(path, USUAL)


def gif_claiming(width: int, height: int) -> bytes:
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\0"
    palette = bytes(range(12))
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x91, 0, 0) + palette + frame + b";"


def test_giant_animations_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in.gif").write_bytes(gif_claiming(60_000, 60_000) * 3)
    with pytest.raises(MediaTooManyPixelsError):
        check_target(tmp_path / "in.gif", USUAL)
    data = bytearray(png_claiming(60_000, 60_000) + bytes(4))
    data += b"\0\0\0\x08acTL\0\0\0\x02\0\0\0\0" + bytes(4)
    (tmp_path / "in.png").write_bytes(data)
    with pytest.raises((MediaTooManyPixelsError, UnreadableMediaError)):
        check_target(tmp_path / "in.png", USUAL)
    webp = bytearray(webp_claiming(16_000_000, 16_000_000))
    webp[20] |= 2  # animated
    (tmp_path / "in.webp").write_bytes(webp)
    with pytest.raises(UnreadableMediaError):
        check_target(tmp_path / "in.webp", USUAL)


def patched(data: bytes, box: bytes, at: int, numbers: tuple[int, ...], form: str) -> bytes:
    place = data.index(box, data.index(b"moov")) + at
    return data[:place] + struct.pack(form, *numbers) + data[place + struct.calcsize(form) :]


def giant_film(path: Path, size_wh: tuple[int, int] = (8192, 4608)) -> Path:
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size_wh, "yuv420p"
        frame = av.VideoFrame(*size_wh, "yuv420p")
        for plane in frame.planes:
            np.frombuffer(plane, np.uint8)[:] = 128
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


MEASURE = (
    PEAK_MIB
    + """
import json, resource, sys
from pathlib import Path
from lendface.errors import MediaError
from lendface.pipeline.limits import Limits, check_target
limits = Limits(max_pixels=1920 * 1080, max_frames=100_000, max_duration_s=3600)
before = peak_mib()
told = []
for path in sys.argv[1:]:
    try:
        check_target(Path(path), limits)
        told.append("taken")
    except MediaError as error:
        told.append(error.code)
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    told.append(child // 1024)
print(json.dumps([told, peak_mib() - before]))
"""
)


def test_memory_bombs_stay_small(tmp_path: Path) -> None:
    """Pictures behind a small claim, and an index of 200 million entries in 30 kB."""
    streamed, honest = giant_film(tmp_path / "giant.ts"), giant_film(tmp_path / "giant.mp4")
    data = honest.read_bytes()
    small_claim = tmp_path / "liar.mp4"
    small_claim.write_bytes(patched(data, b"avc1", 28, (64, 48), ">HH"))
    many = 120_000_000
    film = make_video(tmp_path / "in.mp4", 10).read_bytes()
    for box, at, numbers in (
        (b"stsz", 8, (1, many)),
        (b"stsc", 12, (1, many, 1)),
        (b"stts", 8, (1, many, 1)),
    ):
        film = patched(film, box, at, numbers, ">" + "I" * len(numbers))
    (tmp_path / "index.mp4").write_bytes(film)
    paths = [streamed, honest, small_claim, tmp_path / "index.mp4"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    told, grown = json.loads(done.stdout)
    assert told[0:6:2] == ["media_too_many_pixels"] * 3
    assert max(told[1:6:2]) < 150  # MiB; one frame alone has 54
    assert told[6] in ("unreadable_media", "media_too_many_frames")
    assert told[7] < 1100
    assert grown < 40


def test_frames_are_counted_not_believed(tmp_path: Path) -> None:
    """An index that promises more than there is, and a clock that runs away."""
    data = make_video(tmp_path / "in.mp4", 10, muxer_options={"movflags": "faststart"}).read_bytes()
    cut_off = tmp_path / "cut.mp4"
    cut_off.write_bytes(data[: len(data) * 6 // 10])
    facts = check_target(cut_off, USUAL)
    assert 0 < facts.frame_count < 10
    assert facts.duration_s == pytest.approx(facts.frame_count / 25)
    quick = make_video(tmp_path / "quick.mp4", pts=list(range(500)), time_base=Fraction(1, 90_000))
    with pytest.raises(MediaFrameRateError) as caught:
        check_target(quick, USUAL)
    assert caught.value.measured > 10_000
    pause = [0, 512, 512 * 25 * 36_000]  # ten hours
    slow = make_video(tmp_path / "slow.mp4", pts=pause)
    with pytest.raises(MediaTooLongError) as caught:
        check_target(slow, USUAL)
    assert caught.value.measured >= 36_000
    alone = make_video(tmp_path / "alone.mp4", 1)
    assert check_target(alone, USUAL).frame_count == 1


def test_sound_that_goes_on_for_longer_counts(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", 5, sounds=[Sound(seconds=3)])
    with pytest.raises(MediaTooLongError):
        check_target(source, Limits(max_duration_s=2))
    assert check_target(source, Limits(max_duration_s=4)).duration_s == pytest.approx(0.2)


def test_hundreds_of_streams_are_refused_without_opening_all(tmp_path: Path) -> None:
    path = tmp_path / "in.mkv"
    with av.open(str(path), "w") as target:
        streams = [target.add_stream("pcm_s16le", rate=8000) for _ in range(300)]
        for stream in streams:
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 8), np.int16), format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts = 8000, 0
            target.mux(stream.encode(frame))
    with pytest.raises(MediaTooManyStreamsError) as caught:
        check_target(path, USUAL)
    assert (caught.value.limit, caught.value.measured) == (100, 101)


def test_a_film_that_needs_more_memory_or_time_than_there_is_is_refused(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnreadableMediaError, match="more memory or time than such a file should"):
        inspect_film(film, Bounds(wall_s=0))
    path = giant_film(tmp_path / "giant.mp4")
    assert check_target(path, Limits()).width == 8192
    monkeypatch.setattr(inspection, "LEAST_MEMORY", 32 << 20)
    monkeypatch.setattr(inspection, "MEMORY_PER_PIXEL", 0)
    with pytest.raises(UnreadableMediaError):
        check_target(path, Limits())


# Files that want to be more than one file


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


def reference_files(secret: Path, url: str) -> dict[str, bytes]:
    """By FFmpeg's name of the format, texts that point at a local file and at an address."""
    dash = f"""<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">
<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">
<BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>"""
    return {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}/a.ts\n#EXTINF:1,\n"
        f"file://{secret}\n#EXT-X-ENDLIST\n".encode(),
        "hls_local": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret.name}\n".encode(),
        "hls_key": f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n#EXTINF:1,\na.ts\n'.encode(),
        "concat": f"ffconcat version 1.0\nfile '{secret}'\nfile '{url}'\n".encode(),
        "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        b"m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "dash": dash.encode(),
        "asx": f'<asx version="3.0"><entry><ref href="{url}"/></entry></asx>'.encode(),
        "svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>'.encode(),
        "html": f'<html><body><img src="{url}"></body></html>'.encode(),
        "shell": b"#!/bin/sh\necho hello\n" * 10,
        "vobsub": f"# VobSub index file, v7\nid: en, index: 0\n{secret}\n".encode(),
    }


@pytest.mark.parametrize("kind", sorted(reference_files(Path("x"), "")))
@pytest.mark.parametrize("ending", [".mp4", ".m3u8", ".ffconcat", ".sdp", ".idx", ".jpg"])
def test_nothing_but_the_file_itself_is_opened(
    kind: str, ending: str, server: socket.socket, tmp_path: Path
) -> None:
    """Were the local film followed it would be taken; were the address, it would see a guest."""
    secret = make_video(tmp_path / "secret.mp4", 3)
    url = f"http://127.0.0.1:{server.getsockname()[1]}"
    path = tmp_path / f"in{ending}"
    path.write_bytes(reference_files(secret, url)[kind])
    for check in (check_target, check_photo):
        with pytest.raises(MediaError):
            check(path, USUAL)
    with pytest.raises(BlockingIOError):
        server.accept()


def test_a_name_with_a_pattern_is_only_a_name(tmp_path: Path) -> None:
    write_photo(tmp_path / "in1.png", read_person("P003"))
    path = tmp_path / "in%d.png"
    path.write_bytes(b"no picture" * 100)
    with pytest.raises(UnreadableMediaError):
        check_target(path, USUAL)


def test_an_archive_is_no_film_but_a_film_with_one_behind_it_is(film: Path, tmp_path: Path) -> None:
    archive = tmp_path / "in.mp4"
    with zipfile.ZipFile(archive, "w") as made:
        made.write(film, "film.mp4")
    with pytest.raises(UnreadableMediaError):
        check_target(archive, USUAL)
    both = tmp_path / "both.mp4"
    both.write_bytes(film.read_bytes() + archive.read_bytes())
    assert check_target(both, USUAL).frame_count == 25


def test_what_a_file_is_is_decided_by_its_first_bytes(film: Path, tmp_path: Path) -> None:
    """A photo in front of a film is a photo, and is decoded as nothing else."""
    photo = write_photo(tmp_path / "in.png", read_person("P003"))
    both = tmp_path / "both.mp4"
    both.write_bytes(photo.read_bytes() + film.read_bytes())
    assert check_target(both, USUAL).kind == "image"


@pytest.mark.parametrize("brand", [b"avis", b"msf1", b"hevc"])
def test_sequences_of_phones_that_are_not_read_are_named(brand: bytes, tmp_path: Path) -> None:
    path = tmp_path / "in.heic"
    path.write_bytes(struct.pack(">I", 24) + b"ftyp" + brand + bytes(12))
    with pytest.raises(MediaBadContainerError, match="convert it to JPEG, PNG, WebP"):
        check_target(path, USUAL)
