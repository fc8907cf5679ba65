"""How a face looked on a few of its frames: what remains of its pixels when the scan is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .mesh.appearance import Reading, learn, read
from .mesh.beard import JawLook, depth_of, learn_beard, read_jaw
from .mesh.forehead import TURNED_DEG, forehead_heights, read_strip
from .mesh.glasses import SEEN_DEG, find_glasses, read_plate
from .mesh.topology import Topology
from .types import Appearance, Array, Beard, Floats, Glasses, Picture, Pixels

MOST_LOOKS = 40  # of one tracklet, and of one person
MOST_KEPT = 1000  # of all tracklets that have ended, at 38 kB each
CALM_DEG = 40.0


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One frame's colours of a face, the plate before its eyes, and what is above it."""

    reading: Reading
    plate: Pixels
    strip: Array  # as ``mesh.forehead`` reads it
    yaw_deg: float
    is_calm: bool  # turned little, found surely, and no hand near
    frame: int = -1
    jaw: JawLook | None = None  # of a calm one


def take_look(
    picture: Picture,
    landmarks_xyz: Floats,
    topology: Topology,
    yaw_deg: float,
    is_clear: bool,
    light: Floats,
) -> Look:
    """``is_clear``: the face was found surely and no hand is near it. ``light`` (g, g, 3) log."""
    is_calm = is_clear and abs(yaw_deg) < CALM_DEG
    return Look(
        read(picture, landmarks_xyz, topology),
        read_plate(picture, landmarks_xyz, topology),
        read_strip(picture, landmarks_xyz, topology),
        yaw_deg,
        is_calm,
        jaw=read_jaw(picture, landmarks_xyz, light, topology) if is_calm else None,
    )


@dataclass(slots=True, eq=False)
class LookBook:
    """Looks at one tracklet, evenly spread over its frames however many these become."""

    looks: list[Look] = field(default_factory=list)
    every: int = 2  # frames

    def wants(self, age: int) -> bool:
        """Whether the frame that comes ``age`` frames after the first is to be kept."""
        return age % self.every == 0

    def add(self, look: Look) -> None:
        self.looks.append(look)
        if len(self.looks) >= MOST_LOOKS:
            self.thin()

    def forget_from(self, frame: int) -> None:
        """Forget the looks at this frame and all later ones."""
        self.looks = [look for look in self.looks if look.frame < frame]

    def thin(self) -> None:
        """Forget every other look; of a single one, that one."""
        self.looks = self.looks[1::2] if len(self.looks) < 2 else self.looks[::2]
        self.every *= 2


def limit(books: Sequence[LookBook], most: int = MOST_KEPT) -> None:
    """Thin all books until they hold no more than ``most`` looks together."""
    while sum(len(book.looks) for book in books) > most:
        for book in books:
            book.thin()


def describe(
    books: Iterable[LookBook], topology: Topology
) -> tuple[Appearance | None, Glasses | None, Floats, Beard | None]:
    """What a person looks like, the glasses that they wear, how far the bare forehead goes on
    above the mesh, (11,) eye distances, and the beard below it; as far as the looks tell."""
    looks = [look for book in books for look in book.looks]
    calm = _spread_out([look for look in looks if look.is_calm])
    facing = _spread_out([look for look in looks if abs(look.yaw_deg) < SEEN_DEG])
    straight = [look for look in calm if abs(look.yaw_deg) < TURNED_DEG]
    yaw = float(np.median([look.yaw_deg for look in facing])) if facing else 0.0
    appearance = learn([look.reading for look in calm], topology)
    jaws = [look.jaw for look in calm if look.jaw is not None]
    return (
        appearance,
        find_glasses([look.plate for look in facing], yaw),
        forehead_heights([look.strip for look in straight]),
        learn_beard(jaws, depth_of(topology, appearance)),
    )


def _spread_out(looks: Sequence[Look]) -> Sequence[Look]:
    if len(looks) <= MOST_LOOKS:
        return looks
    return [looks[k] for k in np.linspace(0, len(looks) - 1, MOST_LOOKS).round().astype(int)]
