"""Builds the parts and joins them; the Python API stands here.

>>> from lendface import swap
>>> swap("me.jpg", "clip.mp4", "out.mp4")  # doctest: +SKIP
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .engine import kernels
from .engine.enrol import Enroller, Photo
from .engine.label import Label
from .engine.mesh.expression import NeutralShapes
from .engine.mesh.swapper import MeshSwapper
from .engine.picture import ArrayPicture
from .engine.plan import SwapPlan
from .engine.render import render
from .engine.scan import Scanner
from .engine.style import Style
from .engine.twice import with_who_is_seen_twice
from .engine.types import Box, Frame, Picture, Pixels, SourceFace
from .errors import BadOptionError, NoTargetFaceError, NotFoundError
from .media import EncodeOptions, read_image
from .models import (
    RuntimeOptions,
    check_allowed,
    load_expression_basis,
    load_kit,
    load_topology,
)
from .pipeline.many import Outcome, swap_each
from .pipeline.names import list_targets, outputs_for, ready_folder
from .pipeline.parts import Parts, Progress, Watch
from .pipeline.scans import Scan, describe_person, scan_target
from .pipeline.swaps import (
    CastNumber,
    Everyone,
    LooksLike,
    MostPresent,
    Pair,
    SwapReport,
    SwapRequest,
    Who,
    choose,
    enrol_pairs,
    kept_pixels_each,
    read_references,
)
from .pipeline.swaps import swap_files as run_swap
from .pipeline.targets import Target, Trim, open_target, still
from .pipeline.warming import warmed

if TYPE_CHECKING:
    from .models.session import Provider
    from .pipeline.finishing import Finish
    from .pipeline.guarding import Guard
    from .quality.tables import Judged
    from .service.clients import SmallDesk
    from .settings import Settings
    from .trust.protected import ProtectedFace, ProtectedFaces
    from .trust.provenance import Provenance
    from .trust.readings import GateNets
    from .trust.swaps import Signer
    from .trust.verify import Verdict

PhotoLike = str | Path | Pixels
FrameSource = Sequence[Pixels] | Callable[[], Iterator[Pixels]]

__all__ = [
    "CastNumber",
    "EncodeOptions",
    "Everyone",
    "Label",
    "LooksLike",
    "MostPresent",
    "Outcome",
    "Pair",
    "Parts",
    "Progress",
    "RuntimeOptions",
    "Scan",
    "Style",
    "SwapReport",
    "SwapRequest",
    "Trim",
    "Watch",
    "build",
    "evaluate",
    "list_protected",
    "protect_face",
    "scan",
    "swap",
    "swap_each",
    "swap_files",
    "swap_frames",
    "swap_many",
    "unprotect_face",
    "verify",
]


def build(runtime: RuntimeOptions | None = None) -> Parts:
    """The engine with its models. Models are loaded once for each runtime.

    Raises ProviderUnavailableError where the runtime asks for a provider that does not load, and
    ModelNotAllowedError where the operator's licence policy forbids a model.
    """
    from .settings import load_settings

    check_models(load_settings())
    return _build(runtime or RuntimeOptions())


def check_models(settings: Settings) -> None:
    """Whether the licences of all that a swap uses fit the policy. Raises ModelNotAllowedError."""
    from .trust.claims import uses_of_models

    check_allowed(uses_of_models(has_gate=settings.gate == "on"), settings.policy)


def check_judges() -> None:
    """The same for what measures a finished swap. Raises ModelNotAllowedError."""
    from .settings import load_settings

    check_allowed(("faceres", "face_blendshapes_52"), load_settings().policy)


@lru_cache(maxsize=4)
def _build(runtime: RuntimeOptions) -> Parts:
    kit, topology = load_kit(runtime), load_topology()
    faces = (kit.detector, kit.landmarker, kit.recognizer)
    shapes = NeutralShapes(topology, kit.expression_reader, load_expression_basis())
    return Parts(
        scanner=Scanner(*faces, kit.hand_finder, topology, shapes),
        enroller=Enroller(*faces, topology, kit.hand_finder, shapes),
        recognizer=kit.recognizer,
        swapper=MeshSwapper(topology),
        provider=kit.provider,
        later=kit.later,
    )


def swap(
    source: PhotoLike | Sequence[PhotoLike],
    target: str | Path | Pixels,
    output: str | Path | None = None,
    *,
    who: Who = MostPresent(),  # noqa: B008
    parts: Parts | None = None,
    watch: Watch | None = None,
    encode: EncodeOptions | None = None,
    trim: Trim | None = None,
    style: Style | None = None,
    label: Label | None = None,
    consent: str | Sequence[str] = (),
    workers: int = 1,
) -> SwapReport | Pixels:
    """Put a source's face into a target.

    ``source`` is one photo or several of one person: paths, or arrays (H, W, 3) uint8 RGB.
    ``target`` is a video or image file, written to ``output``; or an array, and then the swapped
    array is returned. For frames of your own use :func:`swap_frames`.

    A file is signed (see ``swap_files``), an array is not; a visible ``label`` is drawn into both.
    ``encode``, ``trim`` and ``workers`` are for files, and an array has no ``output``.
    ``consent``: ids of consents on record, of which each source must match one.
    ``workers`` processes render a film side by side; each takes memory of its own, and one already
    keeps several cores busy.

    Raises the errors of ``lendface.errors``; nothing is half-written.
    """
    if isinstance(target, np.ndarray):
        _refuse_for_arrays(
            output=output is not None,
            encode=encode not in (None, EncodeOptions()),
            trim=trim not in (None, Trim()),
            workers=workers != 1,
        )
    parts = parts or build()
    sources = [source] if isinstance(source, (str, Path, np.ndarray)) else list(source)
    if isinstance(target, np.ndarray):
        swapped = swap_frames(
            sources,
            [target],
            who=who,
            parts=parts,
            watch=watch,
            style=style,
            label=label,
            consent=consent,
        )
        return next(swapped)
    if output is None:
        raise BadOptionError("a target file needs an output file; give output=")
    if any(isinstance(photo, np.ndarray) for photo in sources):
        raise BadOptionError("a target file needs source files; save the photo first")
    photos = tuple(Path(photo) for photo in sources if not isinstance(photo, np.ndarray))
    request = SwapRequest(
        (Pair(photos, who),),
        Path(target),
        Path(output),
        trim or Trim(),
        encode or EncodeOptions(),
        style or Style(),
        label=label,
        workers=workers,
    )
    return swap_files(request, parts, watch, consent=consent)


def swap_many(
    source: str | Path | Sequence[str | Path],
    targets: Sequence[str | Path],
    folder: str | Path,
    *,
    who: Who = MostPresent(),  # noqa: B008
    parts: Parts | None = None,
    watch: Watch | None = None,
    encode: EncodeOptions | None = None,
    trim: Trim | None = None,
    style: Style | None = None,
    label: Label | None = None,
    consent: str | Sequence[str] = (),
    workers: int = 1,
    overwrite: bool = False,
) -> Iterator[Outcome]:
    """Put a source's face into several targets, one after the other, and tell of each.

    ``targets`` are films, pictures, and folders of them. Results lie in ``folder``, which is made
    where it is missing, as ``NAME.swapped.EXT``; names that would be the same are numbered. A
    target that fails is told in its ``Outcome.error``, and the next one is begun; a result that is
    there already is an error unless ``overwrite``. Each is done when its outcome is asked for.

    Raises at once what concerns all: BadOptionError, the errors of the source's photos,
    OutputFolderMissingError, OutputError.
    """
    photos = [source] if isinstance(source, (str, Path)) else list(source)
    parts = parts or build()
    place = ready_folder(Path(folder))
    pair = Pair(tuple(Path(photo) for photo in photos), who)
    found = list_targets(Path(target) for target in targets)
    enrol_pairs([pair], parts)
    requests = [
        SwapRequest(
            (pair,),
            target,
            output,
            trim or Trim(),
            encode or EncodeOptions(),
            style or Style(),
            label=label,
            workers=workers,
        )
        for target, output in zip(found, outputs_for(found, place), strict=True)
    ]
    return swap_each(
        requests,
        lambda request: swap_files(request, parts, watch, consent=consent),
        overwrite=overwrite,
    )


def swap_files(
    request: SwapRequest,
    parts: Parts,
    watch: Watch | None = None,
    *,
    consent: str | Sequence[str] = (),
) -> SwapReport:
    """Do a swap of files; see ``pipeline.swaps.swap_files``.

    The content gate and the list of protected faces may refuse it (RefusedError), and the result
    says in a signed manifest that faces were replaced; only settings of the operator switch that
    off. ``consent``: ids of consents on record, of which each source must match one; so it must
    without any where the policy of the settings is ``per_face``. They are named in the manifest and
    in the audit log. Raises also BadCredentialsError and ModelNotAllowedError before the work,
    ConsentMissingError, ConsentWithdrawnError, and SigningError.
    """
    from .settings import load_settings

    consents = rest_on(load_settings(), consent, lambda: enrol_pairs(request.pairs, parts)[0])
    return swap_consented(request, parts, watch, consents)


def swap_consented(
    request: SwapRequest, parts: Parts, watch: Watch | None, consents: Sequence[str]
) -> SwapReport:
    """``swap_files`` that rests on these consents, or that needs none since nobody is shown."""
    from .settings import load_settings

    settings = load_settings()
    keep_kernels(settings)
    check_models(settings)
    request = replace(request, label=_settled_label(settings, request.label))
    guard = open_guard(settings, parts)
    finish = _finish_with(settings, request, consents)
    gate = _gate_nets(parts.provider).later if settings.thresholds else ()
    with warmed((*parts.later, *gate), with_kernels=request.workers == 1):
        return run_swap(request, parts, watch, finish=finish, guard=guard)


def keep_kernels(settings: Settings) -> None:
    """Compiled loops lie with the data where a folder for it was chosen, as in a container whose
    other folders go with it; else in the user's cache."""
    if not settings.is_folder_chosen:
        return
    with suppress(OSError):  # where it cannot be written, the next place is tried
        settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        kernels.keep_in(settings.folder / "cache")


