"""Files to frames and back."""

from .encode import EncodeOptions
from .images import ImageInfo, is_image, read_image, write_image
from .planes import PlanesPicture
from .prefetch import prefetch
from .probe import ColourTags, MediaInfo, StreamInfo, probe
from .reader import Damage, VideoReader, open_video
from .writer import VideoWriter, open_writer

__all__ = [
    "ColourTags",
    "Damage",
    "EncodeOptions",
    "ImageInfo",
    "MediaInfo",
    "PlanesPicture",
    "StreamInfo",
    "VideoReader",
    "VideoWriter",
    "is_image",
    "open_video",
    "open_writer",
    "prefetch",
    "probe",
    "read_image",
    "write_image",
]
