"""A job's request in the words of the pipeline: who gets whose face, how the result is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from ..engine.label import Label
from ..engine.style import Style
from ..errors import NoTargetFaceError, OutputFormatError
from ..media import EncodeOptions
from ..media.encode import ANIMATIONS
from ..media.writer import ANIMATION_BY_SUFFIX
from ..pipeline.limits import Limits, TargetFacts
from ..pipeline.parts import Parts, Watch
from ..pipeline.scans import Scan
from ..pipeline.steps import (
    JobPlan,
    Rendition,
    check_single_person,
    describe_result,
    join_parts,
    plan_job,
    plan_parts,
    render_part,
)
from ..pipeline.swaps import CastNumbers, Everyone, LooksLike, MostPresent, Pair, SeenAt, Who
from ..pipeline.targets import Trim, VideoTarget, open_target
from ..pipeline.trackfile import load_scan
from ..trust.label import LabelRule
from .requests import (
    TARGET_NAME,
    LimitsRef,
    OutputRef,
    PairRef,
    ScanJob,
    SwapJob,
    WhoRef,
    seconds,
)

PathOf = Callable[[str], Path]  # the local file of an upload
Permit = Callable[[Scan, JobPlan], None]  # raises what forbids it
Facts = Mapping[str, Any]  # what a job's earlier tasks found
Trimmed = TypeVar("Trimmed", SwapJob, ScanJob, SwapJob | ScanJob)

IMAGE_SUFFIX = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "avif": ".avif", "heic": ".jpg"}


def limits_for(limits: LimitsRef, server: Limits) -> Limits:
    """The server's limits, tightened by what the request says."""
    return replace(
        server,
        max_bytes=_least(server.max_bytes, limits.max_bytes),
        max_duration_s=_least(server.max_duration_s, limits.max_seconds),
        max_fps=_least(server.max_fps, limits.max_fps),
        max_long_side=_least(server.max_long_side, limits.max_long_side),
        containers=limits.containers or server.containers,
        codecs=limits.video_codecs or server.codecs,
        audio_codecs=limits.audio_codecs or server.audio_codecs,
        kinds=limits.kinds or server.kinds,
    )


def settle_end(request: Trimmed, facts: Facts) -> Trimmed:
    """The request for a target whose length is known: one that is just too long is not cut."""
    if not isinstance(request, SwapJob) or request.end_s is None:
        return request
    if facts["target"]["duration_s"] < request.end_s + request.end_slack_s:
        return replace(request, end_s=None)
    return request


def trim_of(request: SwapJob | ScanJob) -> Trim:
    return Trim(seconds(request.start_s), seconds(request.end_s))


def frames_in(request: SwapJob | ScanJob, facts: TargetFacts) -> int:
    """How many frames of the target the job is about, before anybody has counted them."""
    if request.start_s is None and request.end_s is None:
        return facts.frame_count
    end_s = min(request.end_s or facts.duration_s, facts.duration_s)
    return max(1, round((end_s - (request.start_s or 0)) * facts.fps))


WAYS = {
    "image": ("a picture", "jpg, png, webp or avif"),
    "video": ("a film", "mp4, mov, mkv, webm, gif or apng"),
    "animation": ("an animation", "gif, apng, png, webp, mp4, mov, mkv or webm"),
}


def suffix_of(output: OutputRef, facts: TargetFacts, name: str = TARGET_NAME) -> str:
    """How the result's name ends: as asked for, or like the target where we can write that.

    Raises OutputFormatError for a film as a picture, or the other way round.
    """
    if output.container:
        suffix = f".{output.container}"
        is_animation = facts.kind == "video" and facts.container in ANIMATIONS
        is_picture = suffix in IMAGE_SUFFIX.values()
        is_picture &= not (is_animation and suffix in ANIMATION_BY_SUFFIX)
        if is_picture != (facts.kind == "image"):
            what, ways = WAYS["animation" if is_animation else facts.kind]
            raise OutputFormatError(f"{name} is {what}, which is written as {ways}")
        return suffix
    if facts.kind == "image":
        return IMAGE_SUFFIX.get(facts.container, ".png")
    return facts.ending


def encode_options(output: OutputRef) -> EncodeOptions:
    return EncodeOptions(
        codec=output.codec,
        quality=output.quality,
        preset=output.preset,
        is_lossless=output.lossless,
        copies_audio=output.copy_audio,
        is_compatible=output.compatible,
        max_long_side=output.max_long_side,
        max_fps=output.max_fps,
    )


def settle_label(request: SwapJob, rule: LabelRule) -> dict[str, Any] | None:
    """What is to be drawn into every frame, as plain values. A request asks for it and never
    leaves out what the operator wants."""
    asked = request.label
    label = rule.settle(asked is not None, asked and asked.position, asked and asked.size)
    return asdict(label) if label else None


