"""``python -m benchmarks.plain SOURCE IN OUT``: the plain way, to compare with.

What most face swap programs do: every frame becomes a whole RGB array, is handed to the engine,
gets the new face pasted by arithmetic over the whole picture, and is converted back; one frame
after the other, in one loop. The engine is the same, and so are the encoder and its settings.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import PictureType

from lendface.app import build
from lendface.engine.enrol import Photo
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Frame, Patch, Pixels
from lendface.media import read_image

from .copying import add_encoder


def swap_plainly(photo: Path, path: Path, output: Path) -> None:
    parts = build()
    source = parts.enroller.enrol([Photo(photo.name, read_image(photo)[0])]).source
    tracks = parts.scanner.scan(frames_of(path))
    person = tracks.people[0]
    look = parts.swapper.prepare(source, person)
    with av.open(str(path)) as opened, av.open(str(output), "w") as target:
        stream: Any = opened.streams.video[0]
        encoder: Any = None
        for index, decoded in enumerate(opened.decode(stream)):
            encoder = encoder or add_encoder(target, stream, decoded)
            pixels = decoded.to_ndarray(format="rgb24")
            for face in tracks.faces_at(index):
                if patch := parts.swapper.swap(ArrayPicture(pixels), face, look):
                    pixels = paste(pixels, patch)
            frame: Any = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(format=encoder.pix_fmt)
            frame.pts, frame.time_base = decoded.pts, decoded.time_base
            frame.pict_type = PictureType.NONE
            target.mux(encoder.encode(frame))
        target.mux(encoder.encode(None))


def frames_of(path: Path) -> Iterator[Frame]:
    with av.open(str(path)) as opened:
        for index, decoded in enumerate(opened.decode(video=0)):
            time = (decoded.pts or 0) * (decoded.time_base or Fraction(1))
            yield Frame(index, time, ArrayPicture(decoded.to_ndarray(format="rgb24")))


def paste(pixels: Pixels, patch: Patch) -> Pixels:
    """Alpha over the whole picture, as a mask of its size."""
    height, width = pixels.shape[:2]
    mask = np.zeros((height, width, 1), np.float32)
    new = np.zeros((height, width, 3), np.float32)
    box = patch.box
    inside = box.clipped((width, height))
    rows = slice(inside.y0 - box.y0, inside.y1 - box.y0)
    columns = slice(inside.x0 - box.x0, inside.x1 - box.x0)
    place = slice(inside.y0, inside.y1), slice(inside.x0, inside.x1)
    mask[*place, 0], new[place] = patch.alpha[rows, columns], patch.pixels[rows, columns]
    mixed = mask * new + (1 - mask) * pixels.astype(np.float32)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


if __name__ == "__main__":
    swap_plainly(*(Path(each) for each in sys.argv[1:4]))
