"""``python -m benchmarks.copying IN OUT``: decode and encode, what every swap has to do anyway.

Plain PyAV, with the very settings that a swap gives to decoder and encoder; both have threads of
their own, so they run side by side.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import av
from av.video.frame import PictureType

from lendface.media.encode import THREADS as ENCODER_THREADS
from lendface.media.encode import EncodeOptions, codec_options
from lendface.media.reader import THREADS as DECODER_THREADS


def copy(path: Path, output: Path) -> None:
    with av.open(str(path)) as source, av.open(str(output), "w") as target:
        stream: Any = source.streams.video[0]
        stream.codec_context.thread_count = DECODER_THREADS
        stream.codec_context.thread_type = "AUTO"
        encoder: Any = None
        for frame in source.decode(stream):
            encoder = encoder or add_encoder(target, stream, frame)
            frame.pict_type = PictureType.NONE
            target.mux(encoder.encode(frame))
        target.mux(encoder.encode(None))


def add_encoder(target: Any, stream: Any, frame: Any) -> Any:
    encoder = target.add_stream("libx264", rate=stream.average_rate)
    encoder.width, encoder.height = frame.width, frame.height
    encoder.pix_fmt, encoder.time_base = frame.format.name, stream.time_base
    encoder.codec_context.thread_count = ENCODER_THREADS
    encoder.codec_context.flags |= int(av.codec.context.Flags.closed_gop)
    encoder.options = codec_options("libx264", EncodeOptions(), frame)
    return encoder


if __name__ == "__main__":
    copy(Path(sys.argv[1]), Path(sys.argv[2]))
