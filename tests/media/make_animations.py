"""Small animations and films with alpha whose pixels and times are known exactly."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

SIZE_WH = (40, 32)
ENDS_MS = (100, 250, 300, 700, 900)


def rgba(index: int, size_wh: tuple[int, int] = SIZE_WH) -> np.ndarray:
    """(h, w, 4): bars of four colours, opaque in a window that moves."""
    width, height = size_wh
    colours = np.uint8([[200, 40, 40], [40, 200, 40], [40, 40, 200], [220, 220, 60]])
    made = np.zeros((height, width, 4), np.uint8)
    made[..., :3] = colours[(np.arange(width) // 5 + index) % 4]
    made[8:24, 4 + index : 24 + index, 3] = 255
    return made


def opaque(index: int) -> np.ndarray:
    made = rgba(index)
    made[..., 3] = 255
    return made


def make_animation(path: Path, frames: Sequence[np.ndarray], plays: int = 0) -> Path:
    """A .gif, .png or .webp without loss, by Pillow; frames end at ``ENDS_MS``."""
    pictures = [Image.fromarray(frame) for frame in frames]
    shown = np.diff([0, *ENDS_MS])[: len(frames)].tolist()
    kind = {".webp": {"lossless": True}, ".gif": {"disposal": 2}, ".png": {"disposal": 1}}
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=shown,
        loop=plays,
        **kind[path.suffix],
    )
    return path


def with_text_before(path: Path, size: int) -> Path:
    """A PNG with a comment of so many bytes right behind its header."""
    data = path.read_bytes()
    text = b"Comment\0" + b"acTL of nobody. " * (size // 16)
    check = zlib.crc32(b"tEXt" + text)
    chunk = struct.pack(">I", len(text)) + b"tEXt" + text + struct.pack(">I", check)
    path.write_bytes(data[:33] + chunk + data[33:])
    return path


def make_see_through(path: Path, codec: str, pix_fmt: str, count: int = 6) -> Path:
    """A film of ``rgba`` frames, 25 a second; VP8 and VP9 as WebM has them."""
    options = {"b": "2M", "auto-alt-ref": "0"} if codec.startswith("libvpx") else {}
    with av.open(str(path), "w") as film:
        stream = film.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(rgba(index, (64, 48)), format="rgba")
            frame = frame.reformat(format=pix_fmt)
            frame.pts, frame.time_base = 40 * index, Fraction(1, 1000)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    return path


def shown_by_pillow(path: Path) -> list[tuple[int, np.ndarray]]:
    """(milliseconds it is shown, (h, w, 4)) of each frame; a reader that is not ours."""
    with Image.open(path) as image:
        shown = []
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            pixels = np.asarray(image.convert("RGBA"))
            shown.append((round(image.info.get("duration", 0)), pixels))
        return shown
