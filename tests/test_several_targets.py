"""A folder or several targets in one command, and in Python."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

import lendface
from lendface import cli
from lendface.cli_swap import Words, read_work, split_files
from lendface.errors import (
    BadOptionError,
    CancelledError,
    FileMissingError,
    NoSourceFaceError,
    OutputError,
)
from lendface.media import probe
from lendface.pipeline.names import list_targets, looks_still, outputs_for
from lendface.pipeline.parts import Parts, Watch
from material import Material
from people import read_person, swaying, write_film, write_photo

COUNT = 3


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in and to write to."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def clips(here: Path) -> Path:
    """Two that can be swapped, and between them one that cannot."""
    (here / "clips").mkdir()
    write_photo(here / "clips" / "a.png", read_person("P005", side_px=160))
    (here / "clips" / "b.mp4").write_text("this is not a film\n" * 200)
    frames = swaying(read_person("P010", side_px=160), COUNT, reach_px=2)
    write_film(here / "clips" / "c.mp4", frames)
    return here / "clips"


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def words_of(files: list[str], output: str | None = None, **how: Any) -> Words:
    usual: dict[str, Any] = {"sources": [], "pairs": [], "who": (False, None, None)}
    return Words([Path(file) for file in files], output, **usual | how, source_face=None)


def told_work(files: list[str], output: str | None = None, **how: Any) -> tuple[Any, ...]:
    work = read_work(words_of(files, output, **how))
    photos = [str(photo) for pair in work.pairs for photo in pair.photos]
    return photos, [str(path) for path in work.targets], [str(path) for path in work.outputs]


# One that fails does not stop the others


def test_the_others_are_done_when_one_fails(material: Material, clips: Path) -> None:
    told = run("swap", "--source", material.photo, *sorted(clips.iterdir()), "-o", "out/")
    assert told.exit_code == 10
    assert names(Path("out")) == ["a.swapped.png", "c.swapped.mp4"]
    assert probe(Path("out/c.swapped.mp4")).frame_count == COUNT
    for line in (f"1 of 3: {clips / 'a.png'}", f"3 of 3: {clips / 'c.mp4'}"):
        assert line in told.stderr.splitlines()
    assert "lendface: b.mp4: b.mp4 cannot be read" in told.stderr
    assert told.stdout.splitlines()[-2:] == [
        "2 of 3 done, 1 failed",
        f"failed: {clips / 'b.mp4'} [unreadable_media]",
    ]
    assert "out/c.swapped.mp4" in told.stdout.splitlines()


def test_a_folder_is_told_as_one_json_object(material: Material, clips: Path) -> None:
    (clips / "notes.txt").write_text("nothing for us")
    (clips / ".hidden.mp4").write_text("nor this")
    (clips / "deeper").mkdir()
    told = run("swap", material.photo, clips, "-o", "out", "--json")
    assert (told.exit_code, told.stderr) == (10, "")
    answer = json.loads(told.stdout)
    assert (answer["done"], answer["failed"], answer["left"]) == (2, 1, 0)
    first, second, third = answer["results"]
    assert first["target"] == str(clips / "a.png")
    assert first["output"] == "out/a.swapped.png"
    assert first["faces"] == [{"face": 1, "swapped": 1, "faded": 0, "left": 0}]
    assert set(second) == {"target", "error"}
    assert second["error"]["code"] == "unreadable_media"
    assert (third["output"], third["frames"]) == ("out/c.swapped.mp4", COUNT)
    assert names(Path("out")) == ["a.swapped.png", "c.swapped.mp4"]


def test_nothing_is_overwritten_and_the_rest_is_done(material: Material, clips: Path) -> None:
    (clips / "b.mp4").unlink()
    Path("out").mkdir()
    Path("out/a.swapped.png").write_bytes(b"older")
    told = run("swap", material.photo, clips, "-o", "out", "--json")
    assert told.exit_code == 10
    codes = [row.get("error", {}).get("code") for row in json.loads(told.stdout)["results"]]
    assert codes == ["output_exists", None]
    assert Path("out/a.swapped.png").read_bytes() == b"older"
    told = run("swap", material.photo, clips / "a.png", clips / "a.png", "-o", "out", "--force")
    assert told.exit_code == 0  # the first of two photos is the source: one target
    assert probe(Path("out/a.swapped.png")).kind == "image"


def test_without_output_results_lie_in_the_current_folder(material: Material, clips: Path) -> None:
    told = run("swap", "--source", material.photo, clips / "a.png", clips / "c.mp4")
    assert told.exit_code == 0, told.output
    assert names(Path()) == ["a.swapped.png", "c.swapped.mp4", "clips"]
    assert told.stdout.splitlines()[-1] == "2 of 2 done, 0 failed"


def test_what_is_wrong_with_the_source_is_told_once(material: Material, clips: Path) -> None:
    told = run("swap", material.landscape, clips, "-o", "out", "--json")
    assert told.exit_code == 4
    assert json.loads(told.stdout)["error"]["code"] == "no_face_in_source"
    assert told.stdout.count("no_face_in_source") == 1


def test_a_picture_that_is_taken_for_a_source_is_told(material: Material, clips: Path) -> None:
    """All of clips/*, of which the first is a picture."""
    told = run("swap", material.photo, *sorted(clips.iterdir()), "-o", "out")
    assert told.exit_code == 4
    assert "a.png" in told.stderr
    assert "name the source with --source" in told.stderr


def test_ctrl_c_ends_all_and_tells_what_was_done(
    material: Material, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lendface import app

    real, began = app.swap_files, []

    def stop_at_second(request: Any, *rest: Any, **more: Any) -> Any:
        began.append(request.target.name)
        if len(began) == 2:
            raise KeyboardInterrupt
        return real(request, *rest, **more)

    monkeypatch.setattr(app, "swap_files", stop_at_second)
    told = run("swap", material.photo, clips, "-o", "out", "--json")
    assert told.exit_code == 130
    answer = json.loads(told.stdout)
    assert (answer["done"], answer["failed"], answer["left"]) == (1, 0, 2)
    assert answer["error"]["code"] == "cancelled"
    assert names(Path("out")) == ["a.swapped.png"]


def test_one_film_into_a_folder_is_told_as_one(material: Material, clips: Path) -> None:
    told = run("swap", material.photo, clips / "c.mp4", "-o", "new/", "--json")
    assert told.exit_code == 0
    assert json.loads(told.stdout)["output"] == "new/c.swapped.mp4"


# What is a source and what a target


def test_photos_come_first_and_everything_from_the_first_film_on_is_a_target(
    here: Path, material: Material
) -> None:
    photo = str(material.photo)
    film, other = str(material.film), str(material.other_person)
    assert split_files([Path(p) for p in (photo, other, film)], None)[0] == [
        Path(photo),
        Path(other),
    ]
    assert told_work([photo, film, film], "out/")[:2] == ([photo], [film, film])
    assert told_work([photo, film, other], "out/")[:2] == ([photo], [film, other])
    assert told_work([photo, other, other], "o.png")[:2] == ([photo, other], [other])
    assert told_work([photo, other, other], "out/")[:2] == ([photo], [other, other])
    assert told_work([other, photo], "out/", sources=[Path(photo)])[:2] == (
        [photo],
        [other, photo],
    )
    assert told_work([film], "out", sources=[Path(photo)])[2] == ["out/film.swapped.mp4"]


def test_an_output_that_looks_like_a_file_is_not_made_a_folder(
    here: Path, material: Material
) -> None:
    words = words_of([str(material.photo), str(material.film), str(material.film)], "out.mp4")
    with pytest.raises(BadOptionError, match=r"film\.mp4, film\.mp4.*must name a folder"):
        read_work(words)
    (here / "out").write_bytes(b"a file")
    with pytest.raises(OutputError, match="is a file"):
        read_work(words_of([str(material.photo), str(material.film), str(material.film)], "out"))
    assert names(here) == ["out"]


def test_a_report_and_a_preview_are_of_one_target(material: Material, clips: Path) -> None:
    for option in ("--report", "--mask-preview"):
        told = run("swap", material.photo, clips, "-o", "out", option, "x.html")
        assert (told.exit_code, "one target" in told.stderr) == (2, True)


def test_an_animation_is_a_target_and_a_broken_photo_is_a_source(here: Path) -> None:
    still = write_photo(here / "still.webp", read_person("P005", side_px=64))
    assert looks_still(still)
    (here / "broken.jpg").write_text("no photo")
    assert looks_still(here / "broken.jpg")
    assert looks_still(here / "gone.png")
    moving = here / "moving.webp"
    moving.write_bytes(b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02" + bytes(20))
    assert not looks_still(moving)
    assert not looks_still(here)


# Names


def test_names_that_collide_are_told_apart_and_no_input_is_taken(here: Path) -> None:
    (here / "a").mkdir()
    (here / "b").mkdir()
    targets = [
        *(here / folder / name for folder in "ab" for name in ("c.mp4", "c.avi")),
        here / "c-2.mp4",
        here / "d.mp4",
        here / "d.swapped.mp4",
    ]
    outputs = [output.name for output in outputs_for(targets, here)]
    assert outputs == [
        "c.swapped.mp4",
        "c-2.swapped.mp4",
        "c-3.swapped.mp4",
        "c-4.swapped.mp4",
        "c-2-2.swapped.mp4",
        "d-2.swapped.mp4",  # its own name is a target
        "d.swapped.swapped.mp4",
    ]
    long = "\N{GRINNING FACE}" * 62
    several = outputs_for([here / f"{long}{n}.mp4" for n in range(3)], here)
    assert len({output.name for output in several}) == 3
    assert max(len(os.fsencode(output.name)) for output in several) <= 250


def test_a_folder_gives_films_and_pictures_by_what_they_are(here: Path, material: Material) -> None:
    folder = here / "in"
    folder.mkdir()
    for name, source in (
        ("IMG_1.JPG", material.other_person),
        ("photo_without_ending", material.other_person),
        ("clip.TS", material.text),
        ("clip.swapped.mp4", material.film),
        ("notes.txt", material.text),
    ):
        (folder / name).write_bytes(source.read_bytes())
    (folder / "broken.mp4").symlink_to("gone.mp4")
    (folder / "linked.mp4").symlink_to(material.film)
    found = [path.name for path in list_targets([folder])]
    assert found == ["IMG_1.JPG", "clip.TS", "linked.mp4", "photo_without_ending"]
    (here / "empty").mkdir()
    with pytest.raises(BadOptionError, match="the folder empty holds no picture"):
        list_targets([here / "empty"])


# Python


def test_python_goes_on_too(material: Material, clips: Path, parts: Parts) -> None:
    outcomes = list(lendface.swap_many(material.photo, [clips], "out", parts=parts))
    assert [outcome.target.name for outcome in outcomes] == ["a.png", "b.mp4", "c.mp4"]
    assert [outcome.error and outcome.error.code for outcome in outcomes] == [
        None, "unreadable_media", None,
    ]  # fmt: skip
    assert outcomes[2].report is not None
    assert outcomes[2].report.frames == COUNT
    assert outcomes[2].output == Path("out/c.swapped.mp4")
    again = lendface.swap_many(material.photo, [clips / "a.png"], "out", parts=parts)
    assert [outcome.error and outcome.error.code for outcome in again] == ["output_exists"]
    new = lendface.swap_many(material.photo, [clips / "a.png"], "out", parts=parts, overwrite=True)
    assert [outcome.error for outcome in new] == [None]


def test_python_says_at_once_what_is_wrong_with_the_source(
    material: Material, clips: Path, parts: Parts
) -> None:
    with pytest.raises(NoSourceFaceError):
        lendface.swap_many(material.landscape, [clips], "out", parts=parts)
    with pytest.raises(FileMissingError):
        lendface.swap_many(clips / "gone.jpg", [clips], "out", parts=parts)


def test_python_is_stopped_by_its_watch(material: Material, clips: Path, parts: Parts) -> None:
    watch = Watch(is_cancelled=lambda: True)
    outcomes = lendface.swap_many(
        material.photo, [clips / "c.mp4"], "out", parts=parts, watch=watch
    )
    with pytest.raises(CancelledError):
        next(outcomes)
    assert names(Path("out")) == []
