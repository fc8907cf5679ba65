"""Files that a user might give: good ones and all kinds of bad ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from people import beside, read_person, swaying, write_film, write_photo, write_sound

SMALL, COUNT = 240, 10


@dataclass(frozen=True)
class Material:
    """Each file is made when it is first asked for; nobody may change one."""

    folder: Path

    @cached_property
    def photo(self) -> Path:
        """A portrait of P003."""
        return write_photo(self.folder / "p003.png", read_person("P003"))

    @cached_property
    def same_person(self) -> Path:
        return write_photo(self.folder / "p003_selfie.jpg", read_person("P003", "amateur_selfie"))

    @cached_property
    def other_person(self) -> Path:
        return write_photo(self.folder / "p010.jpg", read_person("P010"))

    @cached_property
    def film_person(self) -> Path:
        """The one who is in ``film``, in another photo."""
        return write_photo(self.folder / "p005.jpg", read_person("P005", "amateur_selfie"))

    @cached_property
    def duo(self) -> Path:
        """P010 on the left, P003 on the right."""
        both = np.hstack([read_person("P010"), read_person("P003")])
        return write_photo(self.folder / "duo.png", both)

    @cached_property
    def tiny(self) -> Path:
        """A portrait with a face of some 60 px."""
        return write_photo(self.folder / "tiny.png", read_person("P003", side_px=150))

    @cached_property
    def landscape(self) -> Path:
        noise = np.random.default_rng(1).integers(60, 180, (8, 10, 3), dtype=np.uint8)
        smooth = cv2.resize(noise, (400, 300), interpolation=cv2.INTER_CUBIC)
        return write_photo(self.folder / "landscape.png", smooth)

    @cached_property
    def film(self) -> Path:
        """P005 sways, with a tone; times that are not even."""
        frames = swaying(read_person("P005", side_px=SMALL), COUNT, reach_px=4)
        pts = [512 * k + 90 * (k % 3) for k in range(COUNT)]
        return write_film(self.folder / "film.mp4", frames, pts=pts, with_tone=True)

    @cached_property
    def two_people(self) -> Path:
        """P005 on the left in every frame, P010 on the right in most."""
        left, right = (
            swaying(read_person(who, side_px=SMALL), COUNT, reach_px=4) for who in ("P005", "P010")
        )
        away = [*right[:-4], *[np.full_like(right[0], 120)] * 4]
        return write_film(self.folder / "two_people.mp4", beside(left, away))

    @cached_property
    def landscape_film(self) -> Path:
        still = cv2.imread(str(self.landscape))[:240, :320]
        return write_film(self.folder / "landscape.mp4", [still] * 5)

    @cached_property
    def empty(self) -> Path:
        path = self.folder / "empty.mp4"
        path.touch()
        return path

    @cached_property
    def empty_photo(self) -> Path:
        path = self.folder / "empty.jpg"
        path.touch()
        return path

    @cached_property
    def text(self) -> Path:
        path = self.folder / "notes.mp4"
        path.write_text("this is not a film\n" * 200)
        return path

    @cached_property
    def text_photo(self) -> Path:
        path = self.folder / "notes.jpg"
        path.write_text("this is not a photo\n" * 200)
        return path

    @cached_property
    def sound(self) -> Path:
        return write_sound(self.folder / "song.m4a")

    @cached_property
    def unknown_codec(self) -> Path:
        """A film whose sample entry names a codec that nobody knows."""
        data = self.film.read_bytes().replace(b"avc1", b"zq9x").replace(b"avcC", b"zq9C")
        path = self.folder / "unknown.mp4"
        path.write_bytes(data)
        return path
