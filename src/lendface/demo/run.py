"""The demo: a swap from nothing but a photo and a video, or not even those."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lendface.app import (
    Pair,
    Parts,
    SwapReport,
    SwapRequest,
    Trim,
    Watch,
    swap_consented,
    swap_files,
)
from lendface.media import read_image
from lendface.pipeline.likeness import Likeness, measure_likeness
from lendface.pipeline.names import ending_for
from lendface.pipeline.scans import Scan
from lendface.pipeline.sheets import (
    Moment,
    contact_sheet,
    pictures_at,
    rgb_of,
    told_time,
    write_sheet,
)
from lendface.pipeline.targets import open_target

from .clip import write_demo_clip
from .people import demo_source_photo

MOMENTS = 6
WELL_SHOWN = 0.9  # strength of the faces that the sheet shows, where there are such


def run_demo(
    source: Path | None, target: Path | None, folder: Path, parts: Parts, watch: Watch
) -> dict[str, Any]:
    """Make a swapped video in ``folder``, and a sheet that shows it; returns what was measured.

    Without a source or a target, synthetic people of openpeople take their places, and the
    target's clip is made from a portrait. Raises DemoPeopleMissingError and all that a swap does.
    """
    shows_nobody = source is None
    source = source or demo_source_photo()
    folder.mkdir(parents=True, exist_ok=True)
    if target is None:
        target = folder / "target.mp4"
        write_demo_clip(target, parts.enroller, on_frame=lambda n, of: watch.step("clip", n, of))
    output = folder / f"swapped{ending_for(target)}"
    request = SwapRequest((Pair((source,)),), target, output)
    if shows_nobody:
        report = swap_consented(request, parts, watch, ())
    else:
        report = swap_files(request, parts, watch)
    sheet = folder / "before_and_after.png"
    write_sheet(sheet, contact_sheet(rgb_of(read_image(source)[0]), find_moments(report, target)))
    return {
        "video": str(output),
        "contact_sheet": str(sheet),
        **measured(report, measure_likeness(report, parts)),
        "warnings": list(report.warnings),
    }


def measured(report: SwapReport, likenesses: list[Likeness]) -> dict[str, Any]:
    """The figures of a swap; similarities are SFace cosines over the swapped frames."""
    to_source = [value for likeness in likenesses for value in likeness.to_source]
    to_target = [value for likeness in likenesses for value in likeness.to_target]
    return {
        "frames": report.frames,
        "frames_per_second": round(report.frames / max(report.scan_s + report.render_s, 1e-9), 1),
        "peak_memory_mib": round(peak_memory_bytes() / 2**20),
        "similarity_to_source": round(float(np.mean(to_source)), 2) if to_source else None,
        "similarity_to_target": round(float(np.mean(to_target)), 2) if to_target else None,
        "nearer_to_source": share(likenesses),
        "provider": report.provider,
    }


def share(likenesses: list[Likeness]) -> str | None:
    """In how many of the swapped frames the face looks more like the source."""
    count = sum(len(likeness.to_source) for likeness in likenesses)
    nearer = sum(likeness.nearer_to_source * len(likeness.to_source) for likeness in likenesses)
    return f"{round(nearer)} of {count} frames" if count else None


def find_moments(report: SwapReport, target: Path) -> list[Moment]:
    """Frames spread over the swapped part of a film, before and after."""
    boxes = shown_faces(report)
    chosen = sorted(boxes)[:: max(1, -(-len(boxes) // MOMENTS))]
    before = pictures_at(open_target(target, Trim()).as_target(), chosen)
    after = pictures_at(open_target(report.output, Trim()).as_target(), chosen)
    return [
        Moment(caption_of(report.scan, index), before[index], after[index], boxes[index])
        for index in chosen
    ]


def shown_faces(report: SwapReport) -> dict[int, Any]:
    """Boxes of one planned face by frame: of well swapped faces, else of any."""
    tracks, planned = report.scan.tracks, report.plan.source_by_track
    found: dict[bool, dict[int, Any]] = {True: {}, False: {}}
    for index, places in tracks.places.items():
        for place in places:
            if place.track_id in planned:
                face = next(f for f in tracks.faces_at(index) if f.track_id == place.track_id)
                found[place.strength >= WELL_SHOWN].setdefault(index, face.box_xyxy)
    return found[True] or found[False]


def caption_of(found: Scan, index: int) -> str:
    return told_time(float(found.times[index]))


def peak_memory_bytes() -> int:
    """The most memory this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
