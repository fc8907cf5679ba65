"""Several processes render a film as one does."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lendface.engine.label import Label
from lendface.errors import (
    CancelledError,
    DiskFullError,
    LendfaceError,
    OutputFolderMissingError,
    RenderProcessError,
    TargetChangedError,
)
from lendface.media import EncodeOptions, fresh_starts
from lendface.media.cores import count_cores
from lendface.pipeline.part_process import Broken
from lendface.pipeline.parts import Parts, Progress, Watch
from lendface.pipeline.rendering import Rendering
from lendface.pipeline.side_by_side import cut_for
from lendface.pipeline.swaps import Pair, SwapReport, SwapRequest, swap_files
from lendface.pipeline.targets import Trim, VideoTarget, open_target
from make_media import decoded_planes, packets_by_stream, video_times
from material import Material
from people import read_person, swaying, write_film

pytestmark = pytest.mark.slow

FRAMES = 60
LOSSLESS = EncodeOptions(preset="ultrafast", is_lossless=True)
FAST = EncodeOptions(preset="veryfast")

Swap = Callable[..., SwapReport]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """P005 sways for seven seconds with hardly a frame in most of them; turned, with a tone."""
    pictures = swaying(read_person("P005", side_px=160), FRAMES, reach_px=4)
    lying = [np.ascontiguousarray(np.rot90(pixels, 1)) for pixels in pictures]
    gaps = [512, 700, 256, 512, 6000] * 12
    pts = [sum(gaps[:k]) for k in range(FRAMES)]
    path = tmp_path_factory.mktemp("film") / "in.mp4"
    return write_film(path, lying, pts=pts, rotation=-90, with_tone=True)


@pytest.fixture
def swap(film: Path, material: Material, parts: Parts, tmp_path: Path) -> Swap:
    def run(name: str, watch: Watch | None = None, target: Path = film, **more: Any) -> SwapReport:
        request = SwapRequest((Pair((material.photo,)),), target, tmp_path / name, **more)
        return swap_files(request, parts, watch)

    return run


def test_two_processes_give_the_frames_times_and_sound_of_one(
    swap: Swap, film: Path, tmp_path: Path
) -> None:
    steps: list[Progress] = []
    one = swap("one.mp4", encode=LOSSLESS, label=Label()).output
    two = swap("two.mp4", Watch(steps.append), encode=LOSSLESS, label=Label(), workers=2).output
    old, new = decoded_planes(one), decoded_planes(two)
    assert [time for time, _ in old] == [time for time, _ in new] == video_times(film)
    for (_, planes), (_, again) in zip(old, new, strict=True):
        for plane, other in zip(planes, again, strict=True):
            np.testing.assert_array_equal(plane, other)
    assert packets_by_stream(two)[1] == packets_by_stream(film)[1]
    done = [step.done for step in steps if step.stage == "render"]
    assert done == list(range(1, FRAMES + 1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.mp4", "two.mp4"]


def test_two_processes_give_the_packets_of_one_that_starts_anew_where_they_do(
    swap: Swap, film: Path
) -> None:
    report = swap("two.mp4", encode=FAST, workers=2)
    threads = max(1, count_cores() // 2)
    target = open_target(film, Trim())
    assert isinstance(target, VideoTarget)
    rendering = Rendering(report.scan, report.plan, Nobody(), FAST)
    chunks = cut_for(2, rendering, target)
    assert len(chunks) > 2
    encode = replace(FAST, fresh_start_pts=fresh_starts(chunks), threads=threads)
    once = swap("one.mp4", encode=encode)
    assert packets_by_stream(report.output) == packets_by_stream(once.output)


class Nobody:
    """A Swapper that is never asked."""

    def prepare(self, source: Any, track: Any) -> Any: ...

    def swap(self, picture: Any, face: Any, look: Any) -> None: ...


def test_a_film_too_short_to_be_cut_is_rendered_by_one_process(
    swap: Swap, material: Material
) -> None:
    one = swap("one.mp4", target=material.film, encode=FAST)
    many = swap("many.mp4", target=material.film, encode=FAST, workers=8)
    assert one.output.read_bytes() == many.output.read_bytes()


def test_the_same_processes_render_the_mask_preview(swap: Swap, film: Path, tmp_path: Path) -> None:
    at_work = set[int]()
    watch = Watch(lambda progress: at_work.update(children()))
    preview = tmp_path / "mask.mp4"
    swap("two.mp4", watch, mask_preview=preview, encode=FAST, workers=2)
    swap("one.mp4", mask_preview=tmp_path / "alone.mp4", encode=FAST)
    assert len(at_work) == 2
    assert video_times(preview) == video_times(tmp_path / "alone.mp4") == video_times(film)


def test_a_process_that_is_killed_is_an_error_and_leaves_nothing(
    swap: Swap, tmp_path: Path
) -> None:
    def kill(progress: Progress) -> None:
        if progress.stage == "render":
            for pid in children():
                os.kill(pid, signal.SIGKILL)

    with pytest.raises(RenderProcessError, match="killed by signal 9"):
        swap("out.mp4", Watch(kill), workers=2)
    assert [*tmp_path.iterdir(), *children()] == []


@pytest.mark.parametrize("stage", ["scan", "render"])
@pytest.mark.parametrize("error", [CancelledError, KeyboardInterrupt])
def test_whoever_is_stopped_leaves_no_file_and_no_process(
    swap: Swap, tmp_path: Path, error: type[BaseException], stage: str
) -> None:
    at_work: list[int] = []

    def stop(progress: Progress) -> None:
        if progress.stage == stage and progress.done == 3:
            at_work.extend(children())
            raise error

    with pytest.raises(error):
        swap("out.mp4", Watch(stop), workers=2)
    assert len(at_work) == 2
    assert [*tmp_path.iterdir(), *children()] == []


@pytest.mark.parametrize(
    "error",
    [
        DiskFullError(),
        TargetChangedError("a.mp4"),
        OutputFolderMissingError("there"),
        RenderProcessError(-9),
    ],
    ids=lambda error: error.code,
)
def test_an_error_of_a_process_comes_out_as_it_was(error: LendfaceError) -> None:
    again = pickle.loads(pickle.dumps(Broken.of(error))).error()
    assert type(again) is type(error)
    assert (str(again), again.code, again.__dict__) == (str(error), error.code, error.__dict__)


def children() -> list[int]:
    """Processes that this one, any thread of it, has started."""
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    found = " ".join((task / "children").read_text(encoding="ascii") for task in tasks)
    return [int(pid) for pid in found.split() if is_renderer(int(pid))]


def is_renderer(pid: int) -> bool:
    return b"part_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
