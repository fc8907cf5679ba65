"""What goes over the wire. Requests refuse fields they do not know; answers have all of theirs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from ...service.requests import MAX_PAIRS, MAX_PHOTOS, LabelRef, OutputRef, StyleRef

MAX_BYTES = 1 << 50  # of a declared size: what every database can hold
NOTES_BYTES = 4096

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Url = Annotated[str, Field(pattern=r"^https?://[^\x00-\x20\x7f-\xa0]+$", max_length=2048)]
Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f/\\]{1,200}$")]
MediaType = Annotated[
    str,
    Field(pattern=r"^(?:(?:image|video)/[A-Za-z0-9_.+-]{1,60}|application/octet-stream)$"),
]
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
FaceNumber = Annotated[int, Field(ge=1, le=10_000, description="number of the cast list")]
PhotoFace = Annotated[
    int, Field(ge=1, le=64, description="which face of the photo, from left to right")
]


def check_notes(notes: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """What comes back as it came has to fit, and to be text that can be written.

    (JSON can name halves of characters, and numbers that no JSON can say again.)
    """
    try:
        text = json.dumps(notes, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise ValueError("must be plain JSON") from None
    if len(text) > NOTES_BYTES:
        raise ValueError(f"may have {NOTES_BYTES} bytes as JSON")
    return notes


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Told(BaseModel):
    """An answer; every field is always there."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


# Files


class NewFile(Asked):
    """A file that is sent to the link which the answer gives."""

    name: Name
    content_type: MediaType = Field(examples=["video/mp4"])
    size: int = Field(ge=1, le=MAX_BYTES, description="exact, in bytes")


class NewFileByUrl(Asked):
    """A file that the server brings from a URL, by a job."""

    url: Url
    name: Name | None = None


class Link(Told):
    """The request that puts the file there; it needs no key and is good for a while."""

    method: str
    url: str
    headers: dict[str, str]
    expires_at: datetime


class Upload(Told):
    id: str
    state: Literal["waiting", "ready", "failed"]
    name: str
    content_type: str
    size: int | None = Field(description="bytes; as declared while waiting")
    sha256: str | None = Field(description="hex; where the file came by a link of this server")
    error: str | None = Field(description="a code, where it could not be fetched")
    created_at: datetime
    ready_at: datetime | None
    expires_at: datetime = Field(description="when the file is deleted")


class NewUpload(Upload):
    upload: Link | None = Field(description="where to send it; not there for files by URL")
    job_id: str | None = Field(description="the job that fetches it")


# What a swap or a scan is made of


class ByUpload(Asked):
    upload_id: Id


class ByUrl(Asked):
    url: Url


FileRef = ByUpload | ByUrl


class ByUploads(Asked):
    """Photos of one person."""

    upload_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_PHOTOS)]


class ByUrls(Asked):
    """Photos of one person."""

    urls: Annotated[list[Url], Field(min_length=1, max_length=MAX_PHOTOS)]


class ByScan(Asked):
    """A person of an earlier scan; their best frame is the photo."""

    scan_id: Id
    face: FaceNumber


Source = ByUploads | ByUrls | ByScan


class PhotoByUpload(ByUpload):
    face: PhotoFace | None = None


class PhotoByUrl(ByUrl):
    face: PhotoFace | None = None


class Faces(Asked):
    """By the numbers of a scan's cast list."""

    faces: Annotated[list[FaceNumber], Field(min_length=1, max_length=64)]


class Reference(Asked):
    """Whoever looks like the photo."""

    reference: PhotoByUpload | PhotoByUrl


class Pair(Asked):
    """A source, and whose face in the target it replaces."""

    source: Source
    source_face: PhotoFace | None = Field(None, description="where the photos show several people")
    who: Literal["most_present", "everyone"] | Faces | Reference = "most_present"


class Order(Asked):
    target: FileRef
    start_s: Seconds | None = None
    end_s: Annotated[Seconds, Field(gt=0)] | None = None
    webhook_url: Url | None = Field(None, description="told when the job has ended")
    priority: int = Field(50, ge=1, le=100, description="1 goes first, among your own")
    notes: Annotated[dict[str, JsonValue], AfterValidator(check_notes)] = Field(
        {}, description=f"yours, given back as they came; {NOTES_BYTES} bytes at most"
    )


class NewScan(Order):
    """Ask who is in a film or a picture."""


class NewSwap(Order):
    """Put faces into a film or a picture."""

    pairs: Annotated[list[Pair], Field(min_length=1, max_length=MAX_PAIRS)]
    output: OutputRef = OutputRef()
    style: StyleRef = StyleRef()
    label: bool | LabelRef = Field(
        False,
        description="write into the picture that a face was replaced; size is a share of its "
        "height. The server may do it in any case",
    )
    consents: Annotated[list[Id], Field(max_length=MAX_PAIRS)] = Field(
        [], description="ids; each source must then match one of these"
    )


# Jobs


class Failure(Told):
    code: str
    message: str


class Result(Told):
    """The finished file."""

    url: str = Field(description="path on this server; needs the key")
    file_name: str
    content_type: str
    size: int
    sha256: str | None
    width: int | None
    height: int | None
    duration_s: float | None = Field(description="null for a picture")
    frames: int | None
    fps: float | None
    manifest_url: str | None = Field(
        description="of the signed manifest (C2PA), needs the key; null: it is in the file"
    )


