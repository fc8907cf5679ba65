"""What a swap or a scan is made of, in a program's words: paths, URLs, uploads, faces of scans."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

from ..errors import BadOptionError
from .flows import Flow
from .shapes import Job, Upload

FileLike = str | Path | Upload  # a path, an http(s) URL, or what was uploaded


class Output(TypedDict, total=False):
    """How the result is written; what is left out stays as the target has it."""

    container: Literal["mp4", "mov", "mkv", "webm", "gif", "apng", "jpg", "png", "webp", "avif"]
    codec: Literal["h264", "hevc", "av1"]
    quality: int
    preset: str
    lossless: bool
    copy_audio: bool  # as it is, also where many players are mute
    compatible: bool  # 8-bit 4:2:0, which every player shows
    max_long_side: int
    max_fps: float


class Style(TypedDict, total=False):
    """How the swap looks."""

    strength: float  # 0..1 how much of the new face shows
    shape: float  # 0..1 how far the face takes the source's shape
    skin_tone: Literal["target", "mix", "source"]  # whose complexion the face has
    keep_mouth: bool  # the target's own mouth stays
    enhance: bool  # a sharper, cleaner face than the film around it


class Label(TypedDict, total=False):
    """The visible label; what is left out is as the server has it."""

    position: Literal["bottom-right", "bottom-left", "top-right", "top-left"]
    size: float  # 0.02..0.25 of the picture's height


class Terms(TypedDict, total=False):
    """What a person agreed to who lends their face."""

    scope: str  # for what
    until: str  # ISO 8601 with an offset, such as 2027-01-01T00:00:00Z
    statement: str  # how they agreed
    evidence_sha256: str  # hex, of a file that proves it


class Wishes(TypedDict, total=False):
    """What swaps and scans are asked alike."""

    start_s: float
    end_s: float
    webhook_url: str  # told when the job has ended
    priority: int  # 1..100; 1 goes first
    notes: Mapping[str, Any]  # yours, given back as they came


@dataclass(frozen=True)
class ScanFace:
    """A person of an earlier scan, as a source."""

    scan: str | Job
    face: int


@dataclass(frozen=True)
class Photo:
    """Whom a photo shows, to find them in the target."""

    file: FileLike
    face: int | None = None  # which face of the photo, from left to right


Source = FileLike | Sequence[FileLike] | ScanFace
Who = Literal["most_present", "everyone"] | Sequence[int] | Photo


@dataclass(frozen=True)
class Pair:
    """A source, and whose face in the target it replaces."""

    source: Source
    who: Who = "most_present"
    source_face: int | None = None  # where the photos show several people


TYPE_BY_SUFFIX = {  # that not every machine knows
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".hif": "image/heif",
    ".avif": "image/avif",
    ".jfif": "image/jpeg",
    ".dib": "image/bmp",
}


def is_url(file: FileLike) -> bool:
    return isinstance(file, str) and file.startswith(("http://", "https://"))


def guess_type(path: Path) -> str:
    suffix = path.suffix.lower()
    kind = TYPE_BY_SUFFIX.get(suffix) or mimetypes.guess_type(path.name)[0] or ""
    return kind if kind.startswith(("image/", "video/")) else "application/octet-stream"


class Takes:
    """Turns files into what a request names them by; uploads those of this machine, each once."""

    def __init__(self, upload: Any) -> None:
        self._upload = upload  # path -> Flow[Upload]
        self._id_by_path: dict[Path, str] = {}

    def file(self, file: FileLike) -> Flow[dict[str, Any]]:
        if is_url(file):
            return {"url": file}
        return {"upload_id": (yield from self._id(file))}

    def source(self, source: Source) -> Flow[dict[str, Any]]:
        if isinstance(source, ScanFace):
            scan = source.scan.id if isinstance(source.scan, Job) else source.scan
            return {"scan_id": scan, "face": source.face}
        files = [source] if isinstance(source, str | Path | Upload) else list(source)
        if all(is_url(file) for file in files):
            return {"urls": files}
        if any(is_url(file) for file in files):
            raise BadOptionError("the photos of one source are all URLs or none of them is")
        ids = []
        for file in files:
            ids.append((yield from self._id(file)))
        return {"upload_ids": ids}

    def who(self, who: Who) -> Flow[Any]:
        if isinstance(who, str):
            return who
        if isinstance(who, Photo):
            reference = yield from self.file(who.file)
            if who.face is not None:
                reference["face"] = who.face
            return {"reference": reference}
        return {"faces": list(who)}

    def pair(self, pair: Pair) -> Flow[dict[str, Any]]:
        told = {
            "source": (yield from self.source(pair.source)),
            "who": (yield from self.who(pair.who)),
        }
        return told if pair.source_face is None else told | {"source_face": pair.source_face}

    def _id(self, file: FileLike) -> Flow[str]:
        if isinstance(file, Upload):
            return file.id
        path = Path(file).resolve()
        if path not in self._id_by_path:
            upload = yield from self._upload(path)
            self._id_by_path[path] = upload.id
        return self._id_by_path[path]


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """What was not said is left to the server."""
    return {name: value for name, value in values.items() if value is not None}
