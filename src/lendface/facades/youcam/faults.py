"""Why a task ended in an error, in the vendor's codes.

Sources: the codes of the video face swap's page and of its schema, and for several people the
vendor's list for all features. A failed task is still HTTP 200, with the code in ``data.error``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from ...service.requests import PHOTO_NAME, JobRequest, PhotoRef, SwapJob, load_request
from ..words import in_words

Row = Mapping[str, Any]


class Fault(NamedTuple):
    code: str
    message: str


class File(Enum):
    """Which of a task's files is meant."""

    VIDEO = "source video"
    IMAGE = "source image"
    PHOTO = "reference image"


UNKNOWN = Fault("unknown_internal_error", "something went wrong on the server")

# The kind of error each of our codes is; a code that is not here is unknown_internal_error.
KIND_BY_CODE: Mapping[str, str] = {
    # A file that cannot be had
    "url_failed": "download",
    "url_invalid": "download",
    "url_not_allowed": "download",
    "url_unreachable": "download",
    "url_timeout": "download",
    "url_too_slow": "download",
    "url_incomplete": "download",
    "url_bad_type": "download",
    "url_bad_status": "download",
    "upload_missing": "download",
    "upload_lost": "download",
    "blob_changed": "download",
    "file_missing": "download",
    "blob_missing": "download",
    # A file that is not read
    "bad_media": "decode",
    "empty_file": "decode",
    "unreadable_media": "decode",
    "target_changed": "decode",
    # A file of another kind than is taken
    "unknown_codec": "unsupported",
    "no_video": "unsupported",
    "media_wrong_kind": "unsupported",
    "media_bad_container": "unsupported",
    "media_bad_codec": "unsupported",
    "media_limit": "unsupported",
    "media_too_long": "unsupported",
    "media_too_many_frames": "unsupported",
    "media_frame_rate": "unsupported",
    "media_too_many_streams": "unsupported",
    "media_too_much_work": "unsupported",
    # A file that is too large
    "media_too_many_pixels": "size",
    "media_too_large": "bytes",
    "url_too_large": "bytes",
    "blob_too_large": "bytes",
    # Faces
    "bad_face": "no_face",
    "no_face_in_source": "no_face",
    "no_face_in_target": "no_face",
    "no_such_person": "no_face",
    "several_faces_in_source": "people",
    "several_people": "people",
    # What was asked for
    "no_such_source_face": "parameter",
    "different_people_in_source": "parameter",
    "bad_option": "parameter",
    # What is not done here
    "content_refused": "content",
    "refused": "permission",
    "protected_face": "permission",
    "consent": "permission",
    "attestation_missing": "permission",
    "consent_missing": "permission",
    "consent_withdrawn": "permission",
    # The engine
    "model": "inference",
    "model_missing": "inference",
    "model_corrupt": "inference",
    "provider_unavailable": "inference",
    "worker_died": "inference",
    "bad_output": "upload",
    "bad_output_format": "upload",
    "encoder_failed": "upload",
    "disk_full": "upload",
    "storage": "upload",
    "storage_unavailable": "upload",
    "scratch_full": "upload",
    "result_damaged": "upload",
    # Units
    "quota_exceeded": "units",
}

# In the vendor's codes: of a film, and of a picture (a source or a reference).
CODES_BY_KIND: Mapping[str, tuple[str, str]] = {
    "download": ("error_download_video", "error_download_image"),
    "decode": ("error_decode_video", "error_decode_image"),
    "unsupported": ("error_unsupported_video", "error_decode_image"),
    "size": ("error_unsupported_video", "error_exceed_max_image_size"),
    "bytes": ("exceed_max_filesize", "exceed_max_filesize"),
    "no_face": ("error_no_face", "error_no_face"),
    "people": ("error_multiple_people", "error_multiple_people"),
    "parameter": ("invalid_parameter", "invalid_parameter"),
    "content": ("error_nsfw_content_detected", "error_nsfw_content_detected"),
    "permission": ("invalid_parameter", "invalid_parameter"),
    "inference": ("error_inference", "error_inference"),
    "upload": ("error_upload", "error_upload"),
    "units": ("unknown_internal_error", "unknown_internal_error"),
}

MESSAGE_BY_KIND: Mapping[str, str] = {
    "download": "{file} could not be downloaded",
    "decode": "{file} could not be decoded",
    "unsupported": "the format, codec, length or frame rate of {file} is not supported",
    "size": "the width or height of {file} exceeds the limit",
    "bytes": "{file} exceeds the maximum file size",
    "no_face": "no face in {file}",
    "people": "{file} shows more than one person",
    "parameter": "{parameter} does not fit {file}",
    "content": "the content of these files is not allowed here",
    "permission": "a face in this task may not be used here",
    "inference": "the engine failed",
    "upload": "the result could not be stored",
    "units": "insufficient units",
}


# Of these our own sentence says more: why, or who.
EXPLAINED = frozenset({"download", "decode", "unsupported", "size", "bytes"})
REFUSED = frozenset({"content", "permission"})


def fault_of(our_code: str, file: File, field: str | None = None, sentence: str = "") -> Fault:
    """``field`` is what the client calls the file, ``sentence`` what a worker said of it."""
    kind = KIND_BY_CODE.get(our_code)
    if kind is None:
        return UNKNOWN
    code = CODES_BY_KIND[kind][0 if file is File.VIDEO else 1]
    told = message_of(kind, file, f"{file.value} ({field})" if field else file.value)
    sentence = in_words(sentence, {}).removeprefix(f"{field}: ")
    if kind in REFUSED and field and field in sentence:
        return Fault(code, sentence)
    is_more = kind in EXPLAINED and field and sentence
    return Fault(code, f"{told}: {sentence}" if is_more else told)


def message_of(kind: str, file: File, name: str) -> str:
    parameter = "dst_duration" if file is File.VIDEO else "face_mapping"
    return MESSAGE_BY_KIND[kind].format(file=name, parameter=parameter)


def place_of(job: Row, target: File, failed: str | None) -> tuple[File, str | None]:
    """Which file a failed job's error is about, and what its client calls it.

    ``target`` is what its source is; ``failed`` is the upload that could not be fetched, if any.
    """
    request = load_request(job["request"])
    names = {photo.upload: photo.name for photo in lent_photos(request)}
    code, message = job["error_code"] or "", job["error_message"] or ""
    named = [name for name in names.values() if name in message]
    if failed in names:
        return File.PHOTO, names[failed]
    if named:
        return File.PHOTO, max(named, key=len)
    if "in_source" in code or message.startswith(PHOTO_NAME):
        return File.PHOTO, next(iter(names.values())) if len(names) == 1 else None
    return target, request.name_of(request.uploads[0])


def lent_photos(request: JobRequest) -> list[PhotoRef]:
    """The references; not the source, by which a picture's mapping says who is meant."""
    if not isinstance(request, SwapJob):
        return []
    return [photo for pair in request.pairs for photo in pair.photos]
