"""Targets that can be read more than once: a video, a picture, or frames a caller holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ..engine.picture import ArrayPicture, ScratchPicture
from ..engine.types import Frame, Picture
from ..errors import TargetChangedError
from ..media import (
    ImageInfo,
    MediaInfo,
    VideoReader,
    is_image,
    open_video,
    prefetch,
    probe,
    read_image,
)
from ..media.failures import check_readable


@dataclass(frozen=True, eq=False)
class Target:
    """Frames that can be opened any number of times, and what is known of them."""

    name: str
    open: Callable[[], AbstractContextManager[Iterator[Frame]]]
    frame_count: int | None  # where it is known before reading


@dataclass(frozen=True)
class Trim:
    """A part of a film, in seconds; None means from its start, to its end."""

    start_s: Fraction | None = None
    end_s: Fraction | None = None


@dataclass(frozen=True, eq=False)
class VideoTarget:
    """A video file."""

    info: MediaInfo
    trim: Trim

    @property
    def frame_count(self) -> int | None:
        if self.trim == Trim() or self.info.duration is None:
            return self.info.frame_count
        end = min(self.trim.end_s or self.info.duration, self.info.duration)
        return max(1, round((end - (self.trim.start_s or 0)) * self.info.frame_rate))

    @contextmanager
    def reader(self) -> Iterator[VideoReader]:
        with open_video(self.info.path, start_s=self.trim.start_s, end_s=self.trim.end_s) as reader:
            yield reader

    def as_target(self) -> Target:
        @contextmanager
        def frames() -> Iterator[Iterator[Frame]]:
            # The file is closed only after the thread that reads it has ended.
            with self.reader() as reader, closing(prefetch(reader.frames())) as ahead:
                yield ahead

        return Target(self.info.path.name, frames, self.frame_count)


@dataclass(eq=False)
class ImageTarget:
    """A still picture, which is a film of one frame. It is read when it is opened, and again where
    it was taken since."""

    path: Path
    size_wh: tuple[int, int]
    _read: tuple[ArrayPicture, ImageInfo] | None

    @property
    def frame(self) -> Frame:
        return self._frame_of(self._known()[0])

    def take(self) -> tuple[Frame, ImageInfo]:
        """The frame as a picture that its new owner may change, and what belongs to its file.

        Raises TargetChangedError, and the errors of ``read_image`` where it is read again.
        """
        (picture, info), self._read = self._known(), None
        return self._frame_of(ScratchPicture(picture.pixels)), info

    def as_target(self) -> Target:
        @contextmanager
        def frames() -> Iterator[Iterator[Frame]]:
            yield iter([self.frame])

        return Target(self.path.name, frames, 1)

    def _known(self) -> tuple[ArrayPicture, ImageInfo]:
        if self._read is None:
            self._read = read_image(self.path)
            if self._read[0].size_wh != self.size_wh:
                raise TargetChangedError(self.path.name)
        return self._read

    def _frame_of(self, picture: Picture) -> Frame:
        return Frame(0, Fraction(0), picture)


def still(name: str, frame: Frame) -> Target:
    """One frame as a target."""

    @contextmanager
    def frames() -> Iterator[Iterator[Frame]]:
        yield iter([frame])

    return Target(name, frames, 1)


def open_target(path: Path, trim: Trim) -> VideoTarget | ImageTarget:
    """What the file is. Raises the errors of ``probe`` and ``read_image``."""
    check_readable(path)
    if not is_image(path):
        return VideoTarget(probe(path), trim)
    read = read_image(path)
    return ImageTarget(path, read[0].size_wh, read)
