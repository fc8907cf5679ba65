"""What shines through a film is kept where the codec can, and told where it cannot."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from make_animations import make_see_through, rgba
from test_identity import write_again

from lendface.engine.types import Box, Patch
from lendface.media import EncodeOptions, VideoReader, open_video, probe
from make_media import video_times

LOST = "the video's transparency is lost"
SOURCES = {
    "vp9.webm": ("libvpx-vp9", "yuva420p"),
    "vp8.webm": ("libvpx", "yuva420p"),
    "argb.mov": ("qtrle", "argb"),
    "png.mov": ("png", "rgba"),
    "prores.mov": ("prores_ks", "yuva444p10le"),
    "ffv1.mkv": ("ffv1", "yuva420p"),
}


@pytest.fixture(params=SOURCES)
def film(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make_see_through(tmp_path / request.param, *SOURCES[request.param])


def alphas(reader: VideoReader) -> list[np.ndarray]:
    return [frame.picture.carrier.alpha for frame in reader.frames()]  # type: ignore[attr-defined]


def has_alpha_mode(path: Path) -> bool:
    return b"\x53\xc0\x81\x01" in path.read_bytes()[:4096]  # the element AlphaMode, of value 1


def test_webm_keeps_what_shines_through(film: Path, tmp_path: Path) -> None:
    patch = Patch(Box(0, 0, 64, 48), np.full((48, 64, 3), 90, np.float32), np.ones((48, 64), "f4"))
    told = write_again(film, tmp_path / "out.webm", EncodeOptions(), patch).warnings
    assert LOST not in told
    assert has_alpha_mode(tmp_path / "out.webm")
    assert probe(tmp_path / "out.webm").codec == "vp9"
    assert video_times(tmp_path / "out.webm") == video_times(film)
    with open_video(tmp_path / "out.webm") as reader:
        for index, alpha in enumerate(alphas(reader)):
            wanted = rgba(index, (64, 48))[..., 3]
            assert np.abs(alpha.astype(int) - wanted).mean() < 6  # edges are coded with loss


def test_a_trim_of_it_keeps_the_right_alpha(tmp_path: Path) -> None:
    film = make_see_through(tmp_path / "in.webm", "libvpx-vp9", "yuva420p", 10)
    start = video_times(film)[5]
    with open_video(film) as whole, open_video(film, start_s=start) as rest:
        for late, alpha in zip(alphas(whole)[5:], alphas(rest), strict=True):
            np.testing.assert_array_equal(late, alpha)


@pytest.mark.parametrize(
    ("ending", "codec"), [(".mp4", None), (".mkv", None), (".mov", None), (".webm", "av1")]
)
def test_where_it_is_lost_no_tag_says_otherwise(ending: str, codec: str, tmp_path: Path) -> None:
    film = make_see_through(tmp_path / "in.webm", "libvpx-vp9", "yuva420p", 3)
    assert has_alpha_mode(film)
    options = EncodeOptions(codec, preset="12" if codec else "ultrafast")  # type: ignore[arg-type]
    assert LOST in write_again(film, tmp_path / f"out{ending}", options).warnings
    with av.open(str(tmp_path / f"out{ending}")) as made:
        assert "alpha_mode" not in map(str.lower, made.streams.video[0].metadata)
    assert not has_alpha_mode(tmp_path / f"out{ending}")


def test_alpha_that_does_not_decode_is_opaque_and_nothing_ends(tmp_path: Path) -> None:
    film = make_see_through(tmp_path / "in.webm", "libvpx-vp9", "yuva420p", 3)
    data = film.read_bytes()
    at = data.index(b"\xee\x81\x01\xa5") + 5  # BlockAddID 1 and its data, of the first block
    film.write_bytes(data[:at] + bytes(20) + data[at + 20 :])
    with open_video(film) as reader:
        assert [alpha is None for alpha in alphas(reader)] == [True] * 3
    assert write_again(film, tmp_path / "out.webm", EncodeOptions()).frame_count == 3
