"""The command line, end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from full_disk import largest_file
from lendface import cli, progress
from lendface.media import probe
from lendface.version import __version__
from material import COUNT, SMALL, Material
from people import read_person, swaying, write_film, write_photo


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in and to write to."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def times_and_sound(path: Path) -> tuple[list[float], list[bytes]]:
    """Presentation times of the picture, and the packets of the sound."""
    times, sound = [], []
    with av.open(str(path)) as source:
        for packet in source.demux():
            if packet.size and packet.stream.type == "video":
                times.append(packet.pts * packet.time_base)
            elif packet.size:
                sound.append(bytes(packet))
    return sorted(times), sound


# What goes wrong


@dataclass(frozen=True)
class Wrong:
    """A command that cannot work, and what must be said about it."""

    words: Callable[[Material], list[str | Path]]  # of ``swap``, without the output
    code: str
    exit_code: int
    hint: str  # what the sentence must contain
    output: str = "out.mp4"


WRONG = {
    "no face in the source": Wrong(
        lambda m: [m.landscape, m.film], "no_face_in_source", 4, "use a sharp portrait"
    ),
    "several faces in the source": Wrong(
        lambda m: [m.duo, m.film], "several_faces_in_source", 4, "2 faces in duo.png"
    ),
    "a source face that is not there": Wrong(
        lambda m: [m.duo, m.film, "--source-face", "3"], "no_such_source_face", 4, "1..2"
    ),
    "photos of two people": Wrong(
        lambda m: [m.photo, m.other_person, m.film], "different_people_in_source", 4, "p010.jpg"
    ),
    "no face in the target": Wrong(
        lambda m: [m.photo, m.landscape_film], "no_face_in_target", 4, "no usable face"
    ),
    "no face in a picture as target": Wrong(
        lambda m: [m.photo, m.landscape], "no_face_in_target", 4, "landscape.png", "out.png"
    ),
    "a person who is not in the cast": Wrong(
        lambda m: [m.photo, m.film, "--face", "99"], "no_such_person", 4, "faces 1 to 1"
    ),
    "a reference of somebody else": Wrong(
        lambda m: [m.photo, m.film, "--reference", m.other_person],
        "no_such_person", 4, "nobody in film.mp4 looks like p010.jpg",
    ),
    "a reference without a face": Wrong(
        lambda m: [m.photo, m.film, "--reference", m.landscape], "no_face_in_source", 4, "portrait"
    ),
    "a reference that is missing": Wrong(
        lambda m: [m.photo, m.film, "--reference", m.folder / "gone.jpg"],
        "file_missing", 3, "gone.jpg",
    ),
    "a missing source": Wrong(
        lambda m: [m.folder / "gone.jpg", m.film], "file_missing", 3, "there is no such file"
    ),
    "a missing target": Wrong(
        lambda m: [m.photo, m.folder / "gone.mp4"], "file_missing", 3, "gone.mp4"
    ),
    "an empty source": Wrong(lambda m: [m.empty_photo, m.film], "empty_file", 3, "0 bytes"),
    "an empty target": Wrong(lambda m: [m.photo, m.empty], "empty_file", 3, "0 bytes"),
    "a source that is no photo": Wrong(
        lambda m: [m.text_photo, m.film], "unreadable_media", 3, "notes.jpg cannot be read"
    ),
    "a film as source": Wrong(
        lambda m: [m.film, m.two_people], "unreadable_media", 3, "film.mp4 cannot be read"
    ),
    "a target that is no film": Wrong(
        lambda m: [m.photo, m.text], "unreadable_media", 3, "notes.mp4 cannot be read"
    ),
    "a folder as target, and one file for all of it": Wrong(
        lambda m: [m.photo, m.folder], "bad_option", 2, "-o must name a folder"
    ),
    "sound alone": Wrong(lambda m: [m.photo, m.sound], "no_video", 3, "no video stream"),
    "a codec nobody knows": Wrong(
        lambda m: [m.photo, m.unknown_codec], "unknown_codec", 3, "convert it to H.264"
    ),
    "an output folder that is missing": Wrong(
        lambda m: [m.photo, m.film], "output_folder_missing", 5, "create it", "nowhere/out.mp4"
    ),
    "an ending we do not write": Wrong(
        lambda m: [m.photo, m.film], "bad_output_format", 5, "videos are written as", "out.avi"
    ),
    "a film's ending for a picture": Wrong(
        lambda m: [m.photo, m.other_person], "bad_output_format", 5, "pictures are written as"
    ),
    "a codec the container cannot hold": Wrong(
        lambda m: [m.photo, m.film, "--codec", "h264"],
        "bad_output_format", 5, "WebM cannot hold h264", "out.webm",
    ),
    "an encoder that is not there": Wrong(
        lambda m: [m.photo, m.film, "--encoder", "nothing"], "encoder_failed", 5, "--encoder auto"
    ),
    "a pair without its person": Wrong(
        lambda m: [m.film, "--pair", "anna.jpg"], "bad_option", 2, "PHOTO=trackN"
    ),
    "pairs and a source": Wrong(
        lambda m: [m.photo, m.film, "--pair", f"{m.photo}=track1"],
        "bad_option", 2, "only the TARGET",
    ),
    "two sources for one person": Wrong(
        lambda m: [
            m.film, "--pair", f"{m.photo}=track1", "--pair", f"{m.other_person}={m.film_person}"
        ],
        "bad_option", 2, "two sources are meant for face 1",
    ),
    "two ways to say who": Wrong(
        lambda m: [m.photo, m.film, "--all", "--face", "1"], "bad_option", 2, "give only one of"
    ),
    "no source at all": Wrong(lambda m: [m.film], "bad_option", 2, "at least one SOURCE"),
    "an end before the start": Wrong(
        lambda m: [m.photo, m.film, "--start", "2", "--end", "1"], "bad_option", 2, "later than"
    ),
    "a time that is none": Wrong(
        lambda m: [m.photo, m.film, "--start", "soon"], "bad_option", 2, "write seconds"
    ),
    "a trim behind the end": Wrong(
        lambda m: [m.photo, m.film, "--start", "1:00:00"], "bad_option", 2, "leaves no frame"
    ),
    "a provider that does not load": Wrong(
        lambda m: [m.photo, m.film, "--provider", "coreml"], "provider_unavailable", 6, "cpu"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_goes_wrong_is_said_in_one_sentence(
    case: Wrong, material: Material, here: Path
) -> None:
    before = names(material.folder)
    words = case.words(material)
    before = sorted({*before, *names(material.folder)})
    told = run("swap", *words, "-o", case.output)
    assert (told.exit_code, told.stdout) == (case.exit_code, "")
    sentence = told.stderr.splitlines()[-1]
    assert sentence.startswith("lendface: ")
    assert sentence.endswith(f" [{case.code}]")
    assert case.hint in sentence
    assert_nothing_leaks(told.stderr, material)
    assert (names(here), names(material.folder)) == ([], before)


@pytest.mark.slow
@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_goes_wrong_is_one_json_object(case: Wrong, material: Material, here: Path) -> None:
    told = run("swap", *case.words(material), "-o", case.output, "--json")
    assert (told.exit_code, told.stderr) == (case.exit_code, "")
    answer = json.loads(told.stdout)
    assert set(answer) == {"error"}
    assert set(answer["error"]) == {"code", "message"}
    assert answer["error"]["code"] == case.code
    assert case.hint in answer["error"]["message"]
    assert_nothing_leaks(answer["error"]["message"], material)
    assert names(here) == []


def assert_nothing_leaks(text: str, material: Material) -> None:
    assert str(material.folder) not in text
    assert "Traceback" not in text
    assert "/site-packages/" not in text


def test_an_output_that_exists_is_kept_unless_forced(material: Material, here: Path) -> None:
    (here / "out.mp4").write_bytes(b"older")
    told = run("swap", material.photo, material.film, "-o", "out.mp4", "--json")
    assert told.exit_code == 5
    assert json.loads(told.stdout)["error"]["code"] == "output_exists"
    assert (here / "out.mp4").read_bytes() == b"older"
    assert run("swap", material.photo, material.film, "-o", "out.mp4", "--force").exit_code == 0
    assert probe(here / "out.mp4").frame_count == COUNT
    assert names(here) == ["out.mp4"]


def test_an_output_is_never_one_of_the_inputs(material: Material, here: Path) -> None:
    film = here / "film.mp4"
    film.write_bytes(material.film.read_bytes())
    (here / "link.mp4").symlink_to(film)
    for output in ("film.mp4", "./film.mp4", str(film), "link.mp4"):
        told = run("swap", material.photo, "film.mp4", "-o", output, "--force", "--json")
        assert told.exit_code == 2
        assert json.loads(told.stdout)["error"]["code"] == "bad_option"
    assert film.read_bytes() == material.film.read_bytes()


@pytest.mark.parametrize("room", [0, 4_000])
def test_a_full_disk_is_said_and_leaves_nothing(material: Material, here: Path, room: int) -> None:
    words = ["swap", material.photo, material.film, "-o", here / "out.mp4", "--json"]
    with largest_file(room):
        told = run(*words)
    assert told.exit_code == 5
    assert json.loads(told.stdout)["error"]["code"] == "disk_full"
    assert names(here) == []


def test_scan_says_what_is_wrong_too(material: Material, here: Path) -> None:
    for target, code, exit_code in (
        (material.folder / "gone.mp4", "file_missing", 3),
        (material.empty, "empty_file", 3),
        (material.sound, "no_video", 3),
    ):
        told = run("scan", target, "--json")
        assert (told.exit_code, json.loads(told.stdout)["error"]["code"]) == (exit_code, code)
    assert names(here) == []


# What goes right


def test_a_film_is_swapped_with_every_time_and_sound_in_place(
    material: Material, here: Path
) -> None:
    told = run("swap", material.photo, material.film, "-o", "out.mp4", "--json")
    assert (told.exit_code, told.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(told.stdout)
    assert set(answer) >= {
        "output", "frames", "cast_size", "faces", "seconds", "provider", "warnings",
    }  # fmt: skip
    assert (answer["output"], answer["frames"], answer["cast_size"]) == ("out.mp4", COUNT, 1)
    assert answer["faces"] == [{"face": 1, "swapped": COUNT, "faded": 0, "left": 0}]
    assert (answer["provider"], answer["warnings"]) == ("cpu", [])
    assert answer["seconds"]["scan"] > 0
    assert times_and_sound(here / "out.mp4") == times_and_sound(material.film)
    assert names(here) == ["out.mp4"]


def test_without_json_it_tells_how_far_it_is_and_what_was_done(
    material: Material, here: Path
) -> None:
    told = run("swap", material.photo, material.film)
    assert told.exit_code == 0
    assert f"looking for faces: 1 of {COUNT} frames" in told.stderr
    assert f"swapping: 1 of {COUNT} frames" in told.stderr
    lines = told.stdout.splitlines()
    assert lines[0] == f"face 1: swapped in {COUNT} frames, faded in 0, left in 0"
    assert lines[1].startswith(f"{COUNT} frames in ")
    assert lines[2] == "film.swapped.mp4"  # its name where none was given
    assert names(here) == ["film.swapped.mp4"]


def test_plain_progress_tells_the_time_that_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 2.0, 6.0, 7.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    lines = progress.Lines()
    for stage, done, total in (("scan", 1, 90), ("scan", 20, 90), ("scan", 30, 90)):
        lines.show(cli_progress(stage, done, total))
    lines.show(cli_progress("render", 1, None))
    assert capsys.readouterr().err.splitlines() == [
        "looking for faces: 1 of 90 frames",
        "looking for faces: 30 of 90 frames, 12 s left",
        "swapping: 1 frames",
    ]


def cli_progress(stage: str, done: int, total: int | None) -> Any:
    from lendface import Progress

    return Progress(stage, done, total)


@pytest.mark.slow
def test_a_choice_of_source_face_solves_a_photo_of_two(material: Material, here: Path) -> None:
    told = run("swap", material.duo, material.film, "--source-face", "2", "-o", "out.mp4")
    assert told.exit_code == 0
    alone = run("swap", material.photo, material.film, "-o", "alone.mp4")
    assert alone.exit_code == 0
    first = run("swap", material.duo, material.film, "--source-face", "1", "-o", "first.mp4")
    assert first.exit_code == 0
    right, same, left = (first_face(here / f"{n}.mp4") for n in ("out", "alone", "first"))
    assert cv2.absdiff(right, same).mean() < 0.4 * cv2.absdiff(left, same).mean()


def first_face(path: Path) -> Any:
    """The middle of the first frame, where the face is."""
    with av.open(str(path)) as source:
        return next(source.decode(video=0)).to_ndarray(format="rgb24")[80:160, 85:155].copy()


def test_several_photos_of_one_person_are_one_source(material: Material, here: Path) -> None:
    told = run("swap", material.photo, material.same_person, material.film, "-o", "out.mp4")
    assert told.exit_code == 0
    assert names(here) == ["out.mp4"]


def test_a_source_that_the_photo_cuts_is_warned_of(material: Material, here: Path) -> None:
    whole = read_person("P003")
    half = write_photo(here / "half.png", whole[:, : whole.shape[1] // 2])
    told = run("swap", half, material.film, "-o", "out.mp4", "--json")
    assert told.exit_code == 0
    (warning,) = json.loads(told.stdout)["warnings"]
    assert warning.startswith("the face in half.png is cut: the photo ends before the right side")


def test_a_small_source_is_warned_of(material: Material, here: Path) -> None:
    told = run("swap", material.tiny, material.film, "-o", "out.mp4", "--json")
    assert told.exit_code == 0
    (warning,) = json.loads(told.stdout)["warnings"]
    assert "tiny.png" in warning
    assert "will lack detail" in warning
    told = run("swap", material.tiny, material.film, "-o", "again.mp4")
    assert f"warning: {warning}" in told.stderr


@pytest.mark.slow
def test_each_person_gets_the_face_of_their_pair(material: Material, here: Path) -> None:
    told = run(
        "swap", material.two_people, "-o", "out.mp4", "--json",
        "--pair", f"{material.photo},{material.same_person}=track2",
        "--pair", f"{material.other_person}={material.film_person}",
    )  # fmt: skip
    assert told.exit_code == 0
    answer = json.loads(told.stdout)
    assert answer["cast_size"] == 2
    assert sorted(face["face"] for face in answer["faces"]) == [1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--face", "2"], ["--reference"], ["--all"], []])
def test_only_who_was_named_is_swapped(words: list[str], material: Material, here: Path) -> None:
    who = [*words, str(material.other_person)] if words == ["--reference"] else words
    told = run("swap", material.photo, material.two_people, "-o", "out.mp4", *who, "--json")
    assert told.exit_code == 0
    expected = {"--all": [1, 2], "--face": [2], "--reference": [2]}.get("".join(words[:1]), [1])
    assert sorted(face["face"] for face in json.loads(told.stdout)["faces"]) == expected


def test_a_part_of_a_film_is_swapped(material: Material, here: Path) -> None:
    whole, _ = times_and_sound(material.film)
    told = run(
        "swap", material.photo, material.film, "-o", "out.mp4",
        "--start", "0.1", "--end", "00:00.3", "--json",
    )  # fmt: skip
    assert told.exit_code == 0
    kept = [time for time in whole if 0.1 <= time < 0.3]
    times, _ = times_and_sound(here / "out.mp4")
    assert json.loads(told.stdout)["frames"] == len(kept) == 5
    assert times == [time - kept[0] for time in kept]


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "ending"), [("hevc", "mkv"), ("av1", "webm"), ("h264", "mov")])
def test_a_codec_and_a_container_are_as_asked(
    codec: str, ending: str, material: Material, here: Path
) -> None:
    words = ["--codec", codec, "--preset", "12" if codec == "av1" else "ultrafast"]
    told = run("swap", material.photo, material.film, "-o", f"out.{ending}", *words)
    assert told.exit_code == 0
    assert probe(here / f"out.{ending}").codec == codec


def test_a_damaged_film_is_swapped_as_far_as_it_goes(material: Material, here: Path) -> None:
    frames = swaying(read_person("P005", side_px=SMALL), 30, reach_px=4)
    film = write_film(here / "film.mkv", frames)
    film.write_bytes(film.read_bytes()[: film.stat().st_size * 6 // 10])
    told = run("swap", material.photo, "film.mkv", "-o", "out.mp4", "--json")
    assert told.exit_code == 0
    answer = json.loads(told.stdout)
    assert 10 < answer["frames"] < 25
    assert probe(here / "out.mp4").frame_count == answer["frames"]
    assert any("damaged or cut off" in warning for warning in answer["warnings"])


@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_a_picture_is_a_target_too_and_stays_upright(
    orientation: int, material: Material, here: Path
) -> None:
    upright = read_person("P005")[:, 40:440]
    write_turned(here / "target.jpg", upright, orientation)
    told = run("swap", material.photo, "target.jpg", "-o", "out.png", "--json")
    assert told.exit_code == 0
    assert json.loads(told.stdout)["faces"] == [{"face": 1, "swapped": 1, "faded": 0, "left": 0}]
    result = cv2.imread(str(here / "out.png"))[..., ::-1]
    assert result.shape == upright.shape
    changed = cv2.absdiff(np.ascontiguousarray(result), np.ascontiguousarray(upright))
    assert changed[:60].mean() < 6  # the hair, read back from JPEG
    assert changed[300:].mean() < 6  # the clothes
    assert changed[110:240, 140:260].mean() > 10  # the face


def test_a_mask_preview_is_a_second_file_of_the_same_length(material: Material, here: Path) -> None:
    words = ("-o", "out.mp4", "--mask-preview", "mask.mp4", "--skin-tone", "mix", "--enhance")
    told = run("swap", material.photo, material.film, *words, "--json")
    assert told.exit_code == 0, told.stdout
    assert times_and_sound(here / "mask.mp4") == times_and_sound(here / "out.mp4")
    assert run("swap", material.photo, material.film, *words, "--json").exit_code == 5
    same = run("swap", material.photo, material.film, "-o", "a.mp4", "--mask-preview", "a.mp4")
    assert same.exit_code == 2
    assert not (here / "a.mp4").exists()


def write_turned(path: Path, upright: Any, orientation: int) -> None:
    """A JPEG whose pixels are turned and whose EXIF says how to turn them back."""
    turns = {1: None, 6: cv2.ROTATE_90_COUNTERCLOCKWISE, 8: cv2.ROTATE_90_CLOCKWISE}
    turn = turns[orientation]
    turned = upright if turn is None else cv2.rotate(upright, turn)
    done, data = cv2.imencode(".jpg", turned[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 97])
    assert done
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes(
        [orientation, 0, 0, 0, 0, 0, 0]
    )
    body = b"Exif\0\0" + tiff
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    path.write_bytes(data.tobytes()[:2] + segment + data.tobytes()[2:])


def test_the_cast_is_listed(material: Material, here: Path) -> None:
    told = run("scan", material.two_people, "--json")
    assert told.exit_code == 0
    answer = json.loads(told.stdout)
    assert answer["target"] == "two_people.mp4"
    first, second = answer["cast"]
    assert set(first) >= {"face", "frames", "spans_s", "face_height_px", "hardness", "best_time_s"}
    assert (first["face"], first["frames"], first["spans_s"]) == (1, COUNT, [[0, 0.36]])
    assert (second["face"], second["frames"], second["spans_s"]) == (2, COUNT - 4, [[0, 0.2]])
    told = run("scan", material.two_people)
    assert told.stdout.splitlines()[0].startswith(f"face 1: {COUNT} frames, ")
    assert names(here) == []


def test_nobody_in_a_film_is_an_empty_cast(material: Material, here: Path) -> None:
    told = run("scan", material.landscape_film, "--json")
    assert (told.exit_code, json.loads(told.stdout)["cast"]) == (0, [])
    assert run("scan", material.landscape_film).stdout == "nobody\n"


def test_models_and_version_are_told() -> None:
    told = run("models", "--json")
    assert told.exit_code == 0
    answer = json.loads(told.stdout)
    assert "cpu" in answer["providers"]
    assert all(len(model["sha256"]) == 64 for model in answer["models"])
    assert "commercial use:" in run("models").stdout
    assert run("--version").stdout == f"lendface {__version__}\n"


@pytest.mark.parametrize("command", ["swap", "scan", "models", "demo"])
def test_help_is_there_for_every_command(command: str) -> None:
    told = run(command, "--help")
    assert told.exit_code == 0
    assert "Usage" in told.stdout


def test_wrong_usage_is_exit_code_2(material: Material) -> None:
    assert run("swap", material.photo, material.film, "--face", "0").exit_code == 2
    assert run("swap", material.photo, material.film, "--no-such-option").exit_code == 2
    assert run("swap", material.photo, material.film, "--codec", "vp6").exit_code == 2
    assert run("no-such-command").exit_code == 2


# As a process


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "lendface", *(str(word) for word in words)]


def test_the_installed_command_works(material: Material, here: Path) -> None:
    done = subprocess.run(
        command("swap", material.photo, material.film, "-o", "out.mp4", "--json"),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["frames"] == COUNT
    assert names(here) == ["out.mp4"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stage", ["looking for faces", "swapping"])
def test_a_stop_in_the_middle_leaves_nothing(
    stage: str, number: signal.Signals, material: Material, here: Path, tmp_path_factory: Any
) -> None:
    film = long_film(tmp_path_factory)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command("swap", material.photo, film, "-o", "out.mp4"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        # Tests that a shell started in the background inherit that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if line.startswith(stage):
                process.send_signal(number)
                break
        rest_out, rest_err = process.communicate(timeout=60)
    assert process.returncode == 130, (seen, rest_err)
    assert rest_out == ""
    assert rest_err.splitlines()[-1] == "lendface: cancelled; nothing was written [cancelled]"
    assert "Traceback" not in rest_err
    assert names(here) == []


def long_film(tmp_path_factory: Any) -> Path:
    """150 frames: seconds of work in either pass."""
    path = tmp_path_factory.getbasetemp() / "long.mp4"
    if not path.exists():
        frames = swaying(read_person("P005"), 25)
        write_film(path, [*frames, *frames[::-1]] * 3)
    return path


@pytest.mark.parametrize(
    "words",
    [["--face", "none"], ["--colour", "red"], ["--codec", "vp6"], ["--quality", "99"]],
    ids=lambda words: words[0],
)
def test_a_wrong_option_is_told_as_json_too(words: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lendface", "swap", "a.jpg", "b.mp4", "--json", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (2, "bad_option")
    assert words[0] in error["message"]
    assert not done.stderr
