"""The command line: swap, scan, models, demo."""

from __future__ import annotations

import os
import re
import signal
import sys
from dataclasses import replace
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException

from . import (
    cli_audit,
    cli_consent,
    cli_evaluate,
    cli_keys,
    cli_protect,
    cli_server,
    cli_trust,
    cli_webhooks,
)
from .cli_consent import ConsentOption, ask
from .cli_engine import JsonOption, Provider, ProviderOption, following, load
from .cli_errors import print_json, reporting, tell_error
from .cli_swap import (
    Words,
    check_new,
    describe_report,
    read_work,
    swap_several,
    tell_report,
)
from .cli_trust import LabelOption, LabelPositionOption, LabelSizeOption, read_label
from .errors import BadOptionError
from .version import __version__

if TYPE_CHECKING:
    from .app import Scan, Trim
    from .models.catalog import ModelSpec, Policy

FEW_CORES = 2
TIME = re.compile(r"(?:(?:([0-9]{1,6}):)?([0-9]{1,6}):)?([0-9]{1,9}(?:\.[0-9]{1,18})?)")

app = typer.Typer(
    name="lendface",
    help="Put a face into a video, on your own machine.",
    epilog="Exit codes: 0 done, 1 internal error, 2 wrong options, 3 a file cannot be read, "
    "4 no face or the wrong faces, 5 the result cannot be written, 6 a model or its provider, "
    "7 the server, its database or its storage, 8 no provenance that holds, "
    "9 refused by a rule of the operator, 10 some of several targets failed, "
    "130 stopped.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich alone takes as long to load as everything else
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Codec(StrEnum):
    h264 = "h264"
    hevc = "hevc"
    av1 = "av1"


class SkinTone(StrEnum):
    target = "target"
    mix = "mix"
    source = "source"


StartOption = Annotated[
    str | None, typer.Option("--start", help="Begin here: seconds, or [HH:]MM:SS[.fff].")
]
EndOption = Annotated[str | None, typer.Option("--end", help="End before this time.")]


FilesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="SOURCE... TARGET...",
        help="One or several photos of one person, then the video or image to change, or several, "
        "or folders of them. With --pair or --source, only the TARGET.",
    ),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        help="The result: .mp4 .mov .mkv .webm .gif, or .jpg .png .webp; or a folder for it.",
    ),
]
SourceOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--source",
        help="A photo of the source; then all files are targets. May be given again.",
    ),
]
AllOption = Annotated[bool, typer.Option("--all", help="Everybody gets the source's face.")]
FaceOption = Annotated[
    int | None, typer.Option("--face", min=1, help="Only this person of the cast list.")
]
ReferenceOption = Annotated[
    Path | None, typer.Option(help="Only the person whom this photo shows.")
]
PairOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Several people at once: PHOTO[,PHOTO...]=trackN or PHOTO=REFERENCE_PHOTO. "
        "May be given again."
    ),
]
SourceFaceOption = Annotated[
    int | None,
    typer.Option(min=1, help="Which face of a source photo, counted from left to right."),
]
CodecOption = Annotated[Codec | None, typer.Option(help="h264 unless the container needs av1.")]
EncoderOption = Annotated[
    str | None,
    typer.Option(help="A hardware encoder such as h264_nvenc, or 'auto' for one that works."),
]
QualityOption = Annotated[
    int | None, typer.Option(min=0, max=63, help="CRF or its like; lower is better and larger.")
]
CopyAudioOption = Annotated[
    bool,
    typer.Option("--copy-audio", help="Keep the sound as it is, also where many players are mute."),
]
CompatibleOption = Annotated[
    bool,
    typer.Option("--compatible", help="8-bit 4:2:0 whatever the target is: every player shows it."),
]
PresetOption = Annotated[str | None, typer.Option(help="The encoder's speed preset.")]
ShapeOption = Annotated[
    float, typer.Option(min=0, max=1, help="How far the face takes the source's shape.")
]
SkinToneOption = Annotated[
    SkinTone, typer.Option(help="Whose complexion the face has; light is always the target's.")
]
StrengthOption = Annotated[
    float, typer.Option(min=0, max=1, help="How much of the new face shows.")
]
KeepMouthOption = Annotated[
    bool, typer.Option("--keep-mouth", help="The target's own mouth stays.")
]
EnhanceOption = Annotated[
    bool, typer.Option("--enhance", help="A sharper, cleaner face than the film around it.")
]
MaskPreviewOption = Annotated[
    Path | None,
    typer.Option(help="A second file like the target, with mesh and mask instead of new faces."),
]
ReportOption = Annotated[
    Path | None,
    typer.Option(
        "--report",
        help="Tell what was swapped and show the worst seconds: a page (.html) or a new folder.",
    ),
]
WorkersOption = Annotated[
    int,
    typer.Option(
        min=1,
        max=64,
        help="Processes that render a film side by side. One keeps several cores busy already, "
        "and each takes about 500 MiB for full HD.",
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite the output.")]


@app.command(no_args_is_help=True)
def swap(
    files: FilesArgument,
    output: OutputOption = None,
    source: SourceOption = None,
    everyone: AllOption = False,
    face: FaceOption = None,
    reference: ReferenceOption = None,
    pair: PairOption = None,
    source_face: SourceFaceOption = None,
    start: StartOption = None,
    end: EndOption = None,
    codec: CodecOption = None,
    encoder: EncoderOption = None,
    quality: QualityOption = None,
    preset: PresetOption = None,
    copy_audio: CopyAudioOption = False,
    compatible: CompatibleOption = False,
    strength: StrengthOption = 1.0,
    shape: ShapeOption = 0.9,
    skin_tone: SkinToneOption = SkinTone.target,
    keep_mouth: KeepMouthOption = False,
    enhance: EnhanceOption = False,
    label: LabelOption = False,
    label_position: LabelPositionOption = None,
    label_size: LabelSizeOption = None,
    mask_preview: MaskPreviewOption = None,
    report_to: ReportOption = None,
    consent: ConsentOption = None,
    provider: ProviderOption = Provider.cpu,
    workers: WorkersOption = 1,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put a source's face into a video or an image.

    Every frame, timestamp, sound track and subtitle stays; only the face changes.

    It is the face of the most present person, unless an option says whose.

    lendface swap me.jpg clip.mp4 -o out.mp4

    lendface swap clip.mp4 --pair anna.jpg=track2 --pair bob.jpg=ref_bob.jpg -o out.mp4

    lendface swap me.jpg clips/*.mp4 holiday/ -o out/
    """
    with reporting(as_json):
        from .app import EncodeOptions, Style, SwapRequest, swap_files

        who = (everyone, face, reference)
        work = read_work(Words(files, output, source or [], pair or [], who, source_face))
        first = SwapRequest(
            pairs=work.pairs,
            target=work.targets[0],
            output=work.outputs[0],
            trim=read_trim(start, end),
            encode=EncodeOptions(
                codec.value if codec else None,
                encoder,
                quality,
                preset,
                is_compatible=compatible,
                copies_audio=copy_audio,
            ),
            style=Style(strength, shape, skin_tone.value, keep_mouth, enhance),
            mask_preview=mask_preview,
            label=read_label(label, label_position, label_size),
            workers=workers,
        )
        if work.is_several:
            if report_to or mask_preview:
                raise BadOptionError("--report and --mask-preview are for one target")
            ask(as_json)
            files_of = zip(work.targets, work.outputs, strict=True)
            requests = [replace(first, target=file, output=result) for file, result in files_of]
            parts = load(provider)
            rest = {"consent": consent or (), "force": force, "as_json": as_json}
            raise typer.Exit(swap_several(requests, parts, **rest))
        check_new((first.output, mask_preview), force)
        if report_to:
            from .pipeline.swap_report import check_report, write_report

            check_report(report_to, force)
        ask(as_json)
        parts = load(provider)
        with following(as_json) as watch:
            report = swap_files(first, parts, watch, consent=consent or ())
        if report_to:
            write_report(report_to, first, report, parts.scanner.topology)
        if as_json:
            print_json(describe_report(report, report_to))
        else:
            tell_report(report, report_to)


@app.command(no_args_is_help=True)
def scan(
    target: Annotated[Path, typer.Argument(help="A video or an image.")],
    sheet: Annotated[
        Path | None, typer.Option(help="Write a contact sheet of the cast: a .png or .jpg.")
    ] = None,
    start: StartOption = None,
    end: EndOption = None,
    provider: ProviderOption = Provider.cpu,
    as_json: JsonOption = False,
) -> None:
    """List the people of a video: when they are seen, how large, how hard to swap.

    The numbers are those of --face N and --pair PHOTO=trackN.
    """
    with reporting(as_json):
        from .app import describe_cast, scan_file

        parts = load(provider)
        with following(as_json) as watch:
            found, opened = scan_file(target, read_trim(start, end), parts, watch)
        if sheet:
            from .pipeline.sheets import write_cast_sheet

            write_cast_sheet(sheet, found, opened)
        if as_json:
            print_json({"target": target.name, "cast": describe_cast(found)})
        else:
            tell_cast(found)


@app.command()
def models(as_json: JsonOption = False) -> None:
    """List the networks that ship inside, with their licences, and the providers that load."""
    with reporting(as_json):
        from .models import CATALOG, offered_providers
        from .settings import load_settings

        policy = load_settings().policy
        rows = [describe_model(spec, policy) for spec in CATALOG.values()]
        providers = list(offered_providers())
        if as_json:
            return print_json({"models": rows, "providers": providers, "policy": policy})
        for row in rows:
            typer.echo(
                f"{row['id']:24} {row['size_bytes'] / 1e6:6.1f} MB  {row['licence']:14} "
                f"commercial use: {row['commercial_use']:8}"
                f"{'' if row['is_allowed'] else 'NOT ALLOWED  '}{row['origin']}"
            )
        typer.echo(f"policy: {policy} (LENDFACE_POLICY)")
        return typer.echo(f"providers: {', '.join(providers)}")


@app.command()
def demo(
    source: Annotated[
        Path | None, typer.Option(help="A photo; else a synthetic person of openpeople.")
    ] = None,
    target: Annotated[
        Path | None, typer.Option(help="A video; else a clip made from another synthetic person.")
    ] = None,
    folder: Annotated[Path, typer.Option("--out", help="Where the results go.")] = Path("demo"),
    provider: ProviderOption = Provider.cpu,
    as_json: JsonOption = False,
) -> None:
    """Make a real swapped video and show what happened."""
    with reporting(as_json):
        from .demo.run import run_demo

        parts = load(provider)
        if source:
            ask(as_json)
        with following(as_json) as watch:
            facts = run_demo(source, target, folder, parts, watch)
        if as_json:
            return print_json(facts)
        for name, value in facts.items():
            if value not in (None, []):
                typer.echo(f"{name.replace('_', ' '):22} {value}")
        return None


app.command(no_args_is_help=True)(cli_evaluate.evaluate)


def print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"lendface {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Put a face into a video, on your own machine."""


app.command(no_args_is_help=True)(cli_trust.verify)
app.command()(cli_server.serve)
app.command()(cli_server.work)
app.command()(cli_server.config)
app.command(no_args_is_help=True)(cli_server.certificate)
app.add_typer(cli_keys.keys, name="keys")
app.add_typer(cli_consent.consent, name="consent")
app.add_typer(cli_protect.protect, name="protect")
app.add_typer(cli_audit.audit, name="audit")
app.command(no_args_is_help=True)(cli_audit.erase)
app.add_typer(cli_webhooks.webhooks, name="webhooks")


def main() -> None:
    """The entry point of the ``lendface`` command."""
    # Threads of a linear algebra library wait for each other in a loop, and ours are all small
    # problems: on a busy machine one thread is many times faster.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if (os.cpu_count() or 1) <= FEW_CORES:  # the stages of a swap fill them by themselves
        os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    signal.signal(signal.SIGTERM, _stop)
    if "--json" not in sys.argv:
        app()
    try:
        sys.exit(app(standalone_mode=False))
    except TyperException as error:  # an option that is not known or not a number
        tell_error(BadOptionError.code, _sentence(error), as_json=True)
        sys.exit(2)


def _sentence(error: TyperException) -> str:
    tell = getattr(error, "format_message", None)
    return str(tell() if tell else error)


def _stop(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


# From words to a request


def read_trim(start: str | None, end: str | None) -> Trim:
    from .app import Trim

    trim = Trim(read_time("--start", start), read_time("--end", end))
    if trim.end_s is not None and trim.end_s <= (trim.start_s or 0):
        raise BadOptionError("--end must be later than --start")
    return trim


def read_time(option: str, text: str | None) -> Fraction | None:
    """Exact seconds of ``12.5`` or ``[HH:]MM:SS[.fff]``."""
    if text is None:
        return None
    match = TIME.fullmatch(text)
    if not match:
        raise BadOptionError(f"{option} {text}: write seconds, or [HH:]MM:SS[.fff]")
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + Fraction(seconds)


# What is told


def tell_cast(found: Scan) -> None:
    from .app import describe_cast

    if not found.people:
        typer.echo("nobody")
    for row in describe_cast(found):
        spans = ", ".join(f"{a:.1f}-{b:.1f} s" for a, b in row["spans_s"][:6])
        more = "" if len(row["spans_s"]) <= 6 else f" and {len(row['spans_s']) - 6} more"
        typer.echo(
            f"face {row['face']}: {row['frames']} frames, {row['face_height_px']:.0f} px high, "
            f"{row['hardness']}; {spans}{more}"
        )


def describe_model(spec: ModelSpec, policy: Policy) -> dict[str, Any]:
    from .models import is_allowed

    return {
        "id": spec.id,
        "file": spec.file,
        "sha256": spec.sha256,
        "size_bytes": spec.size_bytes,
        "licence": spec.licence,
        "commercial_use": spec.commercial_use,
        "is_allowed": is_allowed(spec, policy),
        "origin": spec.origin,
        "attribution": spec.attribution,
    }
