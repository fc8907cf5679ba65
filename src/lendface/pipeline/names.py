"""What targets there are in a folder, and what results are called where nobody says."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import BadOptionError, OutputError
from ..media import is_image
from ..media.containers import ANIMATIONS
from ..media.failures import writing
from ..media.images import FORMAT_BY_SUFFIX
from ..media.output import check_writable, fitted, most_name_bytes
from ..media.picture_size import find_animation, find_format
from ..media.writer import CONTAINER_BY_SUFFIX

MOVING = (".webp", ".png")  # endings of stills and of animations
MARK = ".swapped"
ROOM = 5  # bytes for the ending of a manifest that lies beside its file
ENDING_BY_FORMAT = {  # of a picture whose name does not fit what it is, or that is not written
    "jpeg": ".jpg",
    "png": ".png",
    "webp": ".webp",
    "avif": ".avif",
    "heic": ".jpg",  # which all programs show
    "tiff": ".png",  # without loss, as they are
    "bmp": ".png",
}
FILM_ENDINGS = frozenset(CONTAINER_BY_SUFFIX) | {
    *(".avi", ".ts", ".mts", ".m2ts", ".m2t", ".mpg", ".mpeg", ".mpe", ".vob", ".flv", ".f4v"),
    *(".wmv", ".asf", ".ogv", ".ogg", ".ogm", ".3gp", ".3g2", ".gif", ".apng", ".mxf", ".nut"),
    *(".divx", ".dv", ".mjpg", ".mjpeg", ".rm", ".rmvb", ".wtv", ".h264", ".264", ".hevc", ".265"),
    *(".y4m", ".ivf", ".mk3d", ".qt", *MOVING),
}


KEPT = (".jpg", ".jpeg", ".png", ".webp", ".avif")  # as they are; .jfif becomes .jpg


def ending_for(target: Path) -> str:
    """The ending of the result: the target's own where such files are written, by what it is.

    A photo called ``clip.mp4`` gets a picture's ending, and a WebP called ``me.jpg`` its own.
    """
    suffix, kind = target.suffix.lower(), format_of(target)
    if (animation := animation_of(target)) is not None:
        return suffix if suffix == ".apng" else ANIMATIONS[animation]
    if kind is None and suffix in CONTAINER_BY_SUFFIX:
        return suffix
    if kind is None:
        return ".mp4"
    return suffix if suffix in KEPT and FORMAT_BY_SUFFIX[suffix] == kind else ENDING_BY_FORMAT[kind]


def format_of(path: Path) -> str | None:
    """Of a still picture by its first bytes; where there is nothing to read, by its name."""
    try:
        return find_format(path)
    except OSError:
        return FORMAT_BY_SUFFIX.get(path.suffix.lower())


def animation_of(path: Path) -> str | None:
    """apng or webp; None for what is neither, and where there is nothing to read."""
    try:
        return find_animation(path)
    except OSError:
        return None


def name_for(target: Path, folder: Path, number: int = 1) -> str:
    """``clip.swapped.mp4`` for ``clip.avi``, cut where that is too long for ``folder``.

    A ``number`` above 1 tells it apart from others: ``clip-2.swapped.mp4``.
    """
    tail = f"{f'-{number}' if number > 1 else ''}{MARK}{ending_for(target)}"
    return fitted(target.stem, tail, most_name_bytes(folder) - ROOM)


def outputs_for(targets: Sequence[Path], folder: Path) -> list[Path]:
    """A result in ``folder`` for each target; no two are the same, and none is a target."""
    taken = {os.path.realpath(target) for target in targets}
    outputs = []
    for target in targets:
        number = 1
        while os.path.realpath(output := folder / name_for(target, folder, number)) in taken:
            number += 1
        taken.add(os.path.realpath(output))
        outputs.append(output)
    return outputs


def looks_still(path: Path) -> bool:
    """Whether it is a still picture, or would be by its name: broken and missing ones count."""
    if os.path.isdir(path):
        return False
    is_named = path.suffix.lower() in FORMAT_BY_SUFFIX
    may_move = path.suffix.lower() in MOVING and os.path.isfile(path)
    return format_of(path) is not None or (is_named and not may_move)


def is_written(path: Path) -> bool:
    """Whether it has the ending of a result."""
    return path.suffix.lower() in {*FORMAT_BY_SUFFIX, *CONTAINER_BY_SUFFIX}


def list_targets(given: Iterable[Path]) -> list[Path]:
    """Files as they are given, and for each folder the pictures and films in it, by name.

    What is hidden, in folders below, or a result of ours is left out. Raises BadOptionError for a
    folder without any.
    """
    targets: list[Path] = []
    for path in given:
        if not os.path.isdir(path):
            targets.append(path)
            continue
        found = sorted(inside for inside in path.iterdir() if is_target(inside))
        if not found:
            raise BadOptionError(f"the folder {path.name or path} holds no picture and no film")
        targets += found
    return targets


def ready_folder(path: Path) -> Path:
    """The folder, made where only it is missing. Raises OutputFolderMissingError, OutputError."""
    if not path.is_dir():
        check_writable(path)
        if path.exists():
            raise OutputError(f"{path.name} is a file; several results need a folder")
        with writing():
            path.mkdir(exist_ok=True)
    return path


def is_target(path: Path) -> bool:
    if path.name.startswith(".") or path.stem.endswith(MARK) or not path.is_file():
        return False
    try:
        return path.suffix.lower() in FILM_ENDINGS or is_image(path)
    except OSError:
        return False
