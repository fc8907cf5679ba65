"""What wanders over the target's skin wanders over the new face too."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from lendface.engine.mesh.light import LightMeter
from lendface.engine.mesh.surface import Surface
from lendface.engine.mesh.topology import Topology
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Floats, Frame, Pixels, SourceFace
from lendface.models import load_topology
from lendface.pipeline.parts import Parts
from people import read_person

COUNT, LIT = 40, 9  # frames, enough to know the usual look; and the one over which a light wanders
CHEEK = 117  # a landmark under the image-left eye


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load_topology()


def swayed(pixels: Pixels, number: int) -> Pixels:
    """A person who is not quite still, as in any film."""
    shift = np.float32([[1, 0, 2 * np.sin(number)], [0, 1, np.cos(number)]])
    return cv2.warpAffine(pixels, shift, pixels.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


def test_a_light_that_passes_is_kept_and_the_next_frame_is_free_of_it(
    parts: Parts, sources: dict[str, SourceFace]
) -> None:
    plain = [swayed(read_person("P003"), number) for number in range(COUNT)]
    first = parts.scanner.scan([Frame(0, Fraction(0), ArrayPicture(plain[LIT]))]).faces_at(0)[0]
    eyes = first.landmarks_xyz[[33, 263], :2]
    radius = round(0.22 * float(np.linalg.norm(eyes[1] - eyes[0])))
    at = np.rint(first.landmarks_xyz[CHEEK, :2]).astype(int).tolist()
    glow = np.zeros(plain[0].shape[:2], np.float32)
    cv2.circle(glow, at, radius, 1, -1)
    glow = cv2.GaussianBlur(glow, (0, 0), radius / 4)[..., None]
    lit = [pixels.copy() for pixels in plain]
    red = np.float32([1.45, 0.85, 0.85])
    lit[LIT] = np.uint8(np.clip(plain[LIT] * (1 + glow * (red - 1)), 0, 255))

    def swapped(frames: list[Pixels]) -> list[Floats]:
        shown = [Frame(k, Fraction(k, 25), ArrayPicture(p)) for k, p in enumerate(frames)]
        tracks = parts.scanner.scan(shown)
        look = parts.swapper.prepare(sources["P005"], tracks.people[0])
        done = []
        for k in (LIT, LIT + 1):
            patch = parts.swapper.swap(shown[k].picture, tracks.faces_at(k)[0], look)
            assert patch is not None
            done.append(ArrayPicture(frames[k]).pasted([patch]).pixels.astype(np.float32))
        return done

    without, with_light = swapped(plain), swapped(lit)
    where = glow[..., 0] > 0.8
    asked = np.log((lit[LIT] + 8.0) / (plain[LIT] + 8.0))[where].mean(0)
    got = np.log((with_light[0] + 8) / (without[0] + 8))[where].mean(0)
    assert asked[0] - asked[1] > 0.25
    assert got[0] - got[1] > 0.5 * (asked[0] - asked[1])
    after = np.log((with_light[1] + 8) / (without[1] + 8))[where].mean(0)
    assert abs(after[0] - after[1]) < 0.2 * (asked[0] - asked[1])


def test_slow_light_is_no_detail_and_a_mole_is(topology: Topology) -> None:
    side = 64
    across = np.linspace(-0.3, 0.3, side, dtype=np.float32)
    colours = np.float32([5.0, 4.7, 4.5]) + np.broadcast_to(across[None, :, None], (side, side, 3))
    colours = colours.astype(np.float32)
    mole = (slice(38, 40), slice(18, 20))
    colours[mole] -= 0.5
    detail = LightMeter(topology).detail_of(colours)
    skin = Surface(topology, side).skin
    skin[36:42, 16:22] = False
    assert np.abs(detail[skin]).max() < 0.09  # of the 0.6 that it had
    assert detail[mole].max() < -0.35
