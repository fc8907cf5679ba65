"""Where the time goes: a clip decoded, encoded again, scanned and swapped, stage by stage."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lendface.engine.plan import SwapPlan
from lendface.engine.types import SourceFace
from lendface.media import open_video, open_writer, prefetch
from lendface.pipeline.parts import Parts
from lendface.pipeline.rendering import Rendering
from lendface.pipeline.scans import scan_target
from lendface.pipeline.targets import Trim, VideoTarget, open_target

from .clips import Clip
from .engine import enrolled
from .stages import STAGES, Stopwatch, timed_inside, timed_parts


@dataclass(frozen=True)
class Measured:
    """Medians over the repeats of one clip."""

    size: str
    faces: int
    face_height_px: float
    frames: int
    decode_fps: float
    copy_fps: float  # decoded and encoded without a swap
    scan_fps: float
    render_fps: float  # decode, swap, paste and encode
    swap_fps: float  # both passes: what a user waits for
    prepare_s: float  # once per film and person: textures and shapes; part of the render
    stage_ms: dict[str, float] = field(default_factory=dict)  # of processor time, per frame


def measure(path: Path, clip: Clip, parts: Parts, repeats: int) -> Measured:
    """All faces of the clip are swapped."""
    sources = enrolled(parts)
    runs = [run_once(path, clip.faces, parts, sources) for _ in range(repeats)]
    seconds = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    count = clip.frames
    spent_ms = {stage: 1000 * seconds[f"stage {stage}"] / count for stage in STAGES}
    all_ms = 1000 * seconds["cpu"] / count
    codecs = {"codecs": all_ms - sum(spent_ms.values()), "all": all_ms}
    return Measured(
        size=clip.size,
        faces=clip.faces,
        face_height_px=round(seconds["face_height_px"]),
        frames=count,
        decode_fps=round(count / seconds["decode"], 1),
        copy_fps=round(count / seconds["copy"], 1),
        scan_fps=round(count / seconds["scan"], 1),
        render_fps=round(count / seconds["render"], 1),
        swap_fps=round(count / (seconds["scan"] + seconds["render"]), 1),
        prepare_s=round(seconds["prepare"], 2),
        stage_ms={name: round(ms, 2) for name, ms in (spent_ms | codecs).items()},
    )


def run_once(
    path: Path, faces: int, parts: Parts, sources: Sequence[SourceFace]
) -> dict[str, float]:
    """Seconds for each way through the clip; of processor time for each stage of the swap."""
    output = path.with_name("out.mp4")
    spent = {"decode": timed(lambda: decode(path)), "copy": timed(lambda: copy(path, output))}
    watch = Stopwatch()
    began = time.process_time()
    with timed_inside(watch):
        spent |= swap(path, output, faces, timed_parts(parts, watch), sources)
    spent["cpu"] = time.process_time() - began
    spent["prepare"] = watch.spent_s["prepare"]
    return spent | {f"stage {stage}": watch.spent_s[stage] for stage in STAGES}


def swap(
    path: Path, output: Path, faces: int, parts: Parts, sources: Sequence[SourceFace]
) -> dict[str, float]:
    target = open_target(path, Trim())
    assert isinstance(target, VideoTarget)
    began = time.perf_counter()
    found = scan_target(target.as_target(), parts)
    scanned = time.perf_counter()
    if len(found.people) != faces:
        raise RuntimeError(f"{path.name} shows {faces} people, the scan found {len(found.people)}")
    plan = SwapPlan({p.id: source for p, source in zip(found.people, sources, strict=False)})
    Rendering(found, plan, parts.swapper).write_video(target, output)
    return {
        "scan": scanned - began,
        "render": time.perf_counter() - scanned,
        "face_height_px": max((person.size_px for person in found.people), default=0.0),
    }


def decode(path: Path) -> None:
    with open_video(path) as reader:
        for _ in reader.frames():
            pass


def copy(path: Path, output: Path) -> None:
    with open_video(path) as reader, open_writer(output, reader) as writer:
        for frame in prefetch(reader.frames()):
            writer.write(frame)


def timed(work: object) -> float:
    assert callable(work)
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
