"""What Akool's clients send and read, by the vendor's names.

Bodies are taken leniently: fields nobody knows are passed over, and each field comes in every type
in which clients were seen to send it. What a field's ``support`` says goes into the
compatibility page; without one it is supported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

SUPPORTED, IGNORED, NOT_OFFERED = "supported", "accepted and ignored", "not offered"
ADDED = "added"  # by us, to what the vendor tells
ZERO_OR_ONE = {
    **dict.fromkeys(("0", "0.0", "false"), False),
    **dict.fromkeys(("1", "1.0", "true"), True),
}
OFF = frozenset({"", "0", "0.0", "false", "no", "off", "none", "null"})


def is_on(value: Any) -> bool:
    """A switch in any type: 0/1, true/false, a level of 0 to 100, or any of these as text.

    >>> [is_on(value) for value in (1, True, 40, "true", 0, False, "0", None, "")]
    [True, True, True, True, False, False, False, False, False]
    """
    return value.strip().lower() not in OFF if isinstance(value, str) else bool(value)


def zero_or_one(value: Any) -> bool | None:
    """``face_enhance`` in any type in which clients were seen to send 0 or 1. Raises ValueError.

    >>> [zero_or_one(value) for value in (1, True, "1", 0, False, "false", None, "")]
    [True, True, True, False, False, False, None, None]
    """
    text = str(value).strip().lower() if isinstance(value, str | int | float) else "?"
    if value is None or not text:
        return None
    if text not in ZERO_OR_ONE:
        raise ValueError("must be 0 or 1")
    return ZERO_OR_ONE[text]


def as_list(value: Any) -> Any:
    """One of something where several could be."""
    return [value] if isinstance(value, Mapping | str) else value


def joined(value: Any) -> Any:
    """A list as text, where it is one of texts."""
    is_list = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return ",".join(value) if is_list else value


def nothing(value: Any) -> Any:
    """Empty text means none."""
    return None if isinstance(value, str) and not value.strip() else value


def ignored(description: str) -> Any:
    return Field(None, description=description, json_schema_extra={"support": IGNORED})


def added(description: str, default: Any = ...) -> Any:
    return Field(default, description=description, json_schema_extra={"support": ADDED})


class Asked(BaseModel):
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=False)


class Told(BaseModel):
    """Fields that are not given are not sent."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True, validate_by_alias=True)


Switch = Annotated[
    bool,
    BeforeValidator(is_on),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "integer"}, {"type": "string"}]}),
]
Enhance = Annotated[
    bool | None,
    BeforeValidator(zero_or_one),
    WithJsonSchema(
        {"anyOf": [{"enum": [0, 1, "0", "1", True, False, "true", "false", ""]}, {"type": "null"}]}
    ),
]
Address = Annotated[
    str, Field(min_length=1, description="http(s) URL, a link of this server, or a data: URI")
]
Opts = Annotated[
    Any,
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {}}, {"type": "null"}]}
    ),
]
Webhook = Annotated[
    Annotated[str, Field(max_length=8192)] | None,
    BeforeValidator(nothing),
    Field(description="told of the job's start and its end; empty means none"),
]


# getToken


class GetToken(Asked):
    client_id: str = Field(alias="clientId", description="the client id given with the key")
    client_secret: str = Field(alias="clientSecret", description="the key")


class TokenData(Told):
    token: str
    expire: int = added("seconds for which it is good")


class TokenReply(Told):
    code: int
    msg: str
    token: str
    data: TokenData = added("the same once more, for clients that look here")


# Submitting


class FaceRef(Asked):
    path: Address
    opts: Opts = Field(
        None,
        description="landmarks of the face in the picture at path: a string, a list of one, "
        "4 to 6 pairs, with either meaning of the fourth; what cannot be read is passed over",
    )


Faces = Annotated[list[FaceRef], BeforeValidator(as_list), Field(min_length=1, max_length=1000)]
ENHANCE = (
    "0 or 1, also as true or false or as text; 1 makes the face sharper and cleaner; another "
    "number is refused, for there are no levels"
)


