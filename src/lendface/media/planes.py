"""A decoded video frame as the engine's Picture, without ever converting it as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import av
import cv2
import numpy as np

from ..engine import kernels
from ..engine.pyramid import Pyramid
from ..engine.types import Array, Box, Floats, Patch, Picture, Pixels
from .colour import HLG, PQ, Colour
from .placement import Placement


@dataclass(frozen=True)
class Layout:
    """What every frame of one stream has in common."""

    pix_fmt: str  # planar, native byte order
    colour: Colour
    placement: Placement
    chroma_shift: tuple[int, int] = (0, 0)  # log2 of luma per chroma sample, x and y
    has_left_chroma: bool = True  # cosited with the left luma sample (MPEG-2 on), else centred

    @property
    def is_subsampled(self) -> bool:
        return self.chroma_shift != (0, 0)

    @property
    def is_common(self) -> bool:
        """Whether it is 4:2:0 without an HDR curve, as most films are."""
        return self.chroma_shift == (1, 1) and self.colour.transfer not in (PQ, HLG)

    @cached_property
    def luma_to_chroma(self) -> Array:
        """(3, 3): where a luma position lies on the chroma planes, pixel centres."""
        across, down = (1 << shift for shift in self.chroma_shift)
        offset_x = 0 if self.has_left_chroma else (across - 1) / 2
        return np.array(
            [[1 / across, 0, -offset_x / across], [0, 1 / down, (1 - down) / 2 / down], [0, 0, 1]]
        )


@dataclass(slots=True, eq=False)
class Carrier:
    """The decoder's frame: it keeps captions, side data and tags while samples may change."""

    frame: av.VideoFrame
    planes: tuple[Array, ...] = ()  # of the picture whose samples the frame has now
    alpha: Array | None = None  # (h, w) uint8, coded; it stays whatever is pasted


@dataclass(frozen=True, slots=True, eq=False)
class PlanesPicture:
    """Native planes, seen upright with square pixels and as RGB; see ``Picture``.

    Samples that no patch touches stay bit for bit, through any number of ``pasted``.
    """

    planes: tuple[Array, ...]  # coded orientation, uint8 or uint16; never written to
    layout: Layout
    carrier: Carrier
    _halves: tuple[Pyramid, ...] = field(init=False, repr=False)  # of each plane

    def __post_init__(self) -> None:
        object.__setattr__(self, "_halves", tuple(map(Pyramid, self.planes)))

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.layout.placement.display_wh

    def reduced(self, long_side_px: int) -> Pixels:
        size = self._reduced_wh(long_side_px)
        return self.layout.placement.upright(
            self._pixels([plane.resized(size) for plane in self._halves])
        )

    def reduced_gray(self, long_side_px: int) -> Pixels:
        colour = self.layout.colour
        if not colour.has_luma:
            return cv2.cvtColor(self.reduced(long_side_px), cv2.COLOR_RGB2GRAY)
        luma = self._halves[0].resized(self._reduced_wh(long_side_px))
        return self.layout.placement.upright(colour.to_gray_pixels(luma))

    def _reduced_wh(self, long_side_px: int) -> tuple[int, ...]:
        """In coded orientation."""
        scale = min(1.0, long_side_px / max(self.size_wh))
        size = tuple(max(1, round(side * scale)) for side in self.size_wh)
        return size[::-1] if self.layout.placement.is_sideways else size

    def warped(self, crop_to_frame: Floats, size_px: int) -> Pixels:
        black = self.layout.colour.black
        cropped = [
            plane.warped(crop_to_plane, size_px, [round(value)] * 4)
            for plane, crop_to_plane, value in zip(
                self._halves, self._crop_to_planes(crop_to_frame), black, strict=False
            )
        ]
        return self._pixels(cropped)

    def warped_gray(self, crop_to_frame: Floats, size_px: int) -> Pixels:
        colour = self.layout.colour
        if not colour.has_luma:
            return cv2.cvtColor(self.warped(crop_to_frame, size_px), cv2.COLOR_RGB2GRAY)
        crop_to_luma, _, _ = self._crop_to_planes(crop_to_frame)
        black = [round(colour.black[0])] * 4
        return colour.to_gray_pixels(self._halves[0].warped(crop_to_luma, size_px, black))

    def _crop_to_planes(self, crop_to_frame: Floats) -> tuple[list[list[float]], ...]:
        """(2, 3) each: from the crop to luma and twice to chroma."""
        to_display = np.vstack([crop_to_frame, [0, 0, 1]])
        to_luma = self.layout.placement.display_to_coded @ to_display
        to_chroma = (self.layout.luma_to_chroma @ to_luma)[:2].tolist()
        return to_luma[:2].tolist(), to_chroma, to_chroma

    def region(self, box: Box) -> Floats:
        coded_box = self.layout.placement.coded_box(box)
        is_plain = self.layout.is_common and [p.dtype for p in self.planes] == 3 * [np.uint8]
        # Who only scans is spared Numba; a swap has it before it looks at a frame.
        if is_plain and kernels.are_loaded() and not coded_box.is_empty:
            rgb = common_rgb(self.planes, coded_box, self.layout)
        else:
            rgb = self.layout.colour.to_rgb(self._codes(coded_box))
        return self.layout.placement.display_part(rgb, coded_box, box)

    def pasted(self, patches: Sequence[Patch]) -> PlanesPicture:
        coded = [self.layout.placement.coded_patch(part) for patch in patches
                 if (part := visible_part(patch, self.size_wh))]  # fmt: skip
        if not coded:
            return self
        planes = self._writable_copy()
        for patch in coded:
            blend(planes, patch, self.layout)
        self.carrier.planes = planes_of(self.carrier.frame)
        return replace(self, planes=self.carrier.planes)

    def to_video_frame(self) -> av.VideoFrame:
        """The decoder's frame with these samples; valid until this or a sibling is pasted to."""
        if self.carrier.planes is not self.planes:
            self._writable_copy()
            self.carrier.planes = self.planes
        return self.carrier.frame

    def _writable_copy(self) -> tuple[Array, ...]:
        """A new buffer of the carrier's frame, with these samples.

        Nobody else sees it: each picture holds its own buffer, and while it does, the frame is
        given another one here, with the samples it had.
        """
        carrier = self.carrier
        carrier.frame.make_writable()
        targets = zip(carrier.frame.planes, self.planes, strict=True)
        copies = tuple(writable(target, plane.dtype) for target, plane in targets)
        if carrier.planes is not self.planes:
            for copy, plane in zip(copies, self.planes, strict=True):
                copy[:] = plane
        return copies

    def _codes(self, box: Box) -> Array:
        """(h, w, 3) plane values of a coded box, chroma brought to luma resolution."""
        if len(self.planes) == 1:
            return gray_codes(self.planes[0][box.y0 : box.y1, box.x0 : box.x1], self.layout.colour)
        if not self.layout.is_subsampled:
            return cv2.merge([plane[box.y0 : box.y1, box.x0 : box.x1] for plane in self.planes])
        luma = self.planes[0][box.y0 : box.y1, box.x0 : box.x1].astype(np.float32)
        first, second = (enlarged(plane, box, self.layout) for plane in self.planes[1:])
        return cv2.merge([luma, first, second])

    def _pixels(self, planes: Sequence[Array]) -> Pixels:
        colour = self.layout.colour
        codes = cv2.merge(planes) if len(planes) == 3 else gray_codes(planes[0], colour)
        return colour.to_rgb_pixels(codes)


