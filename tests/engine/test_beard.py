"""A beard that grows beyond the face: when it goes, how far it reaches, and what comes instead."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from faces import posed, rotation
from lendface.engine import kernels
from lendface.engine.geometry import eye_distance_px
from lendface.engine.mesh.beard import (
    HEIGHTS,
    RAYS,
    JawLook,
    depth_of_source,
    learn_beard,
    rays_of,
    read_jaw,
)
from lendface.engine.mesh.pull import pull_around, pulls_for, reach_in, share_of, taken_along
from lendface.engine.mesh.shape import pose_of
from lendface.engine.mesh.topology import Topology
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import (
    Beard,
    Box,
    Face,
    Floats,
    Frame,
    Hand,
    Patch,
    Picture,
    SourceFace,
    Track,
)
from lendface.pipeline.parts import Parts
from people import beside, read_person, swaying

SIZE_WH = (400, 400)
CHIN = RAYS // 2
DARK, LIGHT = -1.5, -0.1  # log, off the light on skin


def strap(end: float, beyond: float = LIGHT) -> Floats:
    """(43, 41) along the rays: dark up to ``end``, eye distances out."""
    column = np.where(end > HEIGHTS, DARK, beyond)
    return np.repeat(column[:, None], RAYS, 1).astype(np.float32)


def looks_at(luma: Floats, view: tuple[float, float, float] = (0, 0, 0)) -> list[JawLook]:
    return [JawLook(np.float32(view), luma.astype(np.float16))] * 12


def beard_of(reach: float = 0.3, ended: float = 1.0) -> Beard:
    half = np.float16
    return Beard(np.zeros((1, 3), half), np.full((1, RAYS), reach, half), half([ended]), 0.8)


def face_at(
    topology: Topology, turn: Floats | None = None, hands: tuple[Hand, ...] = (), y: float = 160
) -> Face:
    landmarks = posed(topology, turn, shift_xyz=(200, y, 0))
    light = np.zeros((16, 16, 3), np.float32)
    return Face(1, np.zeros(4, np.float32), landmarks, 1.0, 1.0, light, hands)


def share_that_goes(topology: Topology, beard: Beard, face: Face) -> float:
    return pulls_for(beard, face, pose_of(topology, face.landmarks_xyz), SIZE_WH)[1]


# How far it reaches


@pytest.mark.parametrize("end", [0.11, 0.26, 0.41])
def test_a_beard_reaches_to_where_it_gets_light_and_not_to_the_ears(end: float) -> None:
    beard = learn_beard(looks_at(strap(end)), 0.8)
    assert beard is not None
    assert np.allclose(beard.reaches[:, CHIN], end + 0.09, atol=0.03)  # and a little farther
    assert beard.reaches[:, [0, -1]].max() < 0.05
    assert (beard.ended == 1).all()


def test_one_that_gets_lost_in_dark_clothes_has_no_end() -> None:
    beard = learn_beard(looks_at(strap(2.0)), 0.8)
    assert beard is not None
    assert beard.ended.max() == 0


def test_rows_off_the_picture_are_no_end() -> None:
    luma = strap(0.3)
    luma[HEIGHTS > 0.2] = np.nan
    beard = learn_beard(looks_at(luma), 0.8)
    assert beard is not None
    assert beard.ended.max() == 0


def test_a_hand_that_passes_does_not_count() -> None:
    usual, passing = looks_at(strap(0.31)), looks_at(strap(0.0))[:3]
    beard = learn_beard([*usual[:6], *passing, *usual[6:]], 0.8)
    assert beard is not None
    assert np.allclose(beard.reaches[:, CHIN], 0.40, atol=0.03)


def test_who_has_no_beard_has_none_kept() -> None:
    assert learn_beard(looks_at(strap(0.3)), 0.1) is None
    assert learn_beard(looks_at(strap(0.3))[:2], 0.8) is None


def test_each_view_has_its_own_reach_and_between_them_it_changes_smoothly() -> None:
    shut, wide = looks_at(strap(0.21), (0, 0, 0)), looks_at(strap(0.41), (0, 0, 0.5))
    beard = learn_beard([*shut, *wide], 0.8)
    assert beard is not None
    reaches = [reach_in(beard, np.float32([0, 0, gap]))[0][CHIN] for gap in np.linspace(0, 0.5, 51)]
    assert reaches[0] == pytest.approx(0.30, abs=0.03)
    assert reaches[-1] == pytest.approx(0.50, abs=0.03)
    assert np.abs(np.diff(reaches)).max() < 0.05


# When it goes


def test_hair_is_told_from_bare_chins(topology: Topology, sources: dict[str, SourceFace]) -> None:
    depths = {who: depth_of_source(topology, source) for who, source in sources.items()}
    assert depths["P005"] > 0.5
    assert max(depths["P003"], depths["P010"]) < 0.1


def test_it_goes_only_where_the_source_has_none() -> None:
    assert share_of(beard_of(), 0.0) == 1
    assert share_of(beard_of(), 0.75) == 0
    assert share_of(None, 0.0) == 0


def test_it_goes_wholly_in_a_face_that_looks_ahead(topology: Topology) -> None:
    assert share_that_goes(topology, beard_of(), face_at(topology)) == 1


@pytest.mark.parametrize(
    ("beard", "turn", "y"),
    [
        (beard_of(ended=0.5), rotation(), 160),
        (beard_of(reach=0.7), rotation(), 160),
        (beard_of(), rotation(yaw_deg=50), 160),
        (beard_of(), rotation(yaw_deg=-50), 160),
        (beard_of(), rotation(pitch_deg=30), 160),
        (beard_of(), rotation(pitch_deg=-30), 160),
        (beard_of(), rotation(), 300),
    ],
    ids=["no end", "too long", "right", "left", "up", "down", "at the picture's edge"],
)
def test_it_stays_where_taking_it_away_would_be_seen(
    topology: Topology, beard: Beard, turn: Floats, y: float
) -> None:
    face = face_at(topology, turn, y=y)
    pulls, share = pulls_for(beard, face, pose_of(topology, face.landmarks_xyz), SIZE_WH)
    assert (share, pulls.max()) == (0, 0)


def test_it_fades_and_does_not_jump_as_a_head_turns(topology: Topology) -> None:
    faces = [face_at(topology, rotation(yaw_deg=yaw)) for yaw in np.arange(30, 55, 0.5)]
    shares = [share_that_goes(topology, beard_of(), face) for face in faces]
    assert (shares[0], shares[-1]) == (1, 0)
    assert np.abs(np.diff(shares)).max() < 0.1


def test_it_stays_behind_a_hand_that_holds_the_jaw(topology: Topology) -> None:
    outline, _ = rays_of(face_at(topology).landmarks_xyz[:, :2])
    holding, far = outline[np.linspace(8, 32, 21).astype(int)], np.zeros((21, 2), np.float32)
    shares = [
        share_that_goes(topology, beard_of(), face_at(topology, hands=(Hand(points, 1.0),)))
        for points in (holding, far)
    ]
    assert shares == [0, 1]


def test_a_scan_keeps_the_beard_of_whom_it_shows_with_one(parts: Parts) -> None:
    film = beside(*(swaying(read_person(who, side_px=240), 16) for who in ("P005", "P003")))
    frames = [Frame(k, Fraction(k, 25), ArrayPicture(pixels)) for k, pixels in enumerate(film)]
    tracks = parts.scanner.scan(frames)
    assert len(tracks.people) == 2
    for face in tracks.faces_at(0):
        beard = tracks.get_person(face.track_id).beard
        assert (beard is not None) == (face.box_xyxy[0] < 240)
        if beard is not None:
            assert 0.2 < beard.reaches[:, CHIN].mean() < 0.65
            assert beard.ended.min() > 0.9


# What comes instead


def test_what_is_seen_at_the_jaw_is_what_lay_beyond_the_beard(topology: Topology) -> None:
    points = face_at(topology).landmarks_xyz[:468, :2]
    eye_px = eye_distance_px(points)
    pull = pull_around(points, np.full(RAYS, 0.3, np.float32), SIZE_WH, eye_px)
    assert pull is not None
    way, shade = pull.ways(Box(0, 0, *SIZE_WH), 1)
    outline, away = rays_of(points)
    for k in range(6, RAYS - 6):
        x, y = np.rint(outline[k]).astype(int)
        assert way[y, x] / eye_px == pytest.approx(0.3 * away[k], abs=0.03)
        x, y = np.rint(outline[k] + 0.9 * eye_px * away[k]).astype(int)
        assert not way[y, x].any()
    assert shade.max() == 0
    assert shade.min() < -0.1  # below the chin alone
    assert not shade[: int(points[4, 1])].any()


def test_nothing_is_pulled_where_there_is_nothing_to_pull(topology: Topology) -> None:
    points = face_at(topology).landmarks_xyz[:468, :2]
    assert pull_around(points, np.zeros(RAYS, np.float32), SIZE_WH, 60.0) is None


def test_what_covers_is_not_shown_twice() -> None:
    covered, way = np.zeros((8, 8), np.float32), np.zeros((4, 4, 2), np.float32)
    covered[6], way[..., 1] = 1, 3.0
    along = taken_along(covered, way, 2)
    assert along.max(1).tolist() == [0, 0, 0, 1, 0, 0, 1, 0]


def test_a_shade_darkens_where_it_lies() -> None:
    pixels, shade = np.full((4, 4, 3), 100, np.float32), np.zeros((2, 2), np.float32)
    shade[1, 0] = np.log(0.5)
    kernels.pull.darken(pixels, shade, 2)
    assert np.allclose(pixels[2:, :2], 50)
    assert (pixels[:2] == 100).all()
    assert (pixels[:, 2:] == 100).all()


def test_colours_are_set_apart_where_something_is_pulled_and_beside_it() -> None:
    colours, way = np.zeros((4, 6, 3), np.float32), np.zeros((6, 8, 2), np.float32)
    way[2, 5, 0] = 1.5  # of cells of two pixels; colours are at every second, from 2 and 4
    kernels.pull.set_apart(colours, way, 2, 2, 2, 4, np.float32(5))
    assert np.argwhere(colours[..., 0] == -5).tolist() == [
        [y, x] for y in (0, 1, 2) for x in (2, 3, 4)
    ]
    assert (colours[..., 0] == colours[..., 2]).all()


def bearded(parts: Parts) -> tuple[Picture, Track, Face, Beard]:
    """A synthetic man with a full beard, and what a scan of him would keep of it."""
    picture = ArrayPicture(read_person("P005"))
    tracks = parts.scanner.scan([Frame(0, Fraction(0), picture)])
    person, face = tracks.people[0], tracks.faces_at(0)[0]
    look = read_jaw(picture, face.landmarks_xyz, face.light, parts.scanner.topology)
    beard = learn_beard([look] * 8, 0.9)
    assert beard is not None
    return picture, person, face, beard


def swapped(parts: Parts, picture: Picture, person: Track, face: Face, source: SourceFace) -> Patch:
    patch = parts.swapper.swap(picture, face, parts.swapper.prepare(source, person))
    assert patch is not None
    return patch


def test_there_is_neck_below_the_jaw_of_a_source_without_a_beard(
    parts: Parts, sources: dict[str, SourceFace]
) -> None:
    picture, person, face, beard = bearded(parts)
    eye_px = eye_distance_px(face.landmarks_xyz)
    outline, away = rays_of(face.landmarks_xyz[:, :2])
    x, y = np.rint(outline[CHIN] + 0.15 * eye_px * away[CHIN]).astype(int)
    shown = []
    for own in (person, replace(person, beard=beard)):
        pasted = picture.pasted([swapped(parts, picture, own, face, sources["P010"])])
        shown.append(pasted.region(Box(x - 6, y - 3, x + 7, y + 4)).mean())
    before, after = shown
    assert before < 60
    assert after > before + 40


def test_a_swap_is_the_same_to_the_last_bit_where_no_beard_goes(
    parts: Parts, sources: dict[str, SourceFace]
) -> None:
    """The source has one, too; or the head is turned, so that it stays."""
    picture, person, face, beard = bearded(parts)
    lost = replace(beard, ended=np.zeros_like(beard.ended))
    for kept, source in ((beard, sources["P005"]), (lost, sources["P010"])):
        one = swapped(parts, picture, person, face, source)
        other = swapped(parts, picture, replace(person, beard=kept), face, source)
        assert one.box == other.box
        assert one.pixels.tobytes() == other.pixels.tobytes()
        assert one.alpha.tobytes() == other.alpha.tobytes()