def _settled_label(settings: Settings, asked: Label | None) -> Label | None:
    """What is drawn, by the rule of the operator."""
    wish = (asked.position, asked.size_share) if asked else ()
    return settings.label_rule.settle(asked is not None, *wish)


def rest_on(
    settings: Settings, named: str | Sequence[str], enrol: Callable[[], Sequence[SourceFace]]
) -> list[str]:
    """Ids of the operator's consents on which a swap on this machine rests, as its audit log says.

    None where none is named, unless the policy asks for one of each source. Raises
    ConsentMissingError, ConsentWithdrawnError.
    """
    named = [named] if isinstance(named, str) else list(named)
    if not named and settings.consent != "per_face":
        return []
    from .service import audit
    from .service.permission import read_own
    from .trust.consent import match_sources, usable

    with _open_desk(settings) as desk:
        valid = usable(read_own(desk), None, desk.now_ms(), named)
        ids = sorted({consent.id for consent in match_sources(enrol(), valid)})
        about = ("swap.consented", None, None, {"consents": ids})
        audit.record_alone(desk.database, *about, desk.now_ms(), audit.OPERATOR)
    return ids


def open_guard(settings: Settings, parts: Parts) -> Guard:
    """The rules of this machine, for one swap; what of them is switched off or lowered is written
    into its audit log, where it has one."""
    from .service.audit import record_lowered
    from .trust.guard import Rules, SwapGuard
    from .trust.thresholds import USUAL

    if (lowered := settings.lowered_guards) and settings.has_database:
        with _open_desk(settings) as desk:
            record_lowered(desk.database, "swap", lowered, desk.now_ms())
    rules = Rules(
        nets=_gate_nets(parts.provider) if settings.thresholds else None,
        protected=_ProtectedFaces(settings) if settings.protected == "on" else None,
        thresholds=settings.thresholds or USUAL,
        same_face=settings.protected_likeness,
    )
    return SwapGuard(rules)


