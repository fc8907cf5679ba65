"""Names of all kinds on the command line: of targets, of outputs, and links between them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import av
import cv2
import pytest
from click.testing import Result
from typer.testing import CliRunner

from lendface import cli
from lendface.errors import OutputError, OutputFolderMissingError
from lendface.media import probe
from lendface.media.output import atomic_output, fitted, part_beside
from lendface.pipeline.finishing import finished_output
from lendface.pipeline.names import ending_for, name_for
from lendface.trust.provenance import sidecar_of
from material import Material
from people import read_person, swaying, write_film, write_photo

COUNT = 3


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in and to write to."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    frames = swaying(read_person("P005", side_px=160), COUNT, reach_px=2)
    return write_film(folder / "film.mp4", frames)


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def swap(*words: str | Path) -> dict[str, Any]:
    told = run("swap", "--json", *words)
    assert told.exit_code == 0, told.output
    return json.loads(told.stdout)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# What a result is called where nobody says


@pytest.mark.parametrize(
    ("name", "written_as", "result"),
    [
        ("a.jfif", ".jpg", "a.swapped.jpg"),
        ("A.JPE", ".jpg", "A.swapped.jpg"),
        ("a.tif", ".tif", "a.swapped.png"),
        ("a.TIFF", ".tiff", "a.swapped.png"),
        ("a.bmp", ".bmp", "a.swapped.png"),
        ("a.dib", ".bmp", "a.swapped.png"),
        ("a", ".png", "a.swapped.png"),
        ("a.mp4", ".jpg", "a.swapped.jpg"),  # called a film, and none
        ("a.jpg", ".png", "a.swapped.png"),
        ("a.JPEG", ".jpg", "a.swapped.jpeg"),
    ],
)
def test_a_picture_without_output_is_written_as_what_it_is(
    here: Path, material: Material, name: str, written_as: str, result: str
) -> None:
    made = write_photo(here / f"made{written_as}", read_person("P010", side_px=160))
    made.rename(here / name)
    assert swap(material.photo, name)["output"] == result
    assert names(here) == sorted([name, result])
    info = probe(here / result)
    assert (info.kind, info.size_wh) == ("image", (160, 160))
    assert info.container == {"png": "png"}.get(result.rpartition(".")[2], "jpeg")


def test_a_film_is_called_as_the_film_that_it_is(tmp_path: Path, film: Path) -> None:
    for name, ending in (("a.MKV", ".mkv"), ("a.avi", ".mp4"), ("a", ".mp4"), ("a.jpg", ".mp4")):
        target = tmp_path / name
        target.write_bytes(film.read_bytes())
        assert ending_for(target) == ending


def test_a_missing_target_is_named_by_its_name(tmp_path: Path) -> None:
    assert ending_for(tmp_path / "gone.png") == ".png"


# Names that programs stumble over

ODD_NAMES = {
    "a colon": "a:b.mp4",
    "a protocol": "http:b.mp4",
    "a pattern": "b%03d.mp4",
    "a dash": "-b.mp4",
    "a space and a quote": " a 'b\".mp4",
    "a new line": "a\nb.mp4",
    "no UTF-8": os.fsdecode(b"a\xff\xe9.mp4"),
    "255 bytes": "b" * 251 + ".mp4",
    "255 bytes of few characters": "\N{GRINNING FACE}" * 62 + "bbb.mp4",
}


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
def test_any_name_is_read_and_written(
    here: Path, material: Material, film: Path, name: str
) -> None:
    (here / "in").mkdir()
    target = Path("in") / name
    target.write_bytes(film.read_bytes())
    assert swap(material.photo, "-o", name, "--", target)["output"] == name
    assert names(here) == sorted(["in", name])
    assert probe(here / name).frame_count == COUNT
    os.chdir("in")
    default = Path(swap(material.photo, "--", name)["output"])
    assert names(here / "in") == sorted([name, default.name])
    assert default.name.endswith(".swapped.mp4")
    assert name.startswith(default.name.removesuffix(".swapped.mp4"))


def test_names_with_a_colon_and_long_ones_are_parts_too(
    here: Path, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Films that are rendered in parts are joined under names of that kind."""
    from lendface.media import join_chunks
    from lendface.media.writer import open_writer
    from lendface.pipeline.targets import Trim, open_target

    frames = swaying(read_person("P005", side_px=160), COUNT, reach_px=2)
    target = open_target(write_film(here / "c:d.mp4", frames), Trim())
    info = target.info  # type: ignore[union-attr]
    parts = [Path(f"{index}:{'p' * 240}.mp4") for index in range(1)]
    with target.as_target().open() as read, open_writer(parts[0], info) as writer:
        for frame in read:
            writer.write(frame)
    joined = Path("e:" + "\N{GRINNING FACE}" * 60 + ".mp4")
    join_chunks(parts, info, joined)
    assert probe(joined).frame_count == COUNT
    assert len(names(here)) == 3


