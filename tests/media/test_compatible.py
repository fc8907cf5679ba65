"""What few players show is told, and one option makes a film that all of them show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_identity import write_again

from lendface.errors import BadOptionError
from lendface.media import EncodeOptions, probe
from make_media import decoded_planes, make_video, video_times

RARE = {
    "yuv422p": "H.264 High 4:2:2",
    "yuv422p10le": "H.264 High 4:2:2",
    "yuv420p10le": "H.264 High 10",
    "yuv444p": "H.264 High 4:4:4 Predictive",
}


def told(profile: str) -> str:
    return (
        f"the result is {profile}, which many players cannot show; "
        "the option compatible gives 8-bit 4:2:0"
    )


@pytest.mark.parametrize("pix_fmt", RARE)
def test_a_rare_profile_is_told_and_compatible_avoids_it(pix_fmt: str, tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mkv", 4, codec="ffv1", pix_fmt=pix_fmt)
    fast = EncodeOptions(preset="ultrafast")
    assert told(RARE[pix_fmt]) in write_again(source, tmp_path / "out.mp4", fast).warnings
    assert probe(tmp_path / "out.mp4").pix_fmt == pix_fmt
    plain = EncodeOptions(preset="ultrafast", is_compatible=True)
    warnings = write_again(source, tmp_path / "plain.mp4", plain).warnings
    assert not any("many players" in one for one in warnings)
    assert probe(tmp_path / "plain.mp4").pix_fmt == "yuv420p"
    assert video_times(tmp_path / "plain.mp4") == video_times(source)


def test_hevc_is_told_where_it_is_rare_and_not_where_it_is_usual(tmp_path: Path) -> None:
    for pix_fmt, is_rare in {"yuv422p10le": True, "yuv420p10le": False}.items():
        source = make_video(tmp_path / "in.mkv", 2, codec="ffv1", pix_fmt=pix_fmt)
        options = EncodeOptions("hevc", preset="ultrafast")
        warnings = write_again(source, tmp_path / "out.mp4", options).warnings
        assert (told("HEVC with 4:2:2 and 10 bits") in warnings) is is_rare


def test_an_odd_size_is_cut_by_a_row_and_a_column(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mkv", 3, (63, 47), codec="ffv1")
    options = EncodeOptions(preset="ultrafast", is_compatible=True, quality=0)
    assert write_again(source, tmp_path / "out.mp4", options).warnings == [
        "the size 63x47 became 62x46: 4:2:0 needs even sides"
    ]
    assert probe(tmp_path / "out.mp4").coded_wh == (62, 46)
    (_, old), (_, new) = decoded_planes(source)[0], decoded_planes(tmp_path / "out.mp4")[0]
    assert np.abs(old[0][:46, :62].astype(int) - new[0]).max() <= 2  # not moved, not scaled


def test_lossless_and_compatible_exclude_each_other(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", 2)
    with pytest.raises(BadOptionError, match="lossless"):
        write_again(
            source, tmp_path / "out.mp4", EncodeOptions(is_lossless=True, is_compatible=True)
        )