class Submit(Asked):
    target_image: Faces = Field(alias="targetImage", description="faces that are there; at most 8")
    source_image: Faces = Field(
        alias="sourceImage", description="new faces; the i-th replaces the i-th of targetImage"
    )
    face_enhance: Enhance = Field(None, description=ENHANCE)
    webhook_url: Webhook = Field(None, alias="webhookUrl")


class SpecifyImage(Submit):
    modify_image: Address = Field(alias="modifyImage", description="the picture to change")


class SpecifyVideo(Submit):
    modify_video: Address = Field(alias="modifyVideo", description="the video to change")


class ProImage(Submit):
    target_image: Faces = Field(
        alias="targetImage",
        description="faces of the one picture to change, whose address each path is; at most 50",
    )
    model_name: Annotated[Literal["akool_faceswap_image_hq"] | None, BeforeValidator(nothing)] = (
        ignored("there is one model")
    )
    single_face_mode: Switch = Field(
        False, description="the face that is largest is swapped, whatever opts say"
    )


class SourceFaceInfo(Asked):
    face_url: Address
    bbox: Opts = Field(None, description="[x1, y1, x2, y2] in the picture at face_url")


class TargetFaceInfo(Asked):
    face_url: Annotated[Address | None, BeforeValidator(nothing)] = Field(
        None, description="without it the bbox is in target_url"
    )
    bbox: Opts = Field(None, description="[x1, y1, x2, y2] in the picture at face_url")


class Mapped(Asked):
    source_face_info: SourceFaceInfo
    target_face_info: TargetFaceInfo
    time_range: Any = ignored("drafted and withdrawn by the vendor")


class PlusImage(Asked):
    source_url: Address = Field(description="the new face; used where there is no mapping")
    target_url: Address = Field(description="a picture or a video; its kind is found out")
    single_face_mode: Switch = Field(False, description="swap who is seen most; needs no mapping")
    face_mapping: Annotated[
        Annotated[list[Mapped], BeforeValidator(as_list), Field(max_length=1000)] | None,
        Field(description="needed unless single_face_mode; at most 8"),
    ] = None
    model_style: Annotated[
        Literal["realistic", "beautify", "lossless"] | None, BeforeValidator(nothing)
    ] = Field(None, description="lossless: written in a higher quality; beautify: as face_enhance")
    face_enhance: Enhance = Field(None, description=ENHANCE)
    time_range: Any = ignored("drafted and withdrawn by the vendor")
    webhook_url: Webhook = Field(None, alias="webhookUrl")


class Submitted(Told):
    id: str = Field(alias="_id", description="24 hex digits, for listbyids")
    job_id: str = Field(description="UTC time and four digits, for people to read")
    url: str = Field("", description="where the result will be; 404 until then")


class SubmitReply(Told):
    code: int
    msg: str
    data: Submitted


class SubmittedV4(Told):
    id: str = Field(alias="_id", description="24 hex digits, for listbyids")
    job_id: str = Field(description="UTC time and four digits, for people to read")


class SubmitV4Reply(Told):
    code: int
    msg: str
    data: SubmittedV4


# Results, credit


class ResultItem(Told):
    id: str = Field(alias="_id")
    job_id: str = added("as the submission told it")
    faceswap_status: int = Field(description="1 queued, 2 processing, 3 success, 4 failed")
    faceswap_type: int = Field(description="1 picture, 2 video (the vendor does not say)")
    faceswap_quality: int = Field(description="always 2 (the vendor does not say)")
    deduction_status: int = Field(description="1 once it is charged")
    image: int = Field(description="1 picture, 0 video (the vendor does not say)")
    video_duration: float = Field(description="seconds; 0 for pictures and before it was looked at")
    deduction_duration: int = Field(description="seconds charged; 0 for pictures")
    deduction_credit: int = added("credits charged")
    update_time: int = Field(description="ms since 1970; 0 before it is begun")
    user_id: str = Field(alias="userId")
    uid: int
    url: str = Field(description="the result; of V3 jobs from the start; empty when failed")
    created_at: str = Field(alias="createdAt", description="ISO 8601 with ms and Z")
    progress: int = added("percent")
    error_msg: str = added("of a failed job: why, here and in all fields where clients look", "")
    faceswap_fail_reason: str = added("the same", "")
    fail_reason: str = added("the same", "")
    alg_msg: str = added("the same", "")
    msg: str = added("the same", "")
    error_reason: str = added("our own code of it, the same in all our APIs", "")
    error_code: int = added("one of the codes below", 0)


