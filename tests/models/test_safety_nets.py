"""The nets of the content gate on synthetic people: what they say is what they said before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lendface.engine.enrol import Enroller
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Mesh
from lendface.models import AgeReader, CydralAge, FaceresAge, ModelKit, OpenNsfw

Person = Callable[[str, str], ArrayPicture]

# What each net read when it was taken in; a changed crop or order of colours shows here.
YEARS = {  # by Cydral and by FaceRes
    "P001": (27.4, 31),
    "P005": (44.1, 43),
    "P007": (33.1, 35),
    "P009": (26.3, 25),
}


@pytest.fixture(scope="module")
def nets() -> tuple[AgeReader, AgeReader]:
    return CydralAge.load(), FaceresAge.load()


@pytest.fixture(scope="module")
def mesh_of(kit: ModelKit) -> Callable[[ArrayPicture], Mesh]:
    enroller = Enroller(kit.detector, kit.landmarker, kit.recognizer)
    return lambda picture: enroller.find_meshes(picture)[0]


@pytest.mark.parametrize("who", YEARS)
def test_an_age_is_read_as_before(
    nets: tuple[AgeReader, AgeReader],
    mesh_of: Callable[[ArrayPicture], Mesh],
    person: Person,
    who: str,
) -> None:
    picture = person(who, "studio_portrait")
    landmarks = mesh_of(picture).landmarks_xyz
    read = [net.years(picture, landmarks) for net in nets]
    assert read == pytest.approx(YEARS[who], abs=2)


def test_an_old_man_looks_older_than_a_young_woman_to_both_nets(
    nets: tuple[AgeReader, AgeReader], mesh_of: Callable[[ArrayPicture], Mesh], person: Person
) -> None:
    young, old = person("P009", "studio_portrait"), person("P005", "studio_portrait")
    for net in nets:
        younger = net.years(young, mesh_of(young).landmarks_xyz)
        assert younger + 10 < net.years(old, mesh_of(old).landmarks_xyz)


def test_a_tilted_face_looks_as_old_as_an_upright_one(
    nets: tuple[AgeReader, AgeReader], mesh_of: Callable[[ArrayPicture], Mesh], person: Person
) -> None:
    picture = person("P005", "studio_portrait")
    tilted = ArrayPicture(np.ascontiguousarray(np.rot90(picture.pixels)))
    for net in nets:
        upright = net.years(picture, mesh_of(picture).landmarks_xyz)
        assert net.years(tilted, mesh_of(tilted).landmarks_xyz) == pytest.approx(upright, abs=5)


@pytest.mark.parametrize("who", ["P001", "P005"])
def test_a_dressed_person_is_no_nudity(person: Person, who: str) -> None:
    assert OpenNsfw.load().score(person(who, "studio_portrait")) < 0.02


def test_the_net_of_nudity_sees_colours_in_their_order(person: Person) -> None:
    """Blue skin is nothing that it knows; a picture of plain skin colour makes it doubt."""
    net = OpenNsfw.load()
    skin = ArrayPicture(np.full((300, 500, 3), (224, 172, 105), np.uint8))
    swapped = ArrayPicture(np.ascontiguousarray(skin.pixels[..., ::-1]))
    assert net.score(skin) != pytest.approx(net.score(swapped), rel=0.05)


@pytest.mark.parametrize("who", ["P001", "P007"])
def test_a_smaller_picture_of_a_face_looks_as_old(
    nets: tuple[AgeReader, AgeReader],
    mesh_of: Callable[[ArrayPicture], Mesh],
    person: Person,
    who: str,
) -> None:
    large = person(who, "amateur_selfie")
    small = ArrayPicture(large.reduced(300))
    for net in nets:
        before = net.years(large, mesh_of(large).landmarks_xyz)
        assert net.years(small, mesh_of(small).landmarks_xyz) == pytest.approx(before, abs=4)
