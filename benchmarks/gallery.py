"""Draws the gallery of docs/gallery.md: ``python -m benchmarks.gallery [NAME ...]``.

People who do not exist (openpeople), moved by the demo's rig or as their sheet of emotions has
them, under lights that are painted on. Each picture has the source at the left, then moments of
the target above what became of them. It takes a few minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

import lendface.app
from lendface.demo.animate import animate
from lendface.demo.people import get_photo
from lendface.demo.script import Script
from lendface.engine.enrol import Photo
from lendface.engine.picture import ArrayPicture
from lendface.engine.plan import SwapPlan
from lendface.engine.render import render
from lendface.engine.style import Style
from lendface.engine.types import Face, Floats, Frame, Pixels
from lendface.media import read_image
from lendface.models import load_topology
from lendface.pipeline.parts import Parts

OUT = Path(__file__).parents[1] / "docs" / "images" / "gallery"
CELL_PX, MOMENTS, AROUND = 208, 5, 0.3  # the last in sizes of the face
QUALITY = 84  # of JPEG
SCRIPT = Script(seconds=2.4, size_px=560, yaw_deg=22.0, light=0.2)
SHEET_ROWS, SHEET_COLUMNS = (0.035, 0.279, 0.524, 0.767), (0.037, 0.274, 0.511, 0.748)
SHEET_CELL = (0.185, 0.213)  # height and width, shares of the sheet
RIM_RGB = (28, 22, 20)
HAPPY, ANGRY = (0, 1), (0, 3)
FEELINGS = ((0, 1), (1, 0), (3, 2), (2, 1), (2, 3), (3, 0), (1, 2))  # row, column


@dataclass(frozen=True, eq=False)
class Swap:
    """One way to swap a target; several of one target are drawn below each other."""

    photos: tuple[Pixels, ...]
    style: Style = field(default_factory=Style)


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of the gallery: target films, of each of which some moments are shown."""

    films: tuple[Sequence[Pixels], ...]
    swaps: tuple[Swap, ...]


class Studio:
    """Takes photos and films of the people."""

    def __init__(self, parts: Parts) -> None:
        self.parts, self.topology = parts, load_topology()

    def portrait(self, person: str) -> Pixels:
        return _read(get_photo(person))

    def selfie(self, person: str) -> Pixels:
        return _read(get_photo(person).with_name("amateur_selfie.jpg"))

    def film(self, portrait: Pixels, script: Script = SCRIPT) -> list[Pixels]:
        found = self.parts.enroller.portrait(Photo("portrait", ArrayPicture(portrait)))
        moving = animate(found, self.topology, script)
        return [frame.picture.reduced(script.size_px) for frame, _ in moving]

    def landmarks(self, portrait: Pixels) -> Floats:
        photo = Photo("portrait", ArrayPicture(portrait))
        return self.parts.enroller.portrait(photo).mesh.landmarks_xyz

    def feelings(self, person: str) -> list[list[Pixels]]:
        """Stills: each is a film of one frame."""
        return [[self.feeling(person, *place)] for place in FEELINGS]

    def feeling(self, person: str, row: int, column: int) -> Pixels:
        """One photo of the person's sheet of emotions."""
        sheet = _read(get_photo(person).with_name("emotions_sheet.jpg"))
        height, width = sheet.shape[:2]
        top, left = round(SHEET_ROWS[row] * height), round(SHEET_COLUMNS[column] * width)
        bottom, right = top + round(SHEET_CELL[0] * height), left + round(SHEET_CELL[1] * width)
        return np.ascontiguousarray(sheet[top:bottom, left:right])


def _read(path: Path) -> Pixels:
    picture = read_image(path)[0]
    return picture.reduced(max(picture.size_wh))


def lit(pixels: Pixels, gain: Floats | Sequence[float]) -> Pixels:
    """In a light that is ``gain`` (3,) or (h, w, 3) times as bright; RGB as a camera stores it."""
    return np.uint8(np.clip(np.float32(pixels) * np.float32(gain), 0, 255))


def noisy(pixels: Pixels, seed: int, sigma: float = 4.0) -> Pixels:
    grain = np.random.default_rng(seed).normal(0, sigma, pixels.shape)
    return np.uint8(np.clip(pixels + grain, 0, 255))


def half_shadowed(portrait: Pixels, landmarks_xyz: Floats) -> Pixels:
    """One half of the face in a shadow with an edge, which moves with the face."""
    middle, width = float(landmarks_xyz[168, 0]), float(np.ptp(landmarks_xyz[:, 0]))
    across = (np.arange(portrait.shape[1], dtype=np.float32) - middle) / (0.08 * width)
    shade = 1 - 0.62 / (1 + np.exp(-across))
    return lit(portrait, shade[None, :, None])