class ResultList(Told):
    result: list[ResultItem]


class ResultsReply(Told):
    code: int
    msg: str
    data: ResultList


class DeleteResults(Asked):
    ids: Annotated[
        str, BeforeValidator(joined), Field(alias="_ids", description="ids, comma between")
    ]


class DoneReply(Told):
    code: int
    msg: str


class Credit(Told):
    credit: int = Field(description="units left; 1000000000 where there is no end of them")


class CreditReply(Told):
    code: int
    msg: str
    data: Credit


# Detection

Pair = list[int]


def as_count(value: Any) -> Any:
    """Within what is taken, however it was written; the default where it says nothing."""
    try:
        return min(100, max(1, int(float(value))))
    except (TypeError, ValueError, OverflowError):
        return 5


def as_share(value: Any) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.3
    return min(1.0, max(0.0, share)) if share == share else 0.3


FrameCount = Annotated[
    int, BeforeValidator(as_count), WithJsonSchema({"type": "integer", "minimum": 1})
]
Share = Annotated[
    float, BeforeValidator(as_share), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})
]
MaybeAddress = Annotated[Address | None, BeforeValidator(nothing)]
MaybeText = Annotated[str | None, BeforeValidator(nothing)]


class DetectFaces(Asked):
    url: MaybeAddress = Field(None, description="a picture or a video; wins where both are given")
    img: MaybeText = Field(None, description="a picture as base64, with or without data:...,")
    num_frames: FrameCount = Field(5, description="of a video, evenly spaced, 1 to 100")
    return_face_url: Switch = Field(False, description="adds pictures of the faces")
    single_face: Switch = Field(False, description="only the largest face of each frame")


class FrameFaces(Told):
    landmarks: list[list[Pair]] = Field(
        description="six points: eyes, nose, middle of the mouth, its left and right corner"
    )
    landmarks_str: list[str] = Field(description="the first four of them")
    region: list[Pair] = Field(description="[x, y, width, height]")
    removed: list[Pair] = Field(description="boxes of people of the frame before who are gone")
    frame_time: float | None = Field(description="seconds; null for a picture")
    face_urls: list[str] | None = Field(description="null unless asked for")
    crop_region: list[Pair] | None = Field(description="where these were cut out")
    crop_landmarks: list[str] | None = Field(description="the four points within them")


class FacesReply(Told):
    error_code: int
    error_msg: str
    faces_obj: dict[str, FrameFaces] = Field(description="by the number of the frame")


class DetectOlder(Asked):
    single_face: Switch = Field(False, description="only the largest face")
    image_url: MaybeAddress = None
    img: MaybeText = Field(None, description="a picture as base64, with or without data:...,")


class OlderReply(Told):
    error_code: int
    error_msg: str
    landmarks: list[Any] = Field(
        description="six rows for each face, the last two zeros; with single_face those rows "
        "alone (LENDFACE_AKOOL_NESTED_DETECT: as without)"
    )
    landmarks_str: str | list[str] = Field(description="the fourth point is a corner of the mouth")
    region: list[Any]
    seconds: float
    trx_id: str


class AnalyzeFrames(Asked):
    frame_urls: Annotated[list[Address], BeforeValidator(as_list), Field(min_length=1)]
    timestamps: Annotated[
        list[Annotated[float, Field(allow_inf_nan=False)]] | None,
        Field(description="default: 0.0, 1.0, ..."),
    ] = None
    expand_ratio: Share = Field(0.3, description="of a box, around it on each side, for face_url")


class Appearance(Told):
    timestamp: float
    frame_idx: int
    bbox: Pair = Field(description="[x1, y1, x2, y2]")


class PersonSeen(Told):
    person_id: str
    index: int = Field(description="from left to right")
    face_url: str
    bbox: Pair = Field(description="of the first appearance")
    confidence: float
    appearances: list[Appearance]
    first_seen: float
    last_seen: float


class PersonsReply(Told):
    success: bool
    frame_count: int
    persons: list[PersonSeen]
