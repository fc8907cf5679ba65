"""Hair told from shade: a beard from the dark chin of a face that is lit from above."""

from __future__ import annotations

import numpy as np

from ..types import Array, Floats
from .foreign import find_beard
from .light import from_log
from .pixelwise import luma_of
from .surface import EYE_DISTANCE_UV, Surface, wide_blur

CHIN, CHIN_WIDTH = (0.78, 0.92), 0.27  # heights from the eye line; eye distances from the middle
CHEEKS = (0.15, 0.45)  # heights
FINE = (0.006, 0.03)  # sigmas in eye distances between which hairs are seen
# Times the cheeks' fine detail: clean dark chins have .6 to 1.06, stubble 1.3, hair 1.6.
FINER = 1.2
BLUER = 0.1  # log blue over red, against the cheeks: black hair is, shade on skin is not


def beard_of(surface: Surface, detail: Floats, level: Floats) -> Array:
    """(side, side) bool: a beard; nothing where what is dark is but shade on skin.

    On dark skin the shade under the lips and on the chin is as dark as a beard on fair skin, but
    it is as smooth as the cheeks and as red. ``detail`` (side, side, 3) log colours less the
    light, ``level`` (3,) log colour of plain skin.
    """
    beard = find_beard(surface, detail)
    if not beard.any() or _is_hairy(surface, detail, level):
        return beard
    return np.zeros_like(beard)


def _is_hairy(surface: Surface, detail: Floats, level: Floats) -> bool:
    heights = surface.heights
    across = np.abs((np.arange(surface.size, dtype=np.float32) + 0.5) / surface.size - 0.5)
    is_middle = across < CHIN_WIDTH * EYE_DISTANCE_UV
    chin = surface.is_face & (heights > CHIN[0]) & (heights < CHIN[1]) & is_middle
    cheeks = surface.skin & (heights > CHEEKS[0]) & (heights < CHEEKS[1])
    luma = luma_of(detail)
    narrow, wide = (wide_blur(luma, surface.sigma_px(sigma)) for sigma in FINE)
    fine = np.square(narrow - wide)
    is_finer = float(fine[chin].mean()) > FINER**2 * float(fine[cheeks].mean())
    return is_finer or _blueness(detail[chin], level) > _blueness(detail[cheeks], level) + BLUER


def _blueness(detail: Floats, level: Floats) -> float:
    """Log blue over red of the median of a detail (n, 3)."""
    red, _, blue = from_log(np.median(detail, axis=0) + level).ravel().clip(1)
    return float(np.log(blue / red))