def pairs_of(request: SwapJob, path_of: PathOf) -> tuple[Pair, ...]:
    return tuple(_pair(pair, request.target, path_of) for pair in request.pairs)


def plan(
    request: SwapJob,
    path_of: PathOf,
    tracks_path: Path,
    parts: Parts,
    chunk_s: float,
    permit: Permit = lambda found, made: None,
    suffix: str = ".mp4",
) -> dict[str, Any]:
    """Facts for the tasks that follow: the plan, the parts to render, warnings.

    Raises the errors of the photos, NoTargetFaceError, NoSuchPersonError, SeveralPeopleError, and
    what ``permit`` raises.
    """
    found = load_scan(tracks_path)
    if not found.people:
        raise NoTargetFaceError(request.target_name)
    if request.limits.single_person:
        check_single_person(found, request.target_name)
    opened = open_target(path_of(request.target), trim_of(request))
    info = opened.info if isinstance(opened, VideoTarget) else None
    made = plan_job(pairs_of(request, path_of), found, parts, request.target_name, info)
    permit(found, made)
    pieces = plan_parts(
        path_of(request.target),
        trim_of(request),
        encode_options(request.output),
        chunk_s,
        found.times,
        suffix,
    )
    return {
        "plan": {str(track): pair for track, pair in made.pair_by_track.items()},
        "chunks": pieces,
        "warnings": list(made.warnings),
    }


def rendition(request: SwapJob, facts: Facts, path_of: PathOf, tracks_path: Path) -> Rendition:
    return Rendition(
        target=path_of(request.target),
        tracks=tracks_path,
        pairs=pairs_of(request, path_of),
        pair_by_track={int(track): pair for track, pair in facts["plan"].items()},
        trim=trim_of(request),
        encode=encode_options(request.output),
        style=Style(**asdict(request.style)),
        label=Label(**facts["label"]) if facts.get("label") else None,
    )


def part_suffix(facts: Facts, number: int) -> str:
    """A part of a film is an MP4 whatever the result is; a picture is the result itself."""
    return facts["suffix"] if facts["chunks"][number] is None else ".mp4"


def part_options(job: Rendition, suffix: str) -> Rendition:
    """WebM takes no H.264: the codec follows from the result, not from the part."""
    if suffix == ".webm" and job.encode.codec is None:
        return replace(job, encode=replace(job.encode, codec="av1"))
    return job


def render(
    job: Rendition, facts: Facts, number: int, parts: Parts, watch: Watch, out_path: Path
) -> list[str]:
    chunk = facts["chunks"][number]
    if chunk is not None:
        job = part_options(job, facts["suffix"])
    return render_part(job, chunk, parts, watch, out_path)


def join(
    job: Rendition,
    facts: Facts,
    rendered: Sequence[Path],
    watch: Watch,
    out_path: Path,
    sign: Callable[[Path], Sequence[str]],
) -> dict[str, Any]:
    """The result as plain values, warnings among them. ``sign`` has the last word on the file."""
    warnings: list[str] = []
    if facts["chunks"] == [None]:
        shutil.copyfile(rendered[0], out_path)
    else:
        warnings = join_parts(job, rendered, out_path, watch)
    warnings += sign(out_path)
    return describe_result(out_path) | {"warnings": warnings}


def all_warnings(facts: Facts) -> list[str]:
    """What the tasks of a job had to say, each thing once."""
    told = [*facts.get("cast", {}).get("warnings", []), *facts.get("warnings", [])]
    for name, texts in facts.items():
        if name.startswith("warnings/"):
            told += texts
    told += facts.get("result", {}).get("warnings", [])
    return list(dict.fromkeys(told))


def _pair(pair: PairRef, target: str, path_of: PathOf) -> Pair:
    return Pair(
        photos=tuple(path_of(photo.upload) for photo in pair.photos),
        who=_who(pair.who, target, path_of),
        face_numbers=tuple(photo.face_number for photo in pair.photos),
        faces_at_xy=tuple(photo.face_at for photo in pair.photos),
        names=tuple(photo.name for photo in pair.photos),
    )


def _who(who: WhoRef, target: str, path_of: PathOf) -> Who:
    """A reference to the target itself, which may be a film, is a point of it."""
    match who.kind:
        case "everyone":
            return Everyone()
        case "faces":
            return CastNumbers(who.faces)
        case "looks_like" if who.photo is not None:
            photo = who.photo
            if photo.upload == target and photo.face_at is not None:
                return SeenAt(photo.face_at, who.or_most_present, photo.name)
            return LooksLike(
                path_of(photo.upload),
                photo.face_number,
                photo.face_at,
                who.or_most_present,
                photo.name,
            )
    return MostPresent()


def _least(a: Any, b: Any) -> Any:
    return min((v for v in (a, b) if v is not None), default=None)
