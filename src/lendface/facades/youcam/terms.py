"""The numbers of this API: what the vendor promises and takes, and what an operator may change.

Sources are the vendor's pages on the video face swap, files, units and rate limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from ...service.office import DAY_MS, Office
from ...service.requests import LimitsRef, OutputRef

API = "youcam"
PREFIX = "/s2s"  # where the application is mounted
MIB = 1 << 20

LINK_S = 7200  # of links to put and to get
TOKEN_S = 7200  # of what a login gives
WINDOW_S = 300  # of the rate limit
MAX_FILES = 50  # in one request; the vendor's number is not known

MAX_SECONDS = 30
MAX_VIDEO_BYTES = 100 * MIB
MAX_IMAGE_BYTES = 10 * MIB
MAX_LONG_SIDE = 4096
OUTPUT_LONG_SIDE = 1280
MAX_FPS = 30
# A film of 30 s has sound that ends a few frames later; it is a film of 30 s to everybody.
SOUND_S = 0.5
MISMATCH_S = 1.0  # how far dst_duration may be off

# The vendor's, and what phones send besides.
FileType = Literal[
    "image/jpg",
    "image/jpeg",
    "image/png",
    "image/heic",
    "image/heif",
    "image/avif",
    "video/mp4",
    "video/quicktime",
]

VIDEO_LIMITS = LimitsRef(
    max_bytes=MAX_VIDEO_BYTES,
    max_seconds=MAX_SECONDS + SOUND_S,
    max_fps=MAX_FPS,
    max_long_side=MAX_LONG_SIDE,
    containers=("mov", "mp4"),
    video_codecs=("h264", "mpeg4"),
    audio_codecs=("aac", "amr_nb", "amr_wb", "mp3"),
    kinds=("video",),
    single_person=True,
)
LIFTED_VIDEO_LIMITS = LimitsRef(kinds=("video",), single_person=True)
IMAGE_LIMITS = LimitsRef(
    max_bytes=MAX_IMAGE_BYTES,
    max_long_side=MAX_LONG_SIDE,
    containers=("jpeg", "png", "heic", "avif"),
    kinds=("image",),
)
LIFTED_IMAGE_LIMITS = LimitsRef(kinds=("image",))


class Feature(StrEnum):
    """The last words of a task's address."""

    VIDEO = "face-swap-vid"
    IMAGE = "face-swap"
    FACES = "face-swap/pre-process"


@dataclass(frozen=True)
class Terms:
    """How one server plays the vendor."""

    base_url: str  # how clients reach it
    holds_limits: bool = True  # the vendor's, on files and results
    poll_window_s: float = 0.0  # after so long without a poll a running task is lost; 0: never
    keep_ms: int = 30 * DAY_MS  # files, tasks and results
    max_requests: int = 250  # in WINDOW_S, of one key and of one address

    @property
    def video_limits(self) -> LimitsRef:
        return VIDEO_LIMITS if self.holds_limits else LIFTED_VIDEO_LIMITS

    @property
    def image_limits(self) -> LimitsRef:
        return IMAGE_LIMITS if self.holds_limits else LIFTED_IMAGE_LIMITS

    @property
    def output(self) -> OutputRef:
        """Of a film."""
        if not self.holds_limits:
            return OutputRef(container="mp4")
        return OutputRef(container="mp4", max_long_side=OUTPUT_LONG_SIDE, max_fps=MAX_FPS)

    def max_seconds(self, office: Office) -> float:
        """The largest dst_duration."""
        if self.holds_limits:
            return MAX_SECONDS
        return office.rules.limits.max_duration_s or 1e6

    def max_bytes(self, office: Office, content_type: str) -> int:
        """Of a file of this type."""
        is_image = content_type.startswith("image/")
        if self.holds_limits:
            return MAX_IMAGE_BYTES if is_image else MAX_VIDEO_BYTES
        server = office.rules.max_photo_bytes if is_image else office.rules.limits.max_bytes
        return server or 1 << 50
