"""A swap from files to a file: enrol, scan, plan, render."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..engine.enrol import KEPT_PIXELS, Photo
from ..engine.label import Label
from ..engine.plan import SwapPlan, find_at, find_person, plan_everyone, plan_most_present
from ..engine.preview import MaskPreview
from ..engine.style import Style
from ..engine.tracks import Tracks
from ..engine.twice import seen_twice, with_who_is_seen_twice
from ..engine.types import Floats, SourceFace, Track
from ..errors import BadOptionError, FaceError, NoSuchPersonError, NoTargetFaceError
from ..media import EncodeOptions, read_image
from ..media.output import check_writable, real_place
from ..media.writer import encoder_for, get_container
from .beards import beard_warnings
from .both_eyes import with_both_eyes
from .finishing import Finish, Made, finished_output, leave
from .guarding import Guard, LetPass
from .limits import told_as
from .parts import Parts, Watch
from .rendering import Rendering
from .room import is_long, make_room
from .scans import Scan, scan_target
from .side_by_side import gathered, render_side_by_side
from .targets import Trim, VideoTarget, open_target
from .warming import compile_once

MOST_KEPT_PIXELS = 8 * KEPT_PIXELS  # of all source photos of a swap


@dataclass(frozen=True)
class MostPresent:
    """Whoever is seen most, by frames and size."""


@dataclass(frozen=True)
class Everyone:
    """Every person of the cast."""


@dataclass(frozen=True)
class CastNumber:
    """A person by the number of the cast list, 1-based."""

    number: int


@dataclass(frozen=True)
class CastNumbers:
    """Several people by their numbers, who all get the same source."""

    numbers: tuple[int, ...]


@dataclass(frozen=True)
class LooksLike:
    """The person whom a reference photo shows."""

    photo: Path
    face_number: int | None = None  # which face of the photo, 1-based from left to right
    face_at_xy: tuple[float, float] | None = None  # or a point of it, pixels
    or_most_present: bool = False  # where nobody looks like it, and there is only one pair
    name: str | None = field(
        default=None, compare=False
    )  # what its user calls it; None: the file's own

    @property
    def told(self) -> str:
        return self.name or self.photo.name


@dataclass(frozen=True)
class SeenAt:
    """The person who is the first to be seen at a pixel of the target."""

    at_xy: tuple[float, float]
    or_most_present: bool = False  # where nobody ever is
    name: str | None = field(default=None, compare=False)  # what its user calls the point


Who = MostPresent | Everyone | CastNumber | CastNumbers | LooksLike | SeenAt
References = Mapping[LooksLike, Floats]  # the embedding (128,) of whom each photo shows


@dataclass(frozen=True)
class Pair:
    """Photos of one source person, and whose face they replace."""

    photos: tuple[Path, ...]
    who: Who = field(default_factory=MostPresent)
    face_number: int | None = None  # which face of the photos, 1-based from left to right
    face_numbers: tuple[int | None, ...] = ()  # or the number for each photo
    faces_at_xy: tuple[tuple[float, float] | None, ...] = ()  # or a pixel of it, for each photo
    names: tuple[str, ...] = ()  # what their user calls the photos; empty: the files' own names


@dataclass(frozen=True)
class SwapRequest:
    """Everything that a swap of files depends on."""

    pairs: tuple[Pair, ...]
    target: Path
    output: Path
    trim: Trim = field(default_factory=Trim)
    encode: EncodeOptions = field(default_factory=EncodeOptions)
    style: Style = field(default_factory=Style)
    mask_preview: Path | None = None  # a second file that shows mesh and mask instead of faces
    label: Label | None = None  # drawn into every frame
    workers: int = 1  # processes that render side by side; each needs memory of its own


@dataclass(frozen=True)
class PersonReport:
    """What happened to one person: frames swapped, partly swapped (faded), and left alone."""

    face: int
    swapped: int
    faded: int
    left: int


@dataclass(frozen=True, eq=False)
class SwapReport:
    """What a swap did."""

    output: Path
    frames: int
    people: tuple[PersonReport, ...]
    cast_size: int
    warnings: tuple[str, ...]
    scan_s: float
    render_s: float
    provider: str
    scan: Scan = field(repr=False)
    plan: SwapPlan = field(repr=False)


def swap_files(
    request: SwapRequest,
    parts: Parts,
    watch: Watch | None = None,
    clock: Callable[[], float] = time.monotonic,
    finish: Finish = leave,
    guard: Guard | None = None,
) -> SwapReport:
    """Do a swap; the output appears whole at its end, or not at all.

    ``guard`` may forbid it (RefusedError) before anything is rendered; ``finish`` has the last
    word on each file before it appears.
    Raises the errors of ``lendface.errors``: of reading the files, of the faces in them, of
    writing, RenderProcessError, and CancelledError.
    """
    watch, guard = watch or Watch(), guard or LetPass()
    check_output(request)
    opened = open_target(request.target, request.trim)
    if isinstance(opened, VideoTarget):  # a wrong ending is told before an hour of work, not after
        for path in (request.output, request.mask_preview):
            if path is not None:
                encoder_for(get_container(path, opened.info), opened.info, request.encode)
    sources, warnings = enrol_pairs(request.pairs, parts)
    warnings += guard.check_sources(sources)
    references = read_references((pair.who for pair in request.pairs), parts)
    target = opened.as_target()
    began = clock()
    guard.open_target(target)
    with gathered(opened, request.workers) as crew:
        scan = scan_target(target, parts, watch, guard.see)
        plan = make_plan(request.pairs, sources, scan.tracks, target.name, references)
        info = opened.info if isinstance(opened, VideoTarget) else None
        plan, told = with_both_eyes(plan, scan.tracks, info)
        warnings += told
        guard.check_plan(target, scan, plan)
        if isinstance(opened, VideoTarget) and is_long(scan, opened.info.size_wh):
            scan = make_room(scan)
        scanned = clock()
        warnings += told_choices(request.pairs, scan, plan, references, target.name)
        size_wh = None if info is None else info.size_wh
        warnings += beard_warnings(scan, plan, parts.scanner.topology, size_wh)
        compile_once(watch, here=not crew.ends)
        styled = parts.styled(request.style)
        rendering = Rendering(scan, plan, styled.swapper, request.encode, watch, request.label)
        people = len(plan.source_by_track)
        with finished_output(request.output) as part:
            warnings += render_side_by_side(rendering, opened, part, crew)
            warnings += finish(part, Made("faces", people))
        if request.mask_preview is not None:
            preview = MaskPreview(styled.swapper, parts.scanner.topology)
            with finished_output(request.mask_preview) as part:
                shown = replace(rendering, swapper=preview, label=None)
                render_side_by_side(shown, opened, part, crew)
                finish(part, Made("mask_preview", people))
    return SwapReport(
        output=request.output,
        frames=scan.tracks.frame_count,
        people=tuple(report_person(scan.tracks, track_id) for track_id in plan.source_by_track),
        cast_size=len(scan.people),
        warnings=tuple(warnings),
        scan_s=scanned - began,
        render_s=clock() - scanned,
        provider=parts.provider,
        scan=scan,
        plan=plan,
    )


def check_output(request: SwapRequest) -> None:
    """The result must not overwrite what it is made from, and there must be a place for it.

    Raises BadOptionError, OutputFolderMissingError and OutputError.
    """
    given = [request.target, *(photo for pair in request.pairs for photo in pair.photos)]
    inputs = [Path(os.path.realpath(path)) for path in given if os.path.exists(path)]
    output = real_place(request.output)
    if output in inputs:
        raise BadOptionError(
            f"the output {request.output.name} is one of the inputs; choose another name"
        )
    check_writable(request.output)
    if request.mask_preview is not None:
        if real_place(request.mask_preview) in [*inputs, output]:
            raise BadOptionError("the mask preview needs a file of its own; choose another name")
        check_writable(request.mask_preview)


def enrol_pairs(pairs: Iterable[Pair], parts: Parts) -> tuple[list[SourceFace], list[str]]:
    """A source face for each pair, and warnings about their photos.

    Photos are read one after the other, and no more than ``MOST_KEPT_PIXELS`` of all are kept.
    """
    pairs = list(pairs)
    most = kept_pixels_each(sum(len(pair.photos) for pair in pairs))
    sources, warnings = [], []
    for pair in pairs:
        enrolment = parts.enroller.enrol(read_photos(pair), most)
        sources.append(enrolment.source)
        warnings += enrolment.warnings
    return sources, warnings


def kept_pixels_each(photos: int) -> int:
    """How much of each photo is kept where there are so many."""
    return min(KEPT_PIXELS, MOST_KEPT_PIXELS // max(1, photos))


def read_photos(pair: Pair) -> Iterator[Photo]:
    """Each when it is asked for. Raises the errors of ``read_image``."""
    numbers = pair.face_numbers or (pair.face_number,) * len(pair.photos)
    points = pair.faces_at_xy or (None,) * len(pair.photos)
    names = pair.names or tuple(path.name for path in pair.photos)
    for path, name, number, point in zip(pair.photos, names, numbers, points, strict=True):
        with told_as(name):
            picture = read_image(path)[0]
        yield Photo(name, picture, number, point)


def make_plan(
    pairs: tuple[Pair, ...],
    sources: list[SourceFace],
    tracks: Tracks,
    name: str,
    references: References,
) -> SwapPlan:
    """Who gets whose face. Raises NoTargetFaceError, NoSuchPersonError, BadOptionError."""
    if not tracks.people:
        raise NoTargetFaceError(name)
    source_by_track: dict[int, SourceFace] = {}
    for pair, source in zip(pairs, sources, strict=True):
        chosen = choose(pair.who, source, tracks, references, name, may_fall_back=len(pairs) == 1)
        for track_id in chosen.source_by_track:
            if track_id in source_by_track:
                raise BadOptionError(f"two sources are meant for face {track_id}; give it one")
            source_by_track[track_id] = source
    return with_who_is_seen_twice(SwapPlan(source_by_track), tracks)


def read_references(whos: Iterable[Who], parts: Parts) -> References:
    """Whom the reference photos show; read before the scan, so that a wrong one is told at once.

    Raises the errors of reading a photo and of finding the one face in it; a photo without one is
    passed over where somebody else may be taken.
    """
    references: dict[LooksLike, Floats] = {}
    for who in whos:
        if not isinstance(who, LooksLike) or who in references:
            continue
        try:
            references[who] = read_embedding(who, parts)
        except FaceError:
            if not who.or_most_present:
                raise
    return references


def read_embedding(who: LooksLike, parts: Parts) -> Floats:
    with told_as(who.told):
        picture = read_image(who.photo)[0]
    photo = Photo(who.told, picture, who.face_number, who.face_at_xy)
    return parts.enroller.portrait(photo).embedding


def choose(
    who: Who,
    source: SourceFace,
    tracks: Tracks,
    references: References,
    name: str = "the target",
    *,
    may_fall_back: bool = True,
) -> SwapPlan:
    """Who of the film gets the source. Raises NoSuchPersonError.

    Of several pairs none may fall back on the most present person, who may be meant for another.
    """
    match who:
        case MostPresent():
            return plan_most_present(tracks, source)
        case Everyone():
            return plan_everyone(tracks, source)
        case CastNumber(number):
            return SwapPlan({get_person(tracks, number, name).id: source})
        case CastNumbers(numbers):
            return SwapPlan({get_person(tracks, number, name).id: source for number in numbers})
        case LooksLike() | SeenAt():
            person = find_meant(who, tracks, references)
            if person is None and who.or_most_present and may_fall_back:
                return plan_most_present(tracks, source)
            if person is None:
                raise NoSuchPersonError(
                    f"{told_nobody(who, name)}; see the cast list with: lendface scan TARGET"
                )
            return SwapPlan({person.id: source})


def find_meant(who: LooksLike | SeenAt, tracks: Tracks, references: References) -> Track | None:
    """Whom a photo or a point means; None where it is nobody, or the photo shows no face."""
    if isinstance(who, SeenAt):
        return find_at(tracks, who.at_xy)
    return find_person(tracks, references[who]) if who in references else None


def told_nobody(who: LooksLike | SeenAt, name: str = "the target") -> str:
    if isinstance(who, SeenAt):
        return f"nobody in {name} is ever seen at {who.name or 'the given point'}"
    return f"nobody in {name} looks like {who.told}"


def get_person(tracks: Tracks, number: int, name: str = "the target") -> Track:
    try:
        return tracks.get_person(number)
    except KeyError:
        raise NoSuchPersonError(
            f"there is no face {number}; {name} has faces 1 to {len(tracks.people)}; "
            "see the cast list with: lendface scan TARGET"
        ) from None


def told_choices(
    pairs: Sequence[Pair],
    scan: Scan,
    plan: SwapPlan,
    references: References,
    name: str = "the target",
) -> list[str]:
    """Warnings about who was chosen."""
    fallen_back = [
        f"{told_nobody(pair.who, name)}; the most present person was taken"
        for pair in pairs
        if isinstance(pair.who, LooksLike | SeenAt)
        and find_meant(pair.who, scan.tracks, references) is None
    ]
    told = [hard_warning(scan, plan), twice_warning(scan, plan)]
    return [*fallen_back, *(warning for warning in told if warning)]


def twice_warning(scan: Scan, plan: SwapPlan) -> str | None:
    """Says so where one person is seen twice in each frame and both are swapped."""
    planned = plan.source_by_track
    twice = {
        tuple(sorted((number, other)))
        for number in planned
        for other in seen_twice(scan.tracks, number)
        if planned.get(other) is planned[number]
    }
    if not twice:
        return None
    told = ", ".join(f"{one} and {other}" for one, other in sorted(twice))
    return f"faces {told} are one person seen twice, as by two eyes; both were swapped alike"


def hard_warning(scan: Scan, plan: SwapPlan) -> str | None:
    """Says so where nothing of a planned person can be swapped."""
    lost = [p for p in scan.people if p.id in plan.source_by_track and p.usable_share < 0.01]
    if not lost:
        return None
    numbers = ", ".join(str(person.id) for person in lost)
    return f"face {numbers} is too small or too turned in every frame and was left as it is"


def report_person(tracks: Tracks, track_id: int) -> PersonReport:
    strengths = [
        place.strength
        for places in tracks.places.values()
        for place in places
        if place.track_id == track_id
    ]
    kinds = Counter("swapped" if s > 0.99 else "faded" if s > 0 else "left" for s in strengths)
    return PersonReport(track_id, kinds["swapped"], kinds["faded"], kinds["left"])
