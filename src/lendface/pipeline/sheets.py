"""Contact sheets: what a swap did, and who is in a film, on one picture each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..engine.picture import ArrayPicture
from ..engine.types import Box, Floats, Picture, Pixels, Track
from ..media import ImageInfo, write_image
from .scans import Scan, hardness
from .targets import Target

TILE_PX = 240
GAP_PX = 8
CAPTION_PX = 26
PAPER, INK, PALE = (250, 250, 248), (32, 32, 36), (110, 110, 116)
CLOSE_UP = 1.5  # of the face's longer side
TEXT_PX = 15
LONGEST_SPANS = 6
CARD_TEXT_PX = 400


@dataclass(frozen=True, eq=False)
class Moment:
    """One frame before and after. ``box_xyxy`` (4,) is its face, None where there is none."""

    caption: str
    before: Pixels  # (H, W, 3) RGB
    after: Pixels
    box_xyxy: Floats | None = None


@dataclass(frozen=True, eq=False)
class CastEntry:
    """One person of a film. ``picture`` (H, W, 3) RGB shows them best."""

    title: str
    lines: tuple[str, ...]
    picture: Pixels
    box_xyxy: Floats


def contact_sheet(source: Pixels, moments: Sequence[Moment], tile_px: int = TILE_PX) -> Pixels:
    """(H, W, 3) RGB: the source at left; frames before, after, and their faces close up.

    One column for each moment; pictures are fitted into tiles without being stretched.
    """
    nothing = _paper(0, tile_px)
    first = stacked([captioned("", nothing), captioned("source", fitted(source, tile_px))])
    columns = [
        stacked(
            [
                captioned(moment.caption, nothing),
                captioned("target", fitted(moment.before, tile_px), PALE),
                captioned("swapped", fitted(moment.after, tile_px), PALE),
                captioned("target, close", fitted(_face_of(moment, moment.before), tile_px), PALE),
                captioned("swapped, close", fitted(_face_of(moment, moment.after), tile_px), PALE),
            ]
        )
        for moment in moments
    ]
    return framed(beside([first, *columns]))


def cast_sheet(people: Sequence[CastEntry], tile_px: int = TILE_PX) -> Pixels:
    """(H, W, 3) RGB: a card for each person, the face at left, what is known of it at right."""
    cards = [_card(person, tile_px) for person in people]
    return framed(stacked(cards or [captioned("nobody", _paper(0, tile_px + CARD_TEXT_PX))]))


def write_cast_sheet(path: Path, found: Scan, target: Target) -> None:
    """Write a cast sheet (.png, .jpg, .webp); the target is read once more, up to the last face.

    Raises the errors of reading it and of ``write_image``.
    """
    pictures = pictures_at(target, (person.best_index for person in found.people))
    people = [cast_entry(found, person, pictures[person.best_index]) for person in found.people]
    write_sheet(path, cast_sheet(people))


def write_sheet(path: Path, sheet: Pixels) -> None:
    """Write a sheet; it appears whole or not at all. Raises the errors of ``write_image``."""
    write_image(path, ArrayPicture(sheet), ImageInfo("png"))


def cast_entry(found: Scan, person: Track, picture: Pixels) -> CastEntry:
    """What the cast list says of a person, in words. ``picture`` is their best frame."""
    faces = found.tracks.faces_at(person.best_index)
    box = next(face.box_xyxy for face in faces if face.track_id == person.id)
    return CastEntry(
        title=f"face {person.id}: {hardness(person)}",
        lines=(
            f"{person.face_count} frames, {person.size_px:.0f} px high",
            f"turned away in {100 * person.turned_share:.0f} %",
            f"usable in {100 * person.usable_share:.0f} %",
            *told_spans(found.spans_s(person)),
        ),
        picture=picture,
        box_xyxy=box,
    )


def told_spans(spans_s: Sequence[tuple[float, float]]) -> list[str]:
    """The first spans of seconds, one a line, and how many more there are."""
    lines = [f"{told_time(start)} to {told_time(end)}" for start, end in spans_s[:LONGEST_SPANS]]
    more = len(spans_s) - LONGEST_SPANS
    return [*lines, f"and {more} more"] if more > 0 else lines


def told_time(seconds: float) -> str:
    """Minutes and seconds, as ``--start`` takes them.

    >>> told_time(61.26)
    '01:01.3'
    >>> told_time(7199.96)
    '02:00:00.0'
    """
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    clock = f"{minutes:02d}:{rest // 10:02d}.{rest % 10}"
    return f"{hours:02d}:{clock}" if hours else clock


def pictures_at(target: Target, indices: Iterable[int]) -> dict[int, Pixels]:
    """(H, W, 3) RGB of some frames, in one reading that ends with the last of them.

    The indices count the frames that the target gives, as a scan of it does.
    """
    wanted, pictures = set(indices), dict[int, Pixels]()
    if not wanted:
        return pictures
    with target.open() as frames:
        for index, frame in enumerate(frames):
            if index in wanted:
                pictures[index] = rgb_of(frame.picture)
            if len(pictures) == len(wanted):
                break
    return pictures


def rgb_of(picture: Picture) -> Pixels:
    """All of a picture as (H, W, 3) uint8 RGB."""
    return np.rint(picture.region(Box(0, 0, *picture.size_wh))).clip(0, 255).astype(np.uint8)


# Pictures of pictures


def close_up(pixels: Pixels, box_xyxy: Floats) -> Pixels:
    """The square around a face, with a margin; paper where it reaches out of the picture."""
    x0, y0, x1, y1 = (float(v) for v in box_xyxy)
    side = max(2, round(max(x1 - x0, y1 - y0) * CLOSE_UP))
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    inside = Box(left, top, left + side, top + side).clipped((pixels.shape[1], pixels.shape[0]))
    square = _paper(side, side)
    if not inside.is_empty:
        rows = slice(inside.y0 - top, inside.y1 - top)
        columns = slice(inside.x0 - left, inside.x1 - left)
        square[rows, columns] = pixels[inside.y0 : inside.y1, inside.x0 : inside.x1]
    return square


def fitted(pixels: Pixels, side_px: int) -> Pixels:
    """The picture as large as fits into a square tile, in its middle."""
    height, width = pixels.shape[:2]
    scale = side_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(pixels, size, interpolation=how)
    tile = _paper(side_px, side_px)
    top, left = (side_px - size[1]) // 2, (side_px - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    return tile


def captioned(text: str, tile: Pixels, ink: tuple[int, int, int] = INK) -> Pixels:
    """A line of text above a tile."""
    line = _paper(CAPTION_PX, tile.shape[1])
    scale = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_DUPLEX, TEXT_PX - 4)
    at = (2, CAPTION_PX - 8)
    cv2.putText(line, text, at, cv2.FONT_HERSHEY_DUPLEX, scale, ink, 1, cv2.LINE_AA)
    return np.vstack([line, tile])


def stacked(parts: Sequence[Pixels]) -> Pixels:
    """One above the other, left edges in line."""
    width = max(part.shape[1] for part in parts)
    return np.vstack([_padded(part, part.shape[0], width) for part in parts])


def beside(parts: Sequence[Pixels]) -> Pixels:
    """One beside the other with a gap, upper edges in line."""
    height = max(part.shape[0] for part in parts)
    gap = _paper(height, GAP_PX)
    spaced = [piece for part in parts for piece in (gap, _padded(part, height, part.shape[1]))]
    return np.hstack(spaced[1:])


def framed(sheet: Pixels) -> Pixels:
    """With a margin of paper around it."""
    height, width = sheet.shape[:2]
    paper = _paper(height + 2 * GAP_PX, width + 2 * GAP_PX)
    paper[GAP_PX:-GAP_PX, GAP_PX:-GAP_PX] = sheet
    return paper


def _card(person: CastEntry, tile_px: int) -> Pixels:
    face = fitted(close_up(person.picture, person.box_xyxy), tile_px)
    nothing = _paper(0, CARD_TEXT_PX)
    told = [captioned(person.title, nothing), *(captioned(t, nothing, PALE) for t in person.lines)]
    card = beside([face, stacked(told)])
    return _padded(card, card.shape[0] + GAP_PX, card.shape[1])


def _face_of(moment: Moment, pixels: Pixels) -> Pixels:
    return pixels if moment.box_xyxy is None else close_up(pixels, moment.box_xyxy)


def _padded(part: Pixels, height: int, width: int) -> Pixels:
    paper = _paper(height, width)
    paper[: part.shape[0], : part.shape[1]] = part
    return paper


def _paper(height: int, width: int) -> Pixels:
    return np.full((height, width, 3), PAPER, np.uint8)