def two_lamps(pixels: Pixels) -> Pixels:
    """Magenta from the left and blue from the right."""
    share = np.linspace(0, 1, pixels.shape[1], dtype=np.float32)[None, :, None]
    lamps = np.float32([[1.15, 0.5, 0.85], [0.4, 0.6, 1.2]])
    return lit(pixels, lamps[0] * (1 - share) + lamps[1] * share)


def with_glasses(portrait: Pixels, landmarks_xyz: Floats) -> Pixels:
    """Dark rims before the eyes."""
    shown, points = portrait.copy(), landmarks_xyz[:, :2]
    eye = float(np.linalg.norm(points[33] - points[263])) / 2  # from the nose to an outer corner
    width = round(0.07 * eye)
    hinges = []
    for corners, ear, side in (((33, 133), 127, -1), ((362, 263), 356, 1)):
        middle = points[list(corners)].mean(0) + np.float32([0, 0.06 * eye])
        axes = (round(0.52 * eye), round(0.42 * eye))
        cv2.ellipse(shown, _whole(middle), axes, 0, 0, 360, RIM_RGB, width, cv2.LINE_AA)
        across = np.float32([side * 0.52 * eye, 0])
        cv2.line(shown, _whole(middle + across), _whole(points[ear]), RIM_RGB, width, cv2.LINE_AA)
        hinges.append(_whole(middle - across))
    cv2.line(shown, hinges[0], hinges[1], RIM_RGB, width, cv2.LINE_AA)
    return shown


def _whole(place: Floats) -> list[int]:
    return np.rint(place).astype(int).tolist()


def rolled(pixels: Pixels, degrees: float) -> Pixels:
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 0.9)
    return cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)


def one(film: Sequence[Pixels], *photos: Pixels, style: Style | None = None) -> Picture:
    return Picture((film,), (Swap(photos, style or Style()),))


def _dim(studio: Studio) -> Picture:
    room = [noisy(lit(frame, [0.42, 0.33, 0.24]), k) for k, frame in enumerate(_film(studio, 8))]
    return one(room, studio.selfie("P005"))


def _bright(studio: Studio) -> Picture:
    dim = noisy(lit(studio.portrait("P008"), [0.42, 0.33, 0.24]), 1)
    return one([lit(frame, [1.35, 1.25, 1.05]) for frame in _film(studio, 10)], dim)


def _shadow(studio: Studio) -> Picture:
    portrait = studio.portrait("P008")
    return one(
        studio.film(half_shadowed(portrait, studio.landmarks(portrait))), studio.portrait("P001")
    )


def _glasses_stay(studio: Studio) -> Picture:
    portrait = studio.portrait("P002")
    wearing = with_glasses(portrait, studio.landmarks(portrait))
    return one(studio.film(wearing), studio.portrait("P001"))


def _glasses_go(studio: Studio) -> Picture:
    portrait = studio.portrait("P007")
    return one(_film(studio, 8), with_glasses(portrait, studio.landmarks(portrait)))