class Job(Told):
    id: str
    kind: Literal["swap", "scan", "detect", "fetch", "consent"]
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    stage: str = Field(description="what is being done: fetch, probe, scan, render, join, finish")
    run: int = Field(description="1, and one more for every retry")
    frames_done: int = Field(description="in this stage")
    frames_total: int | None
    share: float = Field(ge=0, le=1, description="of the whole job")
    eta_s: float | None = Field(description="a guess from the pace so far")
    queue_position: int | None = Field(description="1 is next; null once it runs")
    warnings: list[str]
    error: Failure | None
    units: int | None = Field(description="what it costs; known after its file was looked at")
    priority: int
    notes: dict[str, Any]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime = Field(description="when its files are deleted")


class SwappedFace(Told):
    """Who in the target gets which source."""

    face: int = Field(description="number in the cast of the target")
    pair: int = Field(description="which of the pairs, counted from 0")
    frames: int = Field(description="that show this person")
    usable_share: float = Field(description="of these frames, those in which a swap is possible")
    hardness: str = Field(description="easy, fair, hard, too small, unusable")


class Swap(Job):
    result: Result | None
    swapped: list[SwappedFace] = Field(description="known once the target was scanned")


class Face(Told):
    """One person of the cast."""

    face: int = Field(description="the number by which a swap names them")
    frames: int
    spans_s: list[tuple[float, float]] = Field(description="when they are seen, seconds")
    face_height_px: float
    turned_share: float
    usable_share: float
    hardness: str = Field(description="easy, fair, hard, too small, unusable")
    best_frame: int
    best_time_s: float
    best_box_xyxy: tuple[float, float, float, float] = Field(description="pixels of the target")
    landmarks_xy: list[tuple[float, float]] = Field(
        description="eyes, nose tip, mouth corners in the best frame, each left one first; pixels"
    )
    thumbnail_url: str | None = Field(
        description="good for a while, without a key; null where a damaged film shows none"
    )
    portrait_url: str | None


class Scan(Job):
    frames: int | None = Field(description="of the target, once it has succeeded")
    faces: list[Face] = Field(description="the cast, once it has succeeded")


class TrackedFace(Told):
    face: int
    box_xyxy: tuple[float, float, float, float]
    landmarks_xy: list[tuple[float, float]] = Field(
        description="eyes, nose tip, mouth corners, each left one first; pixels of the target"
    )


class TrackedFrame(Told):
    """One frame of a scan; frames with nobody in them are left out."""

    frame: int
    time_s: float
    faces: list[TrackedFace]


# Units


class Usage(Told):
    """Units: one buys up to five seconds of film, or one picture. A scan is free up to 20
    gigapixels (frames x width x height, five minutes of full HD); a unit buys 20 more."""

    granted: int | None = Field(description="all there ever were; null: no end of them")
    used: int
    held: int = Field(description="set aside for jobs that run")
    left: int | None


class Entry(Told):
    """A line of the account."""

    id: int
    at: datetime
    reason: Literal["grant", "charge"]
    units: int = Field(description="negative: used")
    job_id: str | None


# Webhooks


EndpointApi = Literal["native", "youcam"]


class NewEndpoint(Asked):
    url: Url
    api: EndpointApi = Field("native", description="of whose jobs it is told, in that API's form")


class Endpoint(Told):
    id: str
    url: str
    api: EndpointApi
    state: Literal["enabled", "disabled"] = Field(
        description="disabled: the receiver answered 410 and is told no more"
    )
    created_at: datetime


class EndpointWithSecret(Endpoint):
    secret: str = Field(description="whsec_...; shown only now")


class WebhookSecret(Told):
    secret: str = Field(description="whsec_...; signs what goes to a job's webhook_url")


class Sent(Told):
    delivery_id: str


class Delivery(Told):
    id: str = Field(description="the header webhook-id")
    type: str
    url: str
    state: Literal["waiting", "delivered", "failed"]
    attempts: int
    last_status: int | None
    last_error: str | None
    job_id: str | None
    endpoint_id: str | None
    created_at: datetime
    next_at: datetime | None
    finished_at: datetime | None


# Consent


ShortText = Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=2000)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class NewConsent(Asked):
    """Somebody's word that you may use their face."""

    photo: PhotoByUpload = Field(description="of that person; their face is kept as numbers")
    label: Annotated[str, Field(pattern=r"^[^\x00]*[^\x00\s][^\x00]*$", max_length=200)] = Field(
        description="who it is, for you to read"
    )
    scope: ShortText = Field("", description="for what")
    until: AwareDatetime | None = Field(None, description="a time to come; null: until withdrawn")
    statement: ShortText = Field("", description="how the person agreed")
    evidence_sha256: Sha256 | None = Field(None, description="of a file that proves it")


class Consent(Told):
    id: str
    state: Literal["pending", "valid", "failed", "expired", "withdrawn"]
    label: str
    scope: str
    statement: str
    evidence_sha256: str | None
    photo_sha256: str | None
    job_id: str | None = Field(description="the job that looks for the face")
    error: Failure | None = Field(description="why no face was found")
    created_at: datetime
    until: datetime | None
    withdrawn_at: datetime | None


class NewAttestation(Asked):
    """I agree to the text of this version."""

    text_version: Literal[1]


class Attestation(Told):
    text: str
    text_version: int
    policy: Literal["attest", "per_face"] = Field(
        description="attest: this statement is asked for; per_face: a consent for each source"
    )
    is_attested: bool
    made_by: Literal["client", "operator", "upgrade"] | None
    attested_version: int | None
    attested_at: datetime | None


# Lists


class Page(Told):
    next: str | None = Field(description="cursor of the following page; null: this is the last")


class UploadPage(Page):
    items: list[Upload]


class JobPage(Page):
    items: list[Job]


class FramePage(Page):
    items: list[TrackedFrame]


class EntryPage(Page):
    items: list[Entry]


class EndpointList(Told):
    items: list[Endpoint]


class DeliveryPage(Page):
    items: list[Delivery]


class ConsentList(Told):
    items: list[Consent]