def planes_of(frame: av.VideoFrame) -> tuple[Array, ...]:
    """The frame's planes as arrays that hold a reference of their own to the buffer."""
    return tuple(np.from_dlpack(plane) for plane in frame.planes)  # type: ignore[arg-type]


def writable(plane: Any, dtype: Any) -> Array:
    """A plane of a writable frame as (h, w)."""
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, -1).view(dtype)
    return rows[:, : plane.width]


def common_rgb(planes: Sequence[Array], box: Box, layout: Layout) -> Floats:
    """(h, w, 3) RGB 0..255 of a coded box of 8-bit 4:2:0 planes, in one pass."""
    lean_even, lean_odd = (0.0, 0.5) if layout.has_left_chroma else (0.25, 0.25)
    rgb = np.empty((box.height, box.width, 3), np.float32)
    kernels.planes.to_rgb(
        *planes, box.y0, box.x0, np.float32(lean_even), np.float32(lean_odd),
        layout.colour.codes_to_rgb, rgb,
    )  # fmt: skip
    return rgb


def gray_codes(luma: Array, colour: Colour) -> Array:
    neutral = np.full_like(luma, 1 << (colour.bit_depth - 1))
    return cv2.merge([luma, neutral, neutral])


def enlarged(chroma: Array, box: Box, layout: Layout) -> Floats:
    """(h, w) float: a chroma plane over a box of luma samples, bilinear with its siting."""
    shift_x, shift_y = layout.chroma_shift
    around = Box(
        (box.x0 >> shift_x) - 1,
        (box.y0 >> shift_y) - 1,
        (box.x1 >> shift_x) + 2,
        (box.y1 >> shift_y) + 2,
    ).clipped((chroma.shape[1], chroma.shape[0]))
    to_part = layout.luma_to_chroma[:2].copy()
    to_part[:, 2] += to_part[:, :2] @ [box.x0, box.y0] - [around.x0, around.y0]
    part = chroma[around.y0 : around.y1, around.x0 : around.x1].astype(np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (box.width, box.height)
    return cv2.warpAffine(part, to_part, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def visible_part(patch: Patch, size_wh: tuple[int, int]) -> Patch | None:
    """The patch cut to what shows inside the picture; None when nothing does."""
    inside = patch.box.clipped(size_wh)
    if inside.is_empty:
        return None
    x, y = inside.x0 - patch.box.x0, inside.y0 - patch.box.y0
    alpha = patch.alpha[y : y + inside.height, x : x + inside.width]
    left, top, width, height = cv2.boundingRect(np.uint8(alpha > 0))
    if width == 0:
        return None
    box = Box(inside.x0 + left, inside.y0 + top, inside.x0 + left + width, inside.y0 + top + height)
    rows, columns = slice(top, top + height), slice(left, left + width)
    pixels = patch.pixels[y : y + inside.height, x : x + inside.width][rows, columns]
    return Patch(box, np.float32(pixels), np.float32(alpha[rows, columns]))


def blend(planes: Sequence[Array], patch: Patch, layout: Layout) -> None:
    """Mix a coded patch into the planes, in code values, rounded once."""
    codes = layout.colour.to_codes(patch.pixels)
    if len(planes) == 1:
        return mix(planes[0], patch.box, codes[..., 0], patch.alpha, layout.colour.top)
    if not layout.is_subsampled:
        for number, plane in enumerate(planes):
            mix(plane, patch.box, codes[..., number], patch.alpha, layout.colour.top)
        return None
    mix(planes[0], patch.box, codes[..., 0], patch.alpha, layout.colour.top)
    return blend_chroma(planes[1:], patch, codes, layout)


def mix(plane: Array, box: Box, codes: Floats, alpha: Floats, top: int) -> None:
    """``plane += alpha * (codes - plane)``; exactly the old value where alpha is 0."""
    part = plane[box.y0 : box.y1, box.x0 : box.x1]
    old = part.astype(np.float32)
    new = cv2.multiply(cv2.subtract(codes, old), alpha)
    store(part, cv2.add(new, old), top)


def blend_chroma(planes: Sequence[Array], patch: Patch, codes: Floats, layout: Layout) -> None:
    """Chroma takes the alpha-weighted mean of the patch over what each sample stands for."""
    box, alpha = patch.box, patch.alpha
    chroma_box = chroma_reach(box, layout)
    share = chroma_means(alpha, box, chroma_box, layout)
    for number, plane in enumerate(planes, start=1):
        new = chroma_means(cv2.multiply(codes[..., number], alpha), box, chroma_box, layout)
        part = plane[chroma_box.y0 : chroma_box.y1, chroma_box.x0 : chroma_box.x1]
        old = part.astype(np.float32)
        store(part, old + (new - share * old), layout.colour.top)


def chroma_reach(box: Box, layout: Layout) -> Box:
    """The chroma samples that a box of luma samples has a share in."""
    (shift_x, shift_y), (width, height) = layout.chroma_shift, layout.placement.coded_wh
    extra = 1 if layout.has_left_chroma and shift_x else 0  # a cosited sample also leans left
    chroma_wh = -(-width >> shift_x), -(-height >> shift_y)
    return Box(
        box.x0 >> shift_x,
        box.y0 >> shift_y,
        ((box.x1 - 1 + extra) >> shift_x) + 1,
        ((box.y1 - 1) >> shift_y) + 1,
    ).clipped(chroma_wh)


def chroma_means(weighted: Floats, box: Box, chroma_box: Box, layout: Layout) -> Floats:
    """(h, w) mean of luma-sized values per chroma sample; nothing counts outside the box."""
    shift_x, shift_y = layout.chroma_shift
    values = spread(weighted, box, chroma_box, layout)
    if shift_y:
        values = cv2.addWeighted(values[0::2], 0.5, values[1::2], 0.5, 0)
    if not shift_x:
        return values[:, 1:-1]
    # luma 2i-1, 2i, 2i+1 weigh 1 : 2 : 1 around a cosited sample, else 2i and 2i+1 alike
    kernel = [0.25, 0.5, 0.25] if layout.has_left_chroma else [0.0, 0.5, 0.5]
    return cv2.sepFilter2D(values, -1, np.float32(kernel), np.float32([1]))[:, 1:-1:2]


def spread(weighted: Floats, box: Box, chroma_box: Box, layout: Layout) -> Floats:
    """(h, w) values laid on the luma grid of a chroma box, one more column left and (444: right).

    Where the box ends at the picture's edge the edge is repeated, so that a patch that covers a
    border sample covers it wholly.
    """
    (shift_x, shift_y), (width, height) = layout.chroma_shift, layout.placement.coded_wh
    left = box.x0 - (chroma_box.x0 << shift_x) + 1
    top = box.y0 - (chroma_box.y0 << shift_y)
    right = (chroma_box.x1 << shift_x) - box.x1 + (0 if shift_x else 1)
    bottom = (chroma_box.y1 << shift_y) - box.y1
    values = cv2.copyMakeBorder(weighted, top, bottom, left, right, cv2.BORDER_CONSTANT)
    if box.x0 == 0 and left:
        values[:, :left] = values[:, left : left + 1]
    if box.x1 == width and right > 0:
        values[:, -right:] = values[:, -right - 1 : -right]
    if box.y1 == height and bottom > 0:
        values[-bottom:] = values[-bottom - 1 : -bottom]
    return values


def store(part: Array, values: Floats, top: int) -> None:
    """Round once, without dithering, and keep to the codes that exist."""
    np.rint(values, out=values)
    part[:] = np.clip(values, 0, top, out=values).astype(part.dtype)


def whole(picture: Picture) -> Box:
    """The box of all of a picture."""
    return Box(0, 0, *picture.size_wh)
