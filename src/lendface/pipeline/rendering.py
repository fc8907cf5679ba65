"""The second pass: every frame once more, with new faces, into a file.

Frames are decoded, swapped and encoded by three threads, a few frames apart; all that is heavy in
each lets go of the interpreter. Where cores are few the first two give way to the encoder: its own
threads wait for each other, and all the rest waits for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Generic

import cv2

from ..engine.label import Label
from ..engine.memory import prepare_to_render, return_freed_memory
from ..engine.picture import ArrayPicture
from ..engine.plan import SwapPlan
from ..engine.render import render
from ..engine.roles import LookT, Swapper
from ..engine.types import Face, Frame, Patch, Picture, SourceFace, Track
from ..errors import TargetChangedError
from ..media import (
    Chunk,
    EncodeOptions,
    VideoReader,
    VideoWriter,
    open_chunk_reader,
    open_chunk_writer,
    open_video,
    open_writer,
    prefetch,
    write_image,
)
from ..media.reader import THREADS
from ..media.thinning import ends_of_kept
from .parts import Watch
from .scans import Scan
from .targets import ImageTarget, VideoTarget

ahead_of_encoder = partial(prefetch, gives_way=True)

Ends = Mapping[int, Fraction | None]  # by the index of each frame that stays; see ends_of_kept


@dataclass(frozen=True, eq=False)
class Rendering:
    """A target's frames with the planned faces. The swap is done at the target's own size;
    a result that was asked to be smaller is made so from the finished picture."""

    scan: Scan
    plan: SwapPlan
    swapper: Swapper
    encode: EncodeOptions = field(default_factory=EncodeOptions)
    watch: Watch = field(default_factory=Watch)
    label: Label | None = None  # on every frame

    def write(self, target: VideoTarget | ImageTarget, output: Path) -> list[str]:
        """Returns warnings."""
        if isinstance(target, VideoTarget):
            return self.write_video(target, output)
        self.write_still(target, output)
        return []

    def write_video(self, target: VideoTarget, output: Path) -> list[str]:
        """Returns warnings about what the output could not keep and what did not decode."""
        with (
            target.reader() as reader,
            closing(ahead_of_encoder(reader.frames())) as decoded,
            closing(ahead_of_encoder(self._swapped(decoded, ends := self._ends()), 2)) as ahead,
            open_writer(output, reader, self.encode) as writer,
        ):
            self._write_all(ahead, ends, writer)
        damage = reader.damage.reason
        return [*writer.warnings, *([damage] if damage else [])]

    def write_part(self, path: Path, chunk: Chunk, output: Path) -> list[str]:
        """One part of a film, to be joined with the others. Returns warnings of the writer.

        ``encode`` names its codec. Raises TargetChangedError where the frames are not those of
        the scan, for then faces would land on wrong frames.
        """
        ends = ends_of_kept(self.scan.times, self.encode.max_fps)
        own = range(chunk.first_index, chunk.first_index + chunk.frame_count)
        ends = {index: ends[index] for index in own if index in ends}
        like = None if chunk.first_index == 0 else self._first_frame(path)
        with (
            open_chunk_reader(path, chunk, threads=self.encode.threads or THREADS) as reader,
            closing(ahead_of_encoder(self._scanned(reader, chunk))) as decoded,
            closing(ahead_of_encoder(self._swapped(decoded, ends), 2)) as ahead,
            open_chunk_writer(output, reader.info, self.encode, like) as writer,
        ):
            self._write_all(ahead, ends, writer)
        return writer.warnings

    def write_still(self, target: ImageTarget, output: Path) -> None:
        """The target is taken: whoever wants it again reads it again."""
        taken, info = target.take()
        for frame in self._swapped([taken], None):
            self.watch.step("render", 1, 1)
            picture = frame.picture
            side = self.encode.max_long_side
            if side is not None and max(picture.size_wh) > side:
                picture = ArrayPicture(picture.reduced(side))
                if info.alpha is not None:
                    alpha = cv2.resize(info.alpha, picture.size_wh, interpolation=cv2.INTER_AREA)
                    info = replace(info, alpha=alpha)
            write_image(output, picture, info)

    @property
    def frame_count(self) -> int:
        """Frames of the result."""
        ends = self._ends()
        return self.scan.tracks.frame_count if ends is None else len(ends)

    def _ends(self) -> Ends | None:
        """None: all frames stay, as long as they were."""
        max_fps = self.encode.max_fps
        return None if max_fps is None else ends_of_kept(self.scan.times, max_fps)

    def _swapped(self, frames: Iterable[Frame], ends: Ends | None) -> Iterator[Frame]:
        prepare_to_render()
        kept = frames if ends is None else (frame for frame in frames if frame.index in ends)
        for frame in render(kept, self.scan.tracks, self.plan, Tidied(self.swapper)):
            yield self._labelled(frame)

    def _write_all(self, frames: Iterable[Frame], ends: Ends | None, writer: VideoWriter) -> None:
        total = self.scan.tracks.frame_count if ends is None else len(ends)
        for count, frame in enumerate(frames, start=1):
            writer.write(frame, until_of(frame, ends))
            self.watch.step("render", count, total)

    def _labelled(self, frame: Frame) -> Frame:
        if self.label is None:
            return frame
        picture = frame.picture
        return replace(frame, picture=picture.pasted([self.label.patch(picture.size_wh)]))

    def _scanned(self, reader: VideoReader, chunk: Chunk) -> Iterator[Frame]:
        """The chunk's frames, when they are the very ones that were scanned."""
        name, times, count = reader.info.path.name, self.scan.times, 0
        for frame in reader.frames():
            if frame.index >= len(times) or times[frame.index] != frame.time:
                raise TargetChangedError(name)
            count += 1
            yield frame
        if count != chunk.frame_count:
            raise TargetChangedError(name)

    def _first_frame(self, path: Path) -> Frame:
        with open_video(path, start_s=self.scan.times[0]) as reader:
            return next(reader.frames())


@dataclass(frozen=True, eq=False)
class Tidied(Generic[LookT]):
    """A Swapper that gives back what preparing a person took and no longer needs."""

    swapper: Swapper[LookT]

    def prepare(self, source: SourceFace, track: Track) -> LookT:
        look = self.swapper.prepare(source, track)
        return_freed_memory()
        return look

    def swap(self, picture: Picture, face: Face, look: LookT) -> Patch | None:
        return self.swapper.swap(picture, face, look)


def until_of(frame: Frame, ends: Ends | None) -> Fraction | None:
    return None if ends is None else ends[frame.index]
