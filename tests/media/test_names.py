"""Files under any name that a disk allows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_identity import FAST, write_again

from lendface.engine.picture import ArrayPicture
from lendface.media import ImageInfo, open_video, read_image, write_image
from make_media import make_video, picture

MOST_BYTES = 255  # of a name, on all usual file systems
LETTERS = st.characters(exclude_characters="/\0", exclude_categories=["Cs"])


def with_ending(name: str, ending: str) -> str:
    """The name, cut so that it fits with its ending."""
    kept = name.encode()[: MOST_BYTES - len(ending)].decode(errors="ignore")
    return kept + ending


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("film") / "film.mp4", count=3)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.text(LETTERS, min_size=1, max_size=300))
@example(name="a:b")
@example(name="file:a")
@example(name="%03d")
@example(name="-")
@example(name="é" * 200)
def test_a_film_and_a_picture_go_by_any_name(name: str, film: Path, tmp_path: Path) -> None:
    source = tmp_path / with_ending(name, ".mp4")
    target = tmp_path / "out" / with_ending(name, ".mkv")
    target.parent.mkdir(exist_ok=True)
    shutil.copy(film, source)
    write_again(source, target, FAST)
    with open_video(target) as reader:
        assert len(list(reader.frames())) == 3
    photo = target.with_name(with_ending(name, ".png"))
    write_image(photo, ArrayPicture(picture(1, (32, 24))), ImageInfo("png"))
    assert read_image(photo)[0].size_wh == (32, 24)
    assert {path.name for path in target.parent.iterdir()} == {target.name, photo.name}
    shutil.rmtree(target.parent)
    source.unlink()