def test_a_name_is_cut_to_the_bytes_that_a_file_system_allows(tmp_path: Path) -> None:
    smiles = "\N{GRINNING FACE}" * 63  # 252 bytes
    name = name_for(tmp_path / f"{smiles}.mp4", tmp_path)
    assert len(os.fsencode(name)) <= 250  # so that a manifest beside it has its ending, too
    assert name == "\N{GRINNING FACE}" * 59 + ".swapped.mp4"
    assert fitted("Übung", ".mp4", 6) == "Ü.mp4"
    for long in (f"{smiles}.mp4", "a" * 255, "a." + "b" * 253):
        part = part_beside(tmp_path / long, ".mp4")
        part.touch()  # or the file system says no
        assert part.name.startswith(".")


def test_a_manifest_beside_a_long_name_is_found_again(tmp_path: Path) -> None:
    one, two = (tmp_path / ("a" * 250 + f"{n}.mkv") for n in (1, 2))
    assert len(sidecar_of(one).name) <= 255
    assert sidecar_of(one) != sidecar_of(two)
    assert sidecar_of(one) == sidecar_of(one)


@pytest.mark.parametrize(
    ("name", "said"), [("o" * 252 + ".mp4", "too long"), ("a\0b.mp4", "zero byte")]
)
def test_a_name_that_no_file_can_have_is_refused(
    here: Path, material: Material, film: Path, name: str, said: str
) -> None:
    told = run("swap", material.photo, film, "-o", name)
    assert told.exit_code == 5
    assert said in told.stderr
    assert told.stderr.endswith("[bad_output]\n")
    told = run("swap", material.photo, "i" * 256 + ".mp4", "--json")
    assert json.loads(told.stdout)["error"]["code"] == "file_missing"
    assert names(here) == []


def test_an_error_stays_in_its_line(here: Path, material: Material) -> None:
    told = run("swap", material.photo, os.fsdecode(b"a\n\x1b[2J\xff.mp4"))
    assert told.stderr == (
        "lendface: a\\n\\x1b[2J\\xff.mp4: there is no such file [file_missing]\n"
    )


# An output that is a link


def film_at(path: Path) -> int | None:
    return probe(path).frame_count


def test_a_link_stays_one_and_what_it_leads_to_is_replaced(
    here: Path, material: Material, film: Path
) -> None:
    """Through several links, into another folder; the part lies there, too."""
    (here / "far").mkdir()
    (here / "far" / "real.mp4").write_bytes(b"older")
    (here / "far" / "next.mp4").symlink_to("real.mp4")
    (here / "out.mp4").symlink_to("far/next.mp4")
    told = run("swap", material.photo, film, "-o", "out.mp4", "--json")
    assert json.loads(told.stdout)["error"]["code"] == "output_exists"
    assert (here / "far" / "real.mp4").read_bytes() == b"older"
    swap(material.photo, film, "-o", "out.mp4", "--force")
    assert os.readlink(here / "out.mp4") == "far/next.mp4"
    assert os.readlink(here / "far" / "next.mp4") == "real.mp4"
    assert film_at(here / "far" / "real.mp4") == COUNT
    assert names(here) == ["far", "out.mp4"]
    assert names(here / "far") == ["next.mp4", "real.mp4"]


