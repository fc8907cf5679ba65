"""Akool's submissions in the service's words. Nothing is fetched here: the job does that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from ...errors import InvalidUrlError, RequestError, TooManyFacesError, about
from ...net.datauri import is_data_uri
from ...net.guard import MAX_URL_CHARS
from ...service.requests import (
    LimitsRef,
    OutputRef,
    PairRef,
    PhotoRef,
    StyleRef,
    SwapJob,
    WhoRef,
)
from ...service.submissions import Intake
from .landmarks import MAX_OPTS_CHARS, Point, middle_of
from .links import find_own
from .schemas import FaceRef, Mapped, PlusImage, ProImage, SpecifyImage, SpecifyVideo, Submit

MAX_FACES = 8  # more is code 1007
MAX_PRO_FACES = 50
FINE_QUALITY = 12  # for model_style lossless: nobody sees what is lost, and every player plays it
PNG_LIKE = (
    ".png",
    ".webp",
    ".avif",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
)  # may be without loss, see through
PNG_TYPES = tuple(f"data:image/{ending[1:]}" for ending in PNG_LIKE)

Kind = Literal["video", "image"]


class Inbox:
    """Takes in the files that a request names, each address once."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._upload_by_address: dict[str, str] = {}

    def take(self, address: str, field: str) -> str:
        """The upload id. Raises InvalidUrlError, UrlNotAllowedError, UrlTooLargeError, about the
        ``field`` that holds the address."""
        address = address.strip()
        with about(field):
            if len(address) > MAX_URL_CHARS and not is_data_uri(address):
                raise InvalidUrlError(f"it is longer than {MAX_URL_CHARS} characters")
            if address not in self._upload_by_address:
                self._upload_by_address[address] = self._take(address)
        return self._upload_by_address[address]

    def _take(self, address: str) -> str:
        if is_data_uri(address):
            return self._intake.by_data_uri(address)
        if own := find_own(self._intake.office, address):
            return self._intake.by_blob(own.blob_key, own.blob_key.rpartition("/")[2])
        return self._intake.by_url(address.replace(" ", "%20"))


def image_job(body: SpecifyImage, inbox: Inbox) -> SwapJob:
    """V3, a picture. Raises RequestError, TooManyFacesError and what ``Inbox.take`` raises."""
    output = OutputRef(container=image_ending(body.modify_image))
    return _specified(body, body.modify_image, "modifyImage", inbox, output)


def video_job(body: SpecifyVideo, inbox: Inbox) -> SwapJob:
    return _specified(body, body.modify_video, "modifyVideo", inbox, OutputRef(container="mp4"))


def _specified(
    body: SpecifyImage | SpecifyVideo, address: str, field: str, inbox: Inbox, output: OutputRef
) -> SwapJob:
    check_refs(body.source_image, body.target_image, MAX_FACES)
    target = inbox.take(address, field)
    pairs = pairs_of(body.source_image, body.target_image, target, inbox)
    kind: Kind = "video" if field == "modifyVideo" else "image"
    return SwapJob(
        target,
        pairs,
        output,
        limits=LimitsRef(kinds=(kind,)),
        style=style_of(body),
        target_name=field,
    )


def pro_job(body: ProImage, inbox: Inbox) -> SwapJob:
    """V4 Pro: the picture to change is the one the target faces are in."""
    news, olds = body.source_image, body.target_image
    field = "targetImage[0].path"
    told: Any = {
        "limits": LimitsRef(kinds=("image",)),
        "style": style_of(body),
        "target_name": field,
    }
    target = inbox.take(olds[0].path, field)
    if body.single_face_mode:
        return SwapJob(target, (PairRef((new_photo(news, 0, inbox),)),), **told)
    if len(olds) > MAX_PRO_FACES:
        raise RequestError(f"targetImage has {len(olds)} faces; give at most {MAX_PRO_FACES}")
    check_refs(news, olds, MAX_PRO_FACES)
    if len({old.path.strip() for old in olds}) > 1:
        raise RequestError(
            "targetImage names several pictures; one request changes one picture, so send one "
            "request for each"
        )
    return SwapJob(target, pairs_of(news, olds, target, inbox), **told)


def plus_job(body: PlusImage, inbox: Inbox) -> SwapJob:
    """V4 Plus: a picture or a video."""
    target = inbox.take(body.target_url, "target_url")
    output = OutputRef(quality=FINE_QUALITY) if body.model_style == "lossless" else OutputRef()
    if body.single_face_mode:
        photo = PhotoRef(inbox.take(body.source_url, "source_url"), name="source_url")
        pairs: tuple[PairRef, ...] = (PairRef((photo,)),)
    elif not body.face_mapping:
        raise RequestError("face_mapping is needed, or single_face_mode: true")
    elif len(body.face_mapping) > MAX_FACES:
        raise TooManyFacesError(MAX_FACES, len(body.face_mapping))
    else:
        is_only = len(body.face_mapping) == 1
        pairs = tuple(
            _mapped(each, f"face_mapping[{number}]", target, inbox, is_only)
            for number, each in enumerate(body.face_mapping)
        )
    style = StyleRef(enhance=bool(body.face_enhance) or body.model_style == "beautify")
    return SwapJob(target, pairs, output, style=style, target_name="target_url")


