"""Code values of a video to RGB as the engine sees it, and back: matrix, range, transfer.

Tags are the numbers of ITU-T H.273, as FFmpeg has them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal

import cv2
import numpy as np

from ..engine.types import Array, Floats, Pixels

SHOULDER = 0.8  # of diffuse white; brighter than this is pressed together
EXPOSURE = 0.85  # where diffuse white would lie on the SDR display without the shoulder
Kind = Literal["yuv", "gbr", "gray"]

RGB, BT709, UNSPECIFIED, FCC, BT470BG, SMPTE170M, SMPTE240M = 0, 1, 2, 4, 5, 6, 7
BT2020_NCL, BT2020_CL = 9, 10
PQ, HLG = 16, 18
FULL_RANGE = 2
UNTAGGED = 0
KR_KB_BY_MATRIX = {
    BT709: (0.2126, 0.0722),
    FCC: (0.30, 0.11),
    BT470BG: (0.299, 0.114),
    SMPTE170M: (0.299, 0.114),
    SMPTE240M: (0.212, 0.087),
    BT2020_NCL: (0.2627, 0.0593),
    BT2020_CL: (0.2627, 0.0593),  # as if non-constant; nothing in practice carries it
}


@dataclass(frozen=True)
class Colour:
    """How the code values of one picture are meant."""

    kind: Kind
    bit_depth: int
    matrix: int  # resolved, never UNSPECIFIED
    is_full_range: bool
    transfer: int

    @property
    def top(self) -> int:
        """The largest code value."""
        return (1 << self.bit_depth) - 1

    @cached_property
    def codes_to_rgb(self) -> Floats:
        """(3, 4): plane values in plane order to R'G'B' 0..255, before any HDR curve."""
        scale, offset = self._unit_scale_offset()
        unit = np.diag(scale)
        full = self._unit_to_rgb() @ unit * 255
        return np.float32(np.column_stack([full, -full @ offset]))

    @cached_property
    def rgb_to_codes(self) -> Floats:
        """(3, 4): the inverse of ``codes_to_rgb``."""
        square = self.codes_to_rgb[:, :3].astype(np.float64)
        back = np.linalg.inv(square)
        return np.float32(np.column_stack([back, -back @ self.codes_to_rgb[:, 3]]))

    @cached_property
    def black(self) -> tuple[float, float, float]:
        """The code values of black, in plane order."""
        first, second, third = (float(v) for v in self.rgb_to_codes[:, 3])
        return first, second, third

    def to_rgb(self, codes: Array) -> Floats:
        """(h, w, 3) plane values, any dtype, to float RGB within 0..255."""
        rgb = cv2.transform(np.float32(codes), self.codes_to_rgb)
        rgb = np.clip(rgb, 0, 255, out=rgb)
        return get_curve(self.transfer).forward(rgb) if self.transfer in (PQ, HLG) else rgb

    def to_rgb_pixels(self, codes: Array) -> Pixels:
        """The same as whole numbers."""
        if codes.dtype == np.uint8 and self.transfer not in (PQ, HLG):
            return cv2.transform(codes, self.codes_to_rgb)
        return cv2.convertScaleAbs(self.to_rgb(codes))

    @property
    def has_luma(self) -> bool:
        """Whether the first plane says how bright the picture looks."""
        return self.kind != "gbr" and self.transfer not in (PQ, HLG)

    def to_gray_pixels(self, luma: Array) -> Pixels:
        """The first plane's values as 0..255; only where ``has_luma``."""
        scale, offset = self._unit_scale_offset()
        above = cv2.subtract(luma, float(offset[0]))  # what is blacker than black becomes black
        return cv2.convertScaleAbs(above, alpha=255 * float(scale[0]))

    def to_codes(self, rgb: Floats) -> Floats:
        """(h, w, 3) RGB 0..255 to plane values, not rounded."""
        if self.transfer in (PQ, HLG):
            rgb = get_curve(self.transfer).backward(rgb)
        return cv2.transform(rgb, self.rgb_to_codes)

    def _unit_scale_offset(self) -> tuple[Array, Array]:
        """Per plane: code value minus offset, times scale, is 0..1 (chroma -0.5..0.5)."""
        step = 1 << (self.bit_depth - 8)
        is_chroma = np.array([False, self.kind != "gbr", self.kind != "gbr"])
        if self.is_full_range:
            return np.full(3, 1 / self.top), np.where(is_chroma, 128 * step, 0)
        scale = 1 / (np.where(is_chroma, 224, 219) * step)
        return scale, np.where(is_chroma, 128 * step, 16 * step)

    def _unit_to_rgb(self) -> Array:
        if self.kind == "gbr":
            return np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], np.float64)
        kr, kb = KR_KB_BY_MATRIX.get(self.matrix, KR_KB_BY_MATRIX[BT709])
        kg = 1 - kr - kb
        red, blue = 2 * (1 - kr), 2 * (1 - kb)
        return np.array([[1, 0, red], [1, -blue * kb / kg, -red * kr / kg], [1, blue, 0]])