def _turned_source(studio: Studio) -> Picture:
    turned = studio.film(studio.portrait("P010"), replace(SCRIPT, yaw_deg=38.0, light=0.0))
    photo = turned[len(turned) // 4]
    swaps = (Swap((photo,)), Swap((photo, studio.selfie("P010"))))
    return Picture((_film(studio, 1),), swaps)


def _shape(studio: Studio) -> Picture:
    photo = (studio.portrait("P008"),)
    swaps = tuple(Swap(photo, Style(shape=shape)) for shape in (0.0, 1.0))
    return Picture((_film(studio, 2),), swaps)


def _film(studio: Studio, person: int) -> list[Pixels]:
    return studio.film(studio.portrait(f"P{person:03d}"))


def _turn(studio: Studio) -> Picture:
    film = studio.film(studio.portrait("P001"), replace(SCRIPT, yaw_deg=55.0))
    return one(film, studio.portrait("P010"))


def _constant_smile(studio: Studio) -> Picture:
    return one(studio.film(studio.feeling("P002", *HAPPY)), studio.portrait("P010"))


def _grinning_source(studio: Studio) -> Picture:
    """Below the same person as a calm source."""
    photos = studio.feeling("P001", *HAPPY), studio.portrait("P001")
    return Picture((_film(studio, 10),), tuple(Swap((photo,)) for photo in photos))


def _frowning_source(studio: Studio) -> Picture:
    photos = studio.feeling("P006", *ANGRY), studio.portrait("P006")
    return Picture((_film(studio, 2),), tuple(Swap((photo,)) for photo in photos))


def _feelings(studio: Studio) -> Picture:
    return Picture(tuple(studio.feelings("P002")), (Swap((studio.portrait("P006"),)),))


def _pair(source: int, target: int) -> Callable[[Studio], Picture]:
    return lambda studio: one(_film(studio, target), studio.portrait(f"P{source:03d}"))


PICTURES: Mapping[str, Callable[[Studio], Picture]] = {
    "dark_on_light": _pair(9, 2),
    "light_on_dark": _pair(2, 9),
    "sun_into_dim": _dim,
    "dim_into_sun": _bright,
    "coloured_light": lambda studio: one(
        [two_lamps(frame) for frame in _film(studio, 1)], studio.portrait("P006")
    ),
    "half_shadow": _shadow,
    "beard_arrives": _pair(5, 7),
    "beard_goes": _pair(10, 5),
    "curls_stay": lambda studio: Picture(
        tuple(studio.feelings("P004")), (Swap((studio.portrait("P006"),)),)
    ),
    "hair_of_the_source": _pair(4, 10),
    "glasses_stay": _glasses_stay,
    "glasses_go": _glasses_go,
    "feelings": _feelings,
    "constant_smile": _constant_smile,
    "grinning_source": _grinning_source,
    "frowning_source": _frowning_source,
    "turn": _turn,
    "roll": lambda studio: one(
        [rolled(frame, 45) for frame in _film(studio, 10)], studio.portrait("P001")
    ),
    "shape": _shape,
    "second_photo": _turned_source,
}


def swapped(studio: Studio, film: Sequence[Pixels], swap: Swap) -> list[tuple[Frame, Frame, Face]]:
    """The chosen moments: target, output, and where the face is."""
    frames = [Frame(k, Fraction(k, 25), ArrayPicture(pixels)) for k, pixels in enumerate(film)]
    tracks = studio.parts.scanner.scan(frames)
    photos = [Photo(f"photo {k}", ArrayPicture(pixels)) for k, pixels in enumerate(swap.photos)]
    source = studio.parts.enroller.enrol(photos).source
    swapper = studio.parts.styled(swap.style).swapper
    last = len(frames) - 1
    wanted = sorted({round(k) for k in np.linspace(0.06 * last, last, MOMENTS)})
    chosen = [frames[k] for k in wanted]
    outputs = render(chosen, tracks, SwapPlan({1: source}), swapper)
    return [(a, b, tracks.faces_at(a.index)[0]) for a, b in zip(chosen, outputs, strict=True)]


def cell(pixels: Pixels, box_xyxy: Floats) -> Pixels:
    """The face with a little around it, square."""
    low, high = box_xyxy[:2], box_xyxy[2:]
    middle, half = (low + high) / 2, (0.5 + AROUND) * float((high - low).max())
    scale = CELL_PX / (2 * half)
    place = np.float32([[scale, 0, CELL_PX / 2], [0, scale, CELL_PX / 2]])
    place[:, 2] -= scale * middle
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    if scale < 0.6:  # a warp alone skips pixels
        pixels = cv2.GaussianBlur(pixels, (0, 0), 0.4 / scale)
    white = cv2.BORDER_CONSTANT
    size = (CELL_PX, CELL_PX)
    return cv2.warpAffine(
        pixels, place, size, flags=how, borderMode=white, borderValue=(255, 255, 255)
    )


def draw(studio: Studio, picture: Picture) -> Pixels:
    """Sources at the left, targets above, outputs below."""
    lines = [[np.full((CELL_PX, CELL_PX, 3), 255, np.uint8)]]
    for number, swap in enumerate(picture.swaps):
        photo = swap.photos[-1]
        landmarks = studio.landmarks(photo)[:, :2]
        line = [cell(photo, np.concatenate([landmarks.min(0), landmarks.max(0)]))]
        for film in picture.films:
            for target, output, face in swapped(studio, film, swap):
                if number == 0:
                    lines[0].append(cell(_pixels(target), face.box_xyxy))
                line.append(cell(_pixels(output), face.box_xyxy))
        lines.append(line)
    return np.vstack([np.hstack(line) for line in lines])


def _pixels(frame: Frame) -> Pixels:
    return frame.picture.reduced(max(frame.picture.size_wh))


def draw_all(names: Sequence[str]) -> Iterator[Path]:
    """Write the pictures, all of them where none is named."""
    studio = Studio(lendface.app.build())
    OUT.mkdir(parents=True, exist_ok=True)
    for name in names or PICTURES:
        drawn = draw(studio, PICTURES[name](studio))
        path = OUT / f"{name}.jpg"
        options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        done, data = cv2.imencode(".jpg", np.ascontiguousarray(drawn[..., ::-1]), options)
        if not done:
            raise OSError(f"{path.name} cannot be encoded")
        path.write_bytes(data.tobytes())
        yield path


if __name__ == "__main__":
    for written in draw_all(sys.argv[1:]):
        print(written.name, flush=True)