def style_of(body: Submit) -> StyleRef:
    return StyleRef(enhance=bool(body.face_enhance))


def _mapped(each: Mapped, at: str, target: str, inbox: Inbox, is_only: bool) -> PairRef:
    new, old = each.source_face_info, each.target_face_info
    field = f"{at}.source_face_info.face_url"
    photo = PhotoRef(inbox.take(new.face_url, field), face_at=middle_of_box(new.bbox), name=field)
    field, box = f"{at}.target_face_info.face_url", f"{at}.target_face_info.bbox"
    upload = inbox.take(old.face_url, field) if old.face_url else target
    reference = reference_of(upload, middle_of_box(old.bbox), target, field, box)
    return PairRef((photo,), who_of(reference, target, is_only, box))


def check_refs(news: Sequence[FaceRef], olds: Sequence[FaceRef], limit: int) -> None:
    """Raises RequestError, TooManyFacesError."""
    if len(news) != len(olds):
        raise RequestError(
            f"sourceImage has {len(news)} faces and targetImage {len(olds)}; the i-th of one "
            "replaces the i-th of the other"
        )
    if len(olds) > limit:
        raise TooManyFacesError(limit, len(olds))
    if len(olds) > 1:
        for name, refs in (("sourceImage", news), ("targetImage", olds)):
            for number, ref in enumerate(refs):
                if ref.opts in (None, "", []):
                    raise RequestError(
                        f"{name}[{number}].opts is needed: where there are several faces, each "
                        "one has opts"
                    )


def pairs_of(
    news: Sequence[FaceRef], olds: Sequence[FaceRef], target: str, inbox: Inbox
) -> tuple[PairRef, ...]:
    """The i-th source for whom the i-th target picture shows."""
    is_only = len(news) == 1
    pairs = []
    for number, old in enumerate(olds):
        photo = new_photo(news, number, inbox)
        field, opts = f"targetImage[{number}].path", f"targetImage[{number}].opts"
        upload = inbox.take(old.path, field)
        reference = reference_of(upload, middle_of(old.opts), target, field, opts)
        pairs.append(PairRef((photo,), who_of(reference, target, is_only, opts)))
    return tuple(pairs)


def new_photo(news: Sequence[FaceRef], number: int, inbox: Inbox) -> PhotoRef:
    new, field = news[number], f"sourceImage[{number}].path"
    return PhotoRef(inbox.take(new.path, field), face_at=middle_of(new.opts), name=field)


def reference_of(
    upload: str, point: Point | None, target: str, field: str, point_field: str
) -> PhotoRef:
    """Called by the field that says who it is: of the target itself that is the point."""
    name = point_field if upload == target and point is not None else field
    return PhotoRef(upload, face_at=point, name=name)


def who_of(reference: PhotoRef, target: str, is_only: bool, field: str) -> WhoRef:
    """Whoever looks like the reference; who is seen most where nobody does and one is meant.

    A reference that is the target itself says who it is by its point alone, which ``field`` holds.
    """
    if reference.upload != target or reference.face_at is not None:
        return WhoRef("looks_like", photo=reference, or_most_present=is_only)
    if not is_only:
        raise RequestError(f"{field} must say which face of the picture is meant")
    return WhoRef("most_present")


def middle_of_box(bbox: Any) -> Point | None:
    """Of ``[x1, y1, x2, y2]``, also as text; None where it is nothing of the kind.

    >>> middle_of_box([10, 20, 30, 60]), middle_of_box("10,20,30,60"), middle_of_box("face")
    ((20.0, 40.0), (20.0, 40.0), None)
    """
    if isinstance(bbox, str):
        bbox = bbox.strip("[] ").split(",", 4) if len(bbox) <= MAX_OPTS_CHARS else None
    values = bbox
    try:
        x1, y1, x2, y2 = (float(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        return None
    middle = ((x1 + x2) / 2, (y1 + y2) / 2)
    return middle if all(math.isfinite(v) and abs(v) < 1e5 for v in middle) else None


def image_ending(address: str) -> Literal["png", "jpg"]:
    """How a picture's result is named, before anybody has seen the picture.

    >>> image_ending("https://a.example/b.PNG?x=1"), image_ending("https://a.example/photo")
    ('png', 'jpg')
    """
    head = address.strip()[:64].lower()
    if head.startswith("data:"):
        return "png" if head.startswith(PNG_TYPES) else "jpg"
    path = address.strip().partition("?")[0].partition("#")[0].lower()
    return "png" if path.endswith(PNG_LIKE) else "jpg"
