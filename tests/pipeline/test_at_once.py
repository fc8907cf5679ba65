"""Animations and films with alpha are not joined from parts: one command and a job agree."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from lendface.media import EncodeOptions, open_video, probe
from lendface.pipeline.parts import Parts, Watch
from lendface.pipeline.steps import (
    Rendition,
    describe_result,
    plan_job,
    plan_parts,
    scan_file_to,
)
from lendface.pipeline.swaps import Pair, SwapRequest, swap_files
from lendface.pipeline.targets import Trim
from lendface.pipeline.trackfile import load_scan
from lendface.service.swapping import render
from material import Material
from people import read_person, swaying

pytestmark = pytest.mark.slow

COUNT, SIDE = 6, 160


def write_animation(path: Path) -> Path:
    frames = [Image.fromarray(rgba(k)) for k in range(COUNT)]
    kind = {".webp": {"lossless": True}, ".gif": {"disposal": 2}, ".png": {"disposal": 1}}
    frames[0].save(
        path, save_all=True, append_images=frames[1:], duration=70, loop=0, **kind[path.suffix]
    )
    return path


def write_alpha(path: Path) -> Path:
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libvpx-vp9", rate=25, options={"b": "2M", "auto-alt-ref": "0"})
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuva420p"
        for k in range(COUNT):
            frame = av.VideoFrame.from_ndarray(rgba(k), format="rgba").reformat(format="yuva420p")
            frame.pts = k
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    return path


def rgba(index: int) -> np.ndarray:
    """P005 sways, and what is around the head is transparent."""
    shown = swaying(read_person("P005", side_px=SIDE), COUNT, reach_px=4)[index]
    alpha = np.zeros((SIDE, SIDE, 1), np.uint8)
    alpha[8:-8, 16:-16] = 255
    return np.dstack([shown, alpha])


@pytest.mark.parametrize(
    "ending",
    [*(pytest.param(e, marks=pytest.mark.slow) for e in (".gif", ".png")), ".webp", ".webm"],
)
def test_a_job_in_steps_gives_what_one_command_gives(
    ending: str, material: Material, parts: Parts, tmp_path: Path
) -> None:
    target = tmp_path / f"in{ending}"
    (write_alpha if ending == ".webm" else write_animation)(target)
    pairs, encode = (Pair((material.photo,)),), EncodeOptions()
    once = tmp_path / f"once{ending}"
    report = swap_files(SwapRequest(pairs, target, once, workers=2), parts)
    assert (report.frames, report.people[0].swapped, report.warnings) == (COUNT, COUNT, ())
    scan_file_to(target, Trim(), parts, Watch(), tmp_path / "tracks")
    found = load_scan(tmp_path / "tracks")
    made = plan_job(pairs, found, parts, "the target", probe(target))
    chunks = plan_parts(target, Trim(), encode, 0.1, found.times, ending)
    assert json.loads(json.dumps(chunks)) == [None]
    job = Rendition(target, tmp_path / "tracks", pairs, made.pair_by_track, Trim(), encode)
    whole = tmp_path / f"whole{ending}"
    facts = {"chunks": [None], "suffix": ending}
    assert render(job, facts, 0, parts, Watch(), whole) == []
    for (time, new), (other_time, other) in zip(pixels(once), pixels(whole), strict=True):
        assert time == other_time
        np.testing.assert_array_equal(new, other)
    told = describe_result(whole)
    assert (told["frames"], told["width"], told["height"]) == (COUNT, SIDE, SIDE)
    assert told["content_type"] == {".webm": "video/webm"}.get(ending, f"image/{ending[1:]}")


def test_what_is_written_without_alpha_may_be_cut(
    material: Material, parts: Parts, tmp_path: Path
) -> None:
    target = write_alpha(tmp_path / "in.webm")
    chunks = plan_parts(target, Trim(), EncodeOptions(), 5, None, ".mp4")
    assert chunks != [None]
    for options in (EncodeOptions("av1"), replace(EncodeOptions(), codec="av1", quality=30)):
        assert plan_parts(target, Trim(), options, 5, None, ".webm") != [None]


def pixels(path: Path) -> list[tuple[object, np.ndarray]]:
    """(time, all planes and alpha in a row) of each frame."""
    with open_video(path) as reader:
        return [
            (
                frame.time,
                np.concatenate(
                    [
                        plane.ravel()
                        for plane in (*frame.picture.planes, frame.picture.carrier.alpha)
                    ]  # type: ignore[attr-defined]
                ),
            )
            for frame in reader.frames()
        ]
