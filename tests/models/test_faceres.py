"""The second descriptor: it knows people, and it is not the recognizer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lendface.engine.enrol import Enroller
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Floats
from lendface.models import Faceres, ModelKit

Person = Callable[[str, str], ArrayPicture]


@pytest.fixture(scope="module")
def described(person: Person, kit: ModelKit) -> Callable[[str, str], Floats]:
    net = Faceres.load()
    enroller = Enroller(kit.detector, kit.landmarker, kit.recognizer)

    def describe(who: str, photo: str) -> Floats:
        picture = person(who, photo)
        (mesh,) = enroller.find_meshes(picture)
        return net.describe(picture, mesh.landmarks_xyz)

    return describe


def test_two_photos_of_one_person_are_nearer_than_photos_of_two(
    described: Callable[[str, str], Floats],
) -> None:
    studio, selfie = described("P001", "studio_portrait"), described("P001", "amateur_selfie")
    stranger = described("P005", "studio_portrait")
    assert np.linalg.norm(studio - selfie) < 0.75 < np.linalg.norm(studio - stranger)


def test_a_descriptor_has_unit_length(described: Callable[[str, str], Floats]) -> None:
    row = described("P007", "studio_portrait")
    assert row.shape == (1024,)
    assert np.linalg.norm(row) == pytest.approx(1, abs=1e-5)
