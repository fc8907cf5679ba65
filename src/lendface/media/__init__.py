"""Files to frames and back."""

from .chunks import (
    Chunk,
    chunks_of,
    fresh_starts,
    join_chunks,
    list_packets,
    only_chunk,
    open_chunk_reader,
    open_chunk_writer,
    options_for,
    plan_chunks,
    timed,
)
from .encode import EncodeOptions
from .images import ImageInfo, encode_image, is_image, read_image, write_image
from .planes import PlanesPicture
from .prefetch import prefetch
from .probe import ColourTags, MediaInfo, StreamInfo, probe
from .reader import Damage, VideoReader, open_video
from .writer import VideoWriter, open_writer

__all__ = [
    "Chunk",
    "ColourTags",
    "Damage",
    "EncodeOptions",
    "ImageInfo",
    "MediaInfo",
    "PlanesPicture",
    "StreamInfo",
    "VideoReader",
    "VideoWriter",
    "chunks_of",
    "encode_image",
    "fresh_starts",
    "is_image",
    "join_chunks",
    "list_packets",
    "only_chunk",
    "open_chunk_reader",
    "open_chunk_writer",
    "open_video",
    "open_writer",
    "options_for",
    "plan_chunks",
    "prefetch",
    "probe",
    "read_image",
    "timed",
    "write_image",
]