def test_a_link_to_nothing_makes_what_it_leads_to(
    here: Path, material: Material, film: Path
) -> None:
    (here / "far").mkdir()
    (here / "out.mp4").symlink_to(here / "far" / "new")
    swap(material.photo, film, "-o", "out.mp4")
    assert (here / "out.mp4").is_symlink()
    assert film_at(here / "far" / "new") == COUNT
    assert names(here / "far") == ["new"]


def test_a_manifest_lies_beside_what_a_link_leads_to(
    here: Path, material: Material, film: Path
) -> None:
    from lendface import verify

    (here / "far").mkdir()
    (here / "out.mkv").symlink_to("far/real.mkv")
    swap(material.photo, film, "-o", "out.mkv")
    assert names(here / "far") == ["real.mkv", "real.mkv.c2pa"]
    assert verify("out.mkv").holds
    assert verify(here / "far" / "real.mkv").holds


def test_a_link_into_another_file_system_is_written_there(here: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == here.stat().st_dev:
        pytest.skip("there is no second file system")
    real = other / f"lendface-{os.getpid()}.png"
    (here / "out.png").symlink_to(real)
    try:
        for opened in (atomic_output, finished_output):
            with opened(here / "out.png") as part:
                assert part.parent.is_relative_to(other)
                part.write_bytes(opened.__name__.encode())
            assert real.read_bytes() == opened.__name__.encode()
        assert (here / "out.png").is_symlink()
    finally:
        real.unlink(missing_ok=True)


@pytest.mark.parametrize("opened", [atomic_output, finished_output])
def test_a_block_that_fails_leaves_link_and_file(tmp_path: Path, opened: Any) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "real.mp4").write_bytes(b"older")
    (tmp_path / "out.mp4").symlink_to("far/real.mp4")

    def write_half() -> None:
        with opened(tmp_path / "out.mp4") as part:
            part.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert (tmp_path / "far" / "real.mp4").read_bytes() == b"older"
    assert names(tmp_path / "far") == ["real.mp4"]
    assert names(tmp_path) == ["far", "out.mp4"]


def test_links_that_lead_nowhere_good_are_told(here: Path, material: Material, film: Path) -> None:
    (here / "a.mp4").symlink_to("b.mp4")
    (here / "b.mp4").symlink_to("a.mp4")
    (here / "c.mp4").symlink_to("gone/c.mp4")
    for output, code, said in (
        ("a.mp4", "bad_output", "a circle"),
        ("c.mp4", "output_folder_missing", "gone"),
    ):
        told = run("swap", material.photo, film, "-o", output, "--force", "--json")
        error = json.loads(told.stdout)["error"]
        assert (told.exit_code, error["code"]) == (5, code)
        assert said in error["message"]
    assert names(here) == ["a.mp4", "b.mp4", "c.mp4"]


def test_a_device_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "link.mp4").symlink_to("/dev/null")
    for name in ("pipe.mp4", "link.mp4"):
        with pytest.raises(OutputError, match="not a regular file"), atomic_output(tmp_path / name):
            pass
    assert not Path("/dev/null").is_file()


def test_an_input_behind_a_link_is_no_output(here: Path, material: Material, film: Path) -> None:
    (here / "film.mp4").write_bytes(film.read_bytes())
    (here / "in.mp4").symlink_to("film.mp4")
    (here / "out.mp4").symlink_to("in.mp4")
    told = run("swap", material.photo, "in.mp4", "-o", "out.mp4", "--force", "--json")
    assert json.loads(told.stdout)["error"]["code"] == "bad_option"
    assert (here / "film.mp4").read_bytes() == film.read_bytes()


def test_a_missing_folder_behind_a_link_is_named(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").symlink_to(tmp_path / "gone" / "out.mp4")
    with (
        pytest.raises(OutputFolderMissingError, match="gone"),
        finished_output(tmp_path / "out.mp4"),
    ):
        pass


def test_a_picture_goes_through_a_link_as_it_is(here: Path, material: Material) -> None:
    (here / "real.png").write_bytes(b"older")
    (here / "out.png").symlink_to("real.png")
    swap(material.photo, material.other_person, "-o", "out.png", "--force")
    assert (here / "out.png").is_symlink()
    assert cv2.imread(str(here / "real.png")).shape == (480, 480, 3)
    with av.open(str(here / "real.png")) as read:
        assert read.streams.video[0].codec_context.name == "png"
