"""What is asked for, in the form in which a job keeps it: plain values, files by upload id.

Facades translate into it; the workers read it back. Checked when it is made.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import field
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ..engine.label import Position
from ..engine.style import SkinTone, Style
from ..errors import BadOptionError
from ..trust.label import LEAST, MOST

STRICT = ConfigDict(extra="forbid")
MAX_PAIRS = 50
MAX_PHOTOS = 8
# What files are called in errors and warnings, where a request does not say what its client calls
# them: a facade names each by its own field, such as sourceImage[0].path.
TARGET_NAME, PHOTO_NAME, FILE_NAME = "the target", "the photo", "the file"

Point = tuple[float, float]  # pixels of a photo
DEFAULT = Style()
Share = Annotated[float, Field(ge=0, le=1)]
FieldName = Annotated[str, Field(min_length=1, max_length=200)]  # as its client calls it


@dataclass(frozen=True, config=STRICT)
class PhotoRef:
    """A photo, and which face of it is meant where it shows several."""

    upload: str
    face_number: Annotated[int, Field(ge=1, le=64)] | None = None  # from left to right
    face_at: Point | None = None  # a point in that face
    name: FieldName = field(default=PHOTO_NAME, compare=False)


@dataclass(frozen=True, config=STRICT)
class WhoRef:
    """Whose face in the target is replaced."""

    kind: Literal["most_present", "everyone", "faces", "looks_like"] = "most_present"
    faces: tuple[Annotated[int, Field(ge=1, le=10_000)], ...] = ()  # numbers of the cast list
    photo: PhotoRef | None = None
    or_most_present: bool = False  # where nobody looks like the photo

    def __post_init__(self) -> None:
        if self.kind == "faces" and not self.faces:
            raise ValueError("faces must name at least one face of the cast list")
        if self.kind == "looks_like" and self.photo is None:
            raise ValueError("looks_like needs a photo")


@dataclass(frozen=True, config=STRICT)
class PairRef:
    """A source, and who gets it."""

    photos: Annotated[tuple[PhotoRef, ...], Field(min_length=1, max_length=MAX_PHOTOS)]
    who: WhoRef = WhoRef()
    name: FieldName | None = None  # of all of its photos

    @property
    def source_name(self) -> str:
        return self.name if self.name and len(self.photos) > 1 else self.photos[0].name


@dataclass(frozen=True, config=STRICT)
class OutputRef:
    """How the result is written; None keeps what the target has."""

    container: (
        Literal["mp4", "mov", "mkv", "webm", "gif", "apng", "jpg", "png", "webp", "avif"] | None
    ) = None
    codec: Literal["h264", "hevc", "av1"] | None = None
    quality: Annotated[int, Field(ge=0, le=63)] | None = None  # lower is better and larger
    preset: Annotated[str, Field(pattern="^[a-z0-9]{1,16}$")] | None = None
    lossless: bool = False
    copy_audio: bool = False  # as it is, also where many players are mute
    compatible: bool = False  # 8-bit 4:2:0, which every player shows
    max_long_side: Annotated[int, Field(ge=16, le=16384)] | None = None
    max_fps: Annotated[float, Field(gt=0, le=1000)] | None = None


@dataclass(frozen=True, config=STRICT)
class StyleRef:
    """How the swap looks."""

    strength: Share = DEFAULT.strength  # how much of the new face shows
    shape: Share = DEFAULT.shape  # how far the face takes the source's shape
    skin_tone: SkinTone = DEFAULT.skin_tone  # whose complexion the face has
    keep_mouth: bool = False  # the target's own mouth stays
    enhance: bool = False  # a sharper, cleaner face than the film around it


@dataclass(frozen=True, config=STRICT)
class LabelRef:
    """The visible label; None is as the server has it."""

    position: Position | None = None
    size: Annotated[float, Field(ge=LEAST, le=MOST)] | None = None  # of the picture's height


@dataclass(frozen=True, config=STRICT)
class LimitsRef:
    """Tighter limits than the server's, as an API promises them."""

    max_bytes: int | None = None
    max_seconds: float | None = None
    max_fps: float | None = None
    max_long_side: int | None = None
    containers: tuple[str, ...] | None = None
    video_codecs: tuple[str, ...] | None = None
    audio_codecs: tuple[str, ...] | None = None
    kinds: tuple[Literal["video", "image"], ...] | None = None
    single_person: bool = False  # several clearly seen people are refused


