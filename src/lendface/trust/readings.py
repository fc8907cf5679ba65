"""What the gate's nets read in a film, as plain numbers: no pixels, no faces, no judgement.

A reading depends on the film alone, so it may be kept with the film's scan and judged for each
swap of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Protocol

import cv2
import numpy as np

from ..engine.picture import ArrayPicture
from ..engine.tracks import Tracks
from ..engine.types import Frame, Picture
from ..models import CydralAge, FaceresAge, OpenNsfw, get_spec
from ..models.session import LaterSession, RuntimeOptions
from ..pipeline.targets import Target
from .ages import AgeReading, Nets, Sight, best_frames, read_ages
from .places import Places

SUSPICION = 0.2  # what the publisher of open_nsfw calls very unlikely ends here
FOLLOWING = (6, 12)  # frames after a suspicious one that are read too: a quarter second apart
KEPT_PX = 1920  # longer side of the pictures that are kept until the film is known
KEPT_QUALITY = 95  # of JPEG
FEW_READINGS = 3  # of a person's age: fewer are worth another look into the film


class NudityNet(Protocol):
    """Says how likely a picture shows nudity."""

    def score(self, picture: Picture) -> float:
        """0..1"""
        ...


@dataclass(frozen=True, eq=False)
class GateNets:
    """The nets that read: one of nudity, two of age that know nothing of each other."""

    nudity: NudityNet
    ages: Nets
    later: tuple[LaterSession, ...] = ()  # the same, for whoever wants them loaded beforehand

    @classmethod
    def load(cls, runtime: RuntimeOptions | None = None) -> GateNets:
        """Each net is loaded when it first reads."""

        def later(model_id: str) -> LaterSession:
            return LaterSession(get_spec(model_id), runtime or RuntimeOptions())

        nudity, young, other = map(later, ("open_nsfw", "age_cydral", "faceres"))
        ages = CydralAge(young), FaceresAge(other)
        return cls(OpenNsfw(nudity), ages, (nudity, young, other))


@dataclass(frozen=True, slots=True)
class NudityLook:
    """One place of a film: a frame, and where it was suspicious two that follow."""

    time_s: float
    scores: tuple[float, ...]  # 0..1 each

    @property
    def score(self) -> float:
        """What most of the frames say: the middle one of three, the lower one of two."""
        return sorted(self.scores)[(len(self.scores) - 1) // 2]


@dataclass(frozen=True, slots=True)
class FilmReading:
    """What was read in a film."""

    nudity: tuple[NudityLook, ...]
    ages: Mapping[int, tuple[AgeReading, ...]] = field(default_factory=dict)  # by track


class NudityReader:
    """Looks at few frames of a film, and closer where one is suspicious."""

    def __init__(self, net: NudityNet, frame_count: int | None) -> None:
        self.places = Places(frame_count)
        self._net = net
        self._looks: dict[int, NudityLook] = {}  # by the frame of the place
        self._due: dict[int, int] = {}  # a frame that follows, and its place

    @property
    def looks(self) -> tuple[NudityLook, ...]:
        return tuple(self._looks.values())

    def see(self, frame: Frame) -> bool:
        """Every frame once, in order. Returns whether it was one of the places."""
        place = self._due.pop(frame.index, None)
        if place is not None:
            look, score = self._looks[place], self._net.score(frame.picture)
            self._looks[place] = replace(look, scores=(*look.scores, score))
        is_place = self.places.takes(frame.index)
        if is_place:
            self._look(frame)
        return is_place

    def _look(self, frame: Frame) -> None:
        score = self._net.score(frame.picture)
        self._looks[frame.index] = NudityLook(float(frame.time), (score,))
        if score >= SUSPICION:
            self._due.update({frame.index + later: frame.index for later in FOLLOWING})


class FilmReader:
    """Reads a film while somebody else goes through its frames, to scan it.

    Nudity is read at once. Whose face is whose is known only at the end, so small copies of the
    frames that are looked at, 60 at most, are kept until ``finish``.
    """

    def __init__(self, nets: GateNets, frame_count: int | None) -> None:
        self._ages = nets.ages
        self._nudity = NudityReader(nets.nudity, frame_count)
        self._copies: dict[int, Copy] = {}

    def see(self, frame: Frame) -> None:
        """Every frame once, in order."""
        if self._nudity.see(frame):
            keeps = self._nudity.places.keeps
            self._copies[frame.index] = Copy.of(frame)
            self._copies = {at: copy for at, copy in self._copies.items() if keeps(at)}

    def finish(self, tracks: Tracks) -> FilmReading:
        """What was read, and the ages of everybody whom the copies show well enough."""
        people_at = best_frames(tracks, _everybody(tracks), self._copies)
        sights = (self._copies[index].sight(index) for index in sorted(people_at))
        return FilmReading(self._nudity.looks, read_ages(sights, tracks, people_at, self._ages))


@dataclass(frozen=True, slots=True)
class Copy:
    """A frame as a small file in memory."""

    time_s: float
    jpeg: bytes
    scale: float

    @classmethod
    def of(cls, frame: Frame) -> Copy:
        pixels = frame.picture.reduced(KEPT_PX)
        flags = [cv2.IMWRITE_JPEG_QUALITY, KEPT_QUALITY]
        _, data = cv2.imencode(".jpg", np.ascontiguousarray(pixels[..., ::-1]), flags)
        return cls(float(frame.time), data.tobytes(), pixels.shape[1] / frame.picture.size_wh[0])

    def sight(self, index: int) -> Sight:
        bgr = cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR)
        picture = ArrayPicture(np.ascontiguousarray(bgr[..., ::-1]))
        return Sight(index, self.time_s, picture, self.scale)


def read_film(frames: Iterable[Frame], tracks: Tracks, nets: GateNets) -> FilmReading:
    """A film that was scanned before, in one pass over all of its frames."""
    people_at = best_frames(tracks, _everybody(tracks))
    nudity = NudityReader(nets.nudity, tracks.frame_count)

    def sights() -> Iterator[Sight]:
        for frame in frames:
            nudity.see(frame)
            yield _sight(frame)

    ages = read_ages(sights(), tracks, people_at, nets.ages)
    return FilmReading(nudity.looks, ages)


def read_again(
    target: Target, tracks: Tracks, track_ids: Iterable[int], reading: FilmReading, nets: GateNets
) -> FilmReading:
    """The same, with more ages of those people who were hardly seen at the places.

    The film is opened only if there is somebody of that kind, and read as far as is needed.
    """
    people_at = best_frames(tracks, _lacking(tracks, track_ids, reading))
    if not people_at:
        return reading
    with target.open() as frames:
        needed = takewhile(lambda frame: frame.index <= max(people_at), frames)
        ages = read_ages(map(_sight, needed), tracks, people_at, nets.ages)
    return replace(reading, ages={**reading.ages, **ages})


def _lacking(tracks: Tracks, track_ids: Iterable[int], reading: FilmReading) -> list[int]:
    counts = {track_id: len(reading.ages.get(track_id, ())) for track_id in track_ids}
    return [
        track_id
        for track_id, count in counts.items()
        if count < FEW_READINGS and count < tracks.get_person(track_id).face_count
    ]


def _everybody(tracks: Tracks) -> list[int]:
    return [person.id for person in tracks.people]


def _sight(frame: Frame) -> Sight:
    return Sight(frame.index, float(frame.time), frame.picture)