def protect_face(
    photos: PhotoLike | Sequence[PhotoLike],
    reason: str,
    *,
    is_kept: bool = False,
    face_number: int | None = None,
    data: Path | None = None,
    parts: Parts | None = None,
) -> ProtectedFace:
    """Put a person on the list of those whose faces are never lent, here and by the server whose
    database it is in.

    With ``is_kept`` the face is not replaced either. The photos show one person and are not kept.
    ``data`` is the data folder, by default that of the settings. Raises the errors of reading the
    photos and of the faces in them, BadOptionError and DatabaseError.
    """
    from .settings import load_settings
    from .trust.protected import ProtectedFace

    if not reason.strip():
        raise BadOptionError("a protected face needs a reason; give --reason")
    given = [photos] if isinstance(photos, (str, Path, np.ndarray)) else list(photos)
    shown = (Photo(_name(photo), _picture(photo), face_number) for photo in given)
    portraits = (parts or build()).enroller.enrol(shown).source.portraits
    rows = np.stack([portrait.embedding for portrait in portraits])
    entry = ProtectedFace.new(reason.strip(), time.time_ns() // 1_000_000, rows, is_kept)
    _ProtectedFaces(load_settings(data=data)).add(entry)
    return entry


def list_protected(*, data: Path | None = None) -> Sequence[ProtectedFace]:
    """Who is on the list, the oldest first. Raises ProtectedListError and DatabaseError."""
    from .settings import load_settings

    return _ProtectedFaces(load_settings(data=data)).entries()


def unprotect_face(entry_id: str, *, data: Path | None = None) -> None:
    """Take somebody off the list. Raises NotFoundError and DatabaseError."""
    from .settings import load_settings

    _ProtectedFaces(load_settings(data=data)).remove(entry_id)


@dataclass(frozen=True)
class _ProtectedFaces:
    """Plays ``trust.protected.ProtectedFaces``: the database of the server whose settings these
    are, opened for each look. Where there is none yet the list is empty."""

    settings: Settings

    def entries(self) -> Sequence[ProtectedFace]:
        if not self.settings.has_database:
            return ()
        with self._table() as table:
            return table.entries()

    def add(self, face: ProtectedFace) -> None:
        with self._table() as table:
            table.add(face)

    def remove(self, entry_id: str) -> None:
        if not self.settings.has_database:
            raise NotFoundError("protected face")
        with self._table() as table:
            table.remove(entry_id)

    @contextmanager
    def _table(self) -> Iterator[ProtectedFaces]:
        from .service.protected import ProtectedTable

        with _open_desk(self.settings) as desk:
            yield ProtectedTable(desk)


@contextmanager
def _open_desk(settings: Settings) -> Iterator[SmallDesk]:
    from .service.clients import open_desk

    named = settings.database, settings.secret_ring
    with open_desk(*named, lambda: time.time_ns() // 1_000_000) as desk:
        yield desk


@lru_cache(maxsize=4)
def _gate_nets(provider: Provider) -> GateNets:
    from .trust.readings import GateNets

    return GateNets.load(RuntimeOptions(provider=provider))


def open_provenance(settings: Settings, *, must_last: bool = False) -> Provenance | None:
    """What signs results; None where the operator switched it off.

    The certificate of this machine is made in the data folder when it is first needed; one that
    cannot be kept there is an error where it ``must_last``. Raises BadCredentialsError.
    """
    from .trust.certificates import find_credentials
    from .trust.provenance import Provenance

    if settings.provenance == "off":
        return None
    own = settings.c2pa_cert, settings.c2pa_key
    found = find_credentials(*own, settings.folder, datetime.now(UTC), must_last=must_last)
    return Provenance(found, settings.c2pa_tsa or None)


def open_signer(settings: Settings, *, must_last: bool = False) -> Signer:
    """What signs the results of this machine, or leaves them as they are where the operator
    switched it off; see ``open_provenance``. Raises BadCredentialsError.
    """
    from .trust.claims import used_models
    from .trust.swaps import Signer

    models = used_models(has_gate=settings.gate == "on")
    provenance = open_provenance(settings, must_last=must_last)
    return Signer(provenance, models, lambda: time.time_ns() // 1_000_000)


def verify(path: str | Path, *, anchors: Sequence[str | Path] = ()) -> Verdict:
    """What the provenance of a file says, and whether it holds; nothing leaves this machine.

    ``anchors`` are PEM files with certificates that are trusted to vouch for signers, besides the
    one of this machine. Raises FileMissingError, EmptyFileError, UnreadableMediaError,
    BadCredentialsError.
    """
    from .settings import load_settings
    from .trust.certificates import find_machine_root, read_anchor
    from .trust.verify import verify as judge

    own = find_machine_root(load_settings().folder)
    known = [read_anchor(Path(anchor)) for anchor in anchors]
    return judge(path, anchors=[*known, *([own] if own else [])])


def swap_frames(
    source: PhotoLike | Sequence[PhotoLike],
    frames: FrameSource,
    *,
    who: Who = MostPresent(),  # noqa: B008
    parts: Parts | None = None,
    watch: Watch | None = None,
    style: Style | None = None,
    label: Label | None = None,
    consent: str | Sequence[str] = (),
) -> Iterator[Pixels]:
    """Swap frames that a caller holds: (H, W, 3) uint8 RGB, in order, of one size.

    A visible ``label`` is drawn into each, as the settings of the operator may ask for anyway.
    They are read twice, so give a sequence, or a function that starts reading anew; where somebody
    is seen only briefly, the content gate reads some of them a third time. Yields every frame once.
    Raises NoSourceFaceError, NoTargetFaceError and the like, and RefusedError where the content
    gate or the list of protected faces says no, or where a source has not the ``consent`` that is
    asked for (see ``swap_files``).
    """
    from .settings import load_settings

    settings = load_settings()
    keep_kernels(settings)
    check_models(settings)
    parts = parts or build()
    watch = watch or Watch()
    sources = [source] if isinstance(source, (str, Path, np.ndarray)) else list(source)
    photos = (Photo(_name(photo), _picture(photo)) for photo in sources)
    enrolled = parts.enroller.enrol(photos, kept_pixels_each(len(sources))).source
    rest_on(settings, consent, lambda: [enrolled])
    guard = open_guard(settings, parts)
    guard.check_sources([enrolled])
    references = read_references([who], parts)
    target = _frames_target(frames)
    guard.open_target(target)
    found = scan_target(target, parts, watch, guard.see)
    if not found.people:
        raise NoTargetFaceError("the frames")
    chosen: SwapPlan = choose(who, enrolled, found.tracks, references)
    plan = with_who_is_seen_twice(chosen, found.tracks)
    guard.check_plan(target, found, plan)
    drawn = _settled_label(settings, label)
    return _rendered(target, found, plan, parts.styled(style or Style()), watch, drawn)


def scan(
    target: str | Path | Pixels | FrameSource,
    *,
    parts: Parts | None = None,
    watch: Watch | None = None,
    trim: Trim | None = None,
) -> Scan:
    """Who is in a target: a video or image file, one array, or frames as in ``swap_frames``."""
    if not isinstance(target, (str, Path)):
        _refuse_for_arrays(trim=trim not in (None, Trim()))
    parts = parts or build()
    if isinstance(target, (str, Path)):
        opened = open_target(Path(target), trim or Trim()).as_target()
    elif isinstance(target, np.ndarray):
        opened = still("the picture", Frame(0, Fraction(0), _array_picture(target)))
    else:
        opened = _frames_target(target)
    return scan_target(opened, parts, watch)


def scan_file(
    target: Path, trim: Trim, parts: Parts, watch: Watch | None = None
) -> tuple[Scan, Target]:
    """The cast of a file, and the opened file for whoever wants pictures of it."""
    opened = open_target(target, trim).as_target()
    with warmed(parts.later, with_kernels=False):
        return scan_target(opened, parts, watch), opened


def describe_cast(found: Scan) -> list[dict[str, Any]]:
    """The cast list as plain values."""
    return [describe_person(found, person) for person in found.people]


def evaluate(
    source: str | Path | Sequence[str | Path],
    target: str | Path,
    output: str | Path,
    *,
    faces: Sequence[int] = (),
    gallery: str | Path | None = None,
    stride: int = 1,
    references: bool = True,
    parts: Parts | None = None,
    watch: Watch | None = None,
) -> Judged:
    """Measure how good a finished swap is, whatever tool made it.

    ``source`` is one photo or several of one person. ``faces`` are numbers of the cast; without
    any, whoever changed is judged. ``gallery`` is a folder of portraits among which the source
    should be found again. Faces are judged in every ``stride``-th frame. ``references`` measures
    no swap, a hard paste and mean colour beside it.

    The answer's ``figures`` are by name; ``lendface.quality.figures`` tells what each one means.
    Raises the errors of reading the files and of the faces in them, and CancelledError.
    """
    from .quality.case import Judge
    from .quality.gallery import read_gallery
    from .quality.measure import Options
    from .quality.pairlist import Wanted
    from .quality.suite import Run, judge_pair

    check_judges()
    parts = parts or build()
    photos = [source] if isinstance(source, (str, Path)) else list(source)
    wanted = Wanted(
        name=Path(output).name,
        sources=tuple(Path(photo) for photo in photos),
        target=Path(target),
        output=Path(output),
        faces=tuple(faces),
    )
    run = Run(
        judge=Judge.of(parts, RuntimeOptions(provider=parts.provider)),
        options=Options(stride=stride),
        people=read_gallery(Path(gallery), parts) if gallery else None,
        with_references=references,
        watch=watch or Watch(),
    )
    return judge_pair(wanted, run)


def _finish_with(settings: Settings, request: SwapRequest, consents: Sequence[str]) -> Finish:
    from .trust.swaps import SwapSigner

    rests_on = [f"consent:{consent_id}" for consent_id in consents]
    return SwapSigner(open_signer(settings), request, rests_on, settings.lowered_guards)


def _rendered(
    target: Target,
    found: Scan,
    plan: SwapPlan,
    parts: Parts,
    watch: Watch,
    label: Label | None,
) -> Iterator[Pixels]:
    with target.open() as frames:
        swapped = render(frames, found.tracks, plan, parts.swapper)
        for done, frame in enumerate(swapped, start=1):
            watch.step("render", done, target.frame_count)
            picture = frame.picture
            if label is not None:
                picture = picture.pasted([label.patch(picture.size_wh)])
            yield _pixels(picture)


def _frames_target(frames: FrameSource) -> Target:
    if not isinstance(frames, Sequence) and not callable(frames):
        raise BadOptionError(
            "frames are read twice; give a list, or a function that starts reading anew"
        )

    @contextmanager
    def opened() -> Iterator[Iterator[Frame]]:
        arrays = frames() if callable(frames) else iter(frames)
        yield (
            Frame(index, Fraction(index), _array_picture(pixels))
            for index, pixels in enumerate(arrays)
        )

    count = None if callable(frames) else len(frames)
    return Target("the frames", opened, count)


def _picture(photo: PhotoLike) -> Picture:
    return _array_picture(photo) if isinstance(photo, np.ndarray) else read_image(Path(photo))[0]


def _array_picture(pixels: Pixels) -> ArrayPicture:
    try:
        return ArrayPicture(pixels)
    except (AttributeError, ValueError):
        shape, kind = getattr(pixels, "shape", ()), getattr(pixels, "dtype", type(pixels).__name__)
        raise BadOptionError(
            f"a picture must be an array (H, W, 3) of uint8, RGB; this one is {shape} of {kind}"
        ) from None


def _refuse_for_arrays(**is_given: bool) -> None:
    """Raises BadOptionError for what only files can have."""
    if wrong := [f"{name}=" for name, given in is_given.items() if given]:
        raise BadOptionError(
            f"{', '.join(wrong)}: only for files; a target of arrays is neither cut, encoded nor "
            "written: save it first and give its path"
        )


def _name(photo: PhotoLike) -> str:
    return "the photo" if isinstance(photo, np.ndarray) else Path(photo).name


def _pixels(picture: Picture) -> Pixels:
    if isinstance(picture, ArrayPicture):
        return picture.pixels
    return np.rint(picture.region(Box(0, 0, *picture.size_wh))).astype(np.uint8)