@dataclass(frozen=True, config=STRICT)
class SwapJob:
    """Put faces into a film or a picture."""

    target: str  # upload id
    pairs: Annotated[tuple[PairRef, ...], Field(min_length=1, max_length=MAX_PAIRS)]
    output: OutputRef = OutputRef()
    start_s: Annotated[float, Field(ge=0)] | None = None
    end_s: Annotated[float, Field(gt=0)] | None = None
    end_slack_s: Annotated[float, Field(ge=0)] = 0.0  # a film longer by less is not cut at its end
    limits: LimitsRef = LimitsRef()
    photo_limits: LimitsRef = LimitsRef()
    style: StyleRef = StyleRef()
    label: LabelRef | None = None  # None: not asked for; the server may draw it all the same
    consents: Annotated[tuple[str, ...], Field(max_length=MAX_PAIRS)] = ()  # on which it rests
    target_name: FieldName = TARGET_NAME
    kind: Literal["swap"] = "swap"

    def __post_init__(self) -> None:
        if self.start_s is not None and self.end_s is not None and self.end_s <= self.start_s:
            raise ValueError("end_s must be after start_s")

    @property
    def uploads(self) -> tuple[str, ...]:
        """All files it needs, the target first."""
        return tuple(dict.fromkeys([self.target, *(photo.upload for photo in self.photos)]))

    @property
    def photos(self) -> tuple[PhotoRef, ...]:
        """Of sources first, then of whom they replace."""
        given = [photo for pair in self.pairs for photo in pair.photos]
        return (*given, *(pair.who.photo for pair in self.pairs if pair.who.photo))

    def name_of(self, upload: str) -> str:
        """What the client calls a file."""
        if upload == self.target:
            return self.target_name
        return next((photo.name for photo in self.photos if photo.upload == upload), FILE_NAME)


@dataclass(frozen=True, config=STRICT)
class ScanJob:
    """Who is in a film or a picture."""

    target: str
    start_s: Annotated[float, Field(ge=0)] | None = None
    end_s: Annotated[float, Field(gt=0)] | None = None
    limits: LimitsRef = LimitsRef()
    target_name: FieldName = TARGET_NAME
    kind: Literal["scan"] = "scan"

    @property
    def uploads(self) -> tuple[str, ...]:
        return (self.target,)

    def name_of(self, upload: str) -> str:
        return self.target_name


@dataclass(frozen=True, config=STRICT)
class DetectJob:
    """Which faces are in some pictures, or in a few frames of a film. Quick; keeps nothing."""

    targets: Annotated[tuple[str, ...], Field(min_length=1, max_length=200)]
    frames: Annotated[int, Field(ge=1, le=100)] = 5  # of a film, evenly spaced
    crops: bool = False  # pictures of the faces, as results
    crop_margin: Annotated[float, Field(ge=0, le=1)] = 1 / 3  # of the box, on each side
    largest_only: bool = False  # the largest face of each frame
    limits: LimitsRef = LimitsRef()
    names: tuple[FieldName, ...] = ()  # of the targets
    kind: Literal["detect"] = "detect"

    @property
    def uploads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.targets))

    def name_of(self, upload: str) -> str:
        named = zip(self.targets, self.names, strict=False)
        return next((name for target, name in named if target == upload), FILE_NAME)


@dataclass(frozen=True, config=STRICT)
class FetchJob:
    """Bring a file from its URL."""

    target: str
    name: FieldName = FILE_NAME
    kind: Literal["fetch"] = "fetch"

    @property
    def uploads(self) -> tuple[str, ...]:
        return (self.target,)

    def name_of(self, upload: str) -> str:
        return self.name


@dataclass(frozen=True, config=STRICT)
class EnrolJob:
    """Find the face to which a consent belongs. Quick."""

    photo: PhotoRef
    consent: str  # its id
    kind: Literal["consent"] = "consent"

    @property
    def uploads(self) -> tuple[str, ...]:
        return (self.photo.upload,)

    def name_of(self, upload: str) -> str:
        return self.photo.name


JobRequest = SwapJob | ScanJob | DetectJob | FetchJob | EnrolJob
ANY_REQUEST: TypeAdapter[JobRequest] = TypeAdapter(
    Annotated[JobRequest, Field(discriminator="kind")]
)


def dump_request(request: JobRequest) -> dict[str, Any]:
    """As the database keeps it."""
    return ANY_REQUEST.dump_python(request, mode="json")


def load_request(values: Any) -> JobRequest:
    """Raises BadOptionError, naming what is wrong."""
    try:
        return ANY_REQUEST.validate_python(values)
    except ValidationError as fault:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in error['loc'][1:])}: {error['msg']}"
            for error in fault.errors()
        )
        raise BadOptionError(wrong) from None


def digest(values: Any) -> str:
    """SHA-256 of plain values, hex; the same for the same values however they were ordered."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def seconds(value: float | None) -> Fraction | None:
    """As the media room wants times: exact."""
    return None if value is None else Fraction(value).limit_denominator(1_000_000)