def resolved_matrix(tag: int, display_height: int) -> int:
    """The matrix to use for a tag; an untagged HD picture is BT.709, as players take it."""
    if tag in KR_KB_BY_MATRIX:
        return tag
    return BT709 if display_height >= 720 else SMPTE170M


def with_range(colour: Colour, is_full_range: bool) -> Colour:
    return replace(colour, is_full_range=is_full_range)


@dataclass(frozen=True, eq=False)
class Curve:
    """A monotone curve of one channel between HDR code values and an SDR-like view of them."""

    sdr_by_hdr: Floats  # (n,) 0..255 for HDR 0..255 in even steps
    hdr_by_sdr: Floats  # (n,) the inverse

    def forward(self, rgb: Floats) -> Floats:
        """R'G'B' of the file, 0..255, as SDR 0..255."""
        return looked_up(self.sdr_by_hdr, rgb)

    def backward(self, rgb: Floats) -> Floats:
        """SDR 0..255 back to the file's R'G'B'."""
        return looked_up(self.hdr_by_sdr, rgb)


def looked_up(table: Floats, values: Floats) -> Floats:
    """Linear between the entries of a table that spans 0..255."""
    place = np.clip(values, 0, 255) * np.float32((len(table) - 1) / 255)
    low = np.minimum(place.astype(np.int32), len(table) - 2)
    start = table[low]
    return start + (place - low.astype(np.float32)) * (table[low + 1] - start)


@lru_cache(maxsize=2)
def get_curve(transfer: int) -> Curve:
    """The curve of PQ or HLG.

    Light relative to diffuse white (203 cd/m2, ITU-R BT.2408) is kept in proportion up to
    ``SHOULDER``, so that skin has the contrast it has in SDR; highlights are pressed into what is
    left. Then comes a display gamma. A part of the identity keeps the slope above 0.05 everywhere,
    so that the way back is well conditioned down to black.
    """
    signal = np.linspace(0, 1, 1 << 14)
    light = pq_light(signal) if transfer == PQ else hlg_light(signal)
    shown = with_shoulder(light)
    view = (shown / shown[-1]) ** (1 / 2.4)
    sdr = 0.95 * view + 0.05 * signal
    back = np.interp(np.linspace(0, 1, 1 << 16), sdr, signal)
    return Curve(np.float32(sdr * 255), np.float32(back * 255))


def with_shoulder(light: Array) -> Array:
    """Light, 1 = diffuse white, to 0..1 of an SDR display; the slope has no step."""
    room = 1 - SHOULDER * EXPOSURE
    above = np.maximum(light - SHOULDER, 0) * EXPOSURE / room
    return np.minimum(light, SHOULDER) * EXPOSURE + room * above / (1 + above)


def pq_light(signal: Array) -> Array:
    """SMPTE ST 2084: 0..1 to light, 1 = diffuse white."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = signal ** (1 / m2)
    return 10_000 / 203 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def hlg_light(signal: Array) -> Array:
    """ARIB STD-B67: 0..1 to scene light, 1 = diffuse white (a signal of 0.75)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    light = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return light / ((np.exp((0.75 - c) / a) + b) / 12)
