from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lendface.engine.types import Box, Patch
from lendface.media import PlanesPicture, open_video, open_writer
from lendface.media.colour import BT709, HLG, PQ, SMPTE170M, Colour, get_curve
from lendface.media.placement import Placement
from lendface.media.planes import Carrier, Layout, common_rgb, enlarged, whole
from make_media import make_video, picture

QUIET = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TURNS = [(1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1)]
TURNS += [(0, 1, 1, 0), (0, -1, 1, 0), (0, 1, -1, 0), (0, -1, -1, 0)]
SHIFTS = {"yuv420p": (1, 1), "yuv422p": (1, 0), "yuv444p": (0, 0)}


def make_picture(
    pix_fmt: str = "yuv420p",
    size_wh: tuple[int, int] = (40, 30),
    *,
    turn: tuple[int, int, int, int] = (1, 0, 0, 1),
    aspect: Fraction = Fraction(1),
    bits: int = 8,
    matrix: int = BT709,
    is_full: bool = False,
    transfer: int = 2,
    seed: int = 0,
) -> PlanesPicture:
    """Random planes, in the range that a camera gives."""
    (across, down), (width, height) = SHIFTS[pix_fmt], size_wh
    rng = np.random.default_rng(seed)
    chroma = -(-height >> down), -(-width >> across)
    dtype = np.uint8 if bits == 8 else np.uint16
    planes = tuple(
        (rng.integers(90, 150, shape) << (bits - 8)).astype(dtype)
        for shape in ((height, width), chroma, chroma)
    )
    kind = Colour("yuv", bits, matrix, is_full, transfer)
    name = pix_fmt if bits == 8 else f"{pix_fmt}{bits}le"
    layout = Layout(name, kind, Placement(size_wh, turn, aspect), (across, down))
    return PlanesPicture(planes, layout, Carrier(av.VideoFrame(*size_wh, name)))


def chroma_at(plane: np.ndarray, shifts: tuple[int, int], x: int, y: int) -> float:
    """Bilinear, left-cosited across, centred down; written out sample by sample."""
    across, down = shifts
    at_x, at_y = (x / 2 if across else x), ((y - 0.5) / 2 if down else y)
    x0, y0 = int(np.floor(at_x)), int(np.floor(at_y))
    value = 0.0
    for j, weight_y in ((y0, 1 - (at_y - y0)), (y0 + 1, at_y - y0)):
        for i, weight_x in ((x0, 1 - (at_x - x0)), (x0 + 1, at_x - x0)):
            row = min(max(j, 0), plane.shape[0] - 1)
            column = min(max(i, 0), plane.shape[1] - 1)
            value += weight_x * weight_y * float(plane[row, column])
    return value


def rgb_at(shown: PlanesPicture, x: int, y: int) -> list[float]:
    """BT.709 or BT.601 limited range by its definition."""
    kr, kb = {BT709: (0.2126, 0.0722), SMPTE170M: (0.299, 0.114)}[shown.layout.colour.matrix]
    step = 1 << (shown.layout.colour.bit_depth - 8)
    luma = (float(shown.planes[0][y, x]) / step - 16) / 219
    shifts = shown.layout.chroma_shift
    blue = (chroma_at(shown.planes[1], shifts, x, y) / step - 128) / 224
    red = (chroma_at(shown.planes[2], shifts, x, y) / step - 128) / 224
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    return [255 * r, 255 * (luma - kr * r - kb * b) / (1 - kr - kb), 255 * b]


@QUIET
@given(
    pix_fmt=st.sampled_from(sorted(SHIFTS)),
    bits=st.sampled_from([8, 10, 12]),
    matrix=st.sampled_from([BT709, SMPTE170M]),
    left=st.integers(0, 30),
    top=st.integers(0, 20),
    width=st.integers(1, 9),
    height=st.integers(1, 9),
)
def test_a_region_is_what_the_standard_says_of_each_sample(
    pix_fmt: str, bits: int, matrix: int, left: int, top: int, width: int, height: int
) -> None:
    shown = make_picture(pix_fmt, (39, 29), bits=bits, matrix=matrix)
    box = Box(left, top, min(39, left + width), min(29, top + height))
    region = shown.region(box)
    assert region.dtype == np.float32
    expected = np.array(
        [[rgb_at(shown, x, y) for x in range(box.x0, box.x1)] for y in range(box.y0, box.y1)]
    )
    np.testing.assert_allclose(region, np.clip(expected, 0, 255), atol=0.02)


@pytest.mark.parametrize("has_left_chroma", [True, False])
@pytest.mark.parametrize("box", [Box(0, 0, 39, 29), Box(5, 3, 6, 4), Box(4, 8, 39, 29)])
def test_the_common_kind_of_picture_is_seen_alike_in_one_pass(
    box: Box, has_left_chroma: bool
) -> None:
    shown = make_picture("yuv420p", (39, 29))
    layout = replace(shown.layout, has_left_chroma=has_left_chroma)
    codes = [shown.planes[0][box.y0 : box.y1, box.x0 : box.x1].astype(np.float32)]
    codes += [enlarged(plane, box, layout) for plane in shown.planes[1:]]
    expected = layout.colour.to_rgb(np.dstack(codes))
    np.testing.assert_allclose(common_rgb(shown.planes, box, layout), expected, atol=1e-3)


@pytest.mark.parametrize("turn", TURNS)
def test_every_turn_shows_the_samples_where_the_matrix_says(turn: tuple[int, ...]) -> None:
    straight, turned = make_picture("yuv444p"), make_picture("yuv444p", turn=turn)
    flat, shown = straight.region(whole(straight)), turned.region(whole(turned))
    a, b, c, d = turn
    for x, y in ((0, 0), (39, 0), (7, 21), (39, 29)):
        to_x, to_y = a * x + c * y, b * x + d * y
        to_x += (39 if a < 0 else 0) + (29 if c < 0 else 0)
        to_y += (39 if b < 0 else 0) + (29 if d < 0 else 0)
        np.testing.assert_array_equal(shown[to_y, to_x], flat[y, x])


@QUIET
@given(
    turn=st.sampled_from(TURNS),
    pix_fmt=st.sampled_from(sorted(SHIFTS)),
    corner=st.tuples(st.integers(-4, 34), st.integers(-4, 24)),
    size=st.tuples(st.integers(1, 16), st.integers(1, 16)),
    bits=st.sampled_from([8, 10]),
    seed=st.integers(0, 1000),
)
def test_pasting_changes_only_what_alpha_touches(
    turn: tuple[int, int, int, int],
    pix_fmt: str,
    corner: tuple[int, int],
    size: tuple[int, int],
    bits: int,
    seed: int,
) -> None:
    old = make_picture(pix_fmt, turn=turn, bits=bits, seed=seed)
    rng = np.random.default_rng(seed)
    shape = size[1], size[0]
    alpha = np.float32(rng.random(shape) * (rng.random(shape) > 0.5))
    box = Box(*corner, corner[0] + size[0], corner[1] + size[1])
    kept = [plane.copy() for plane in old.planes]
    new = old.pasted([Patch(box, np.float32(rng.random((*shape, 3)) * 255), alpha)])
    touched = np.zeros(old.size_wh[::-1], bool)
    inside = box.clipped(old.size_wh)
    if not inside.is_empty:
        touched[inside.y0 : inside.y1, inside.x0 : inside.x1] = (
            alpha[inside.y0 - box.y0 :, inside.x0 - box.x0 :][: inside.height, : inside.width] > 0
        )
    luma = np.ascontiguousarray(old.layout.placement.laid_down(np.uint8(touched))) > 0
    np.testing.assert_array_equal(new.planes[0][~luma], old.planes[0][~luma])
    for number in (1, 2):
        far = ~chroma_touched(luma, old.layout.chroma_shift, old.planes[number].shape)
        np.testing.assert_array_equal(new.planes[number][far], old.planes[number][far])
    for before, plane in zip(kept, old.planes, strict=True):
        np.testing.assert_array_equal(before, plane)


def chroma_touched(luma: np.ndarray, shifts: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
    """Chroma samples with a share of a touched luma sample: 2i-1, 2i, 2i+1 across, 2j, 2j+1."""
    across, down = shifts
    found = np.zeros(shape, bool)
    for y, x in zip(*np.nonzero(luma), strict=True):
        for i in {x >> 1, (x + 1) >> 1} if across else {x}:
            if i < shape[1]:
                found[y >> down, i] = True
    return found


@pytest.mark.parametrize("pix_fmt", sorted(SHIFTS))
@pytest.mark.parametrize("bits", [8, 10])
def test_a_flat_patch_gives_its_exact_code_values(pix_fmt: str, bits: int) -> None:
    old = make_picture(pix_fmt, bits=bits)
    patch = Patch(whole(old), np.full((30, 40, 3), 255, np.float32), np.ones((30, 40), np.float32))
    new = old.pasted([patch])
    white, neutral = 235 << (bits - 8), 128 << (bits - 8)
    assert [np.unique(plane).tolist() for plane in new.planes] == [[white], [neutral], [neutral]]


def test_alpha_mixes_code_values_and_rounds_once() -> None:
    old = make_picture("yuv444p")
    black, alpha = np.zeros((4, 6, 3), np.float32), np.full((4, 6), 0.37, np.float32)
    new = old.pasted([Patch(Box(3, 4, 9, 8), black, alpha)])
    part = np.s_[4:8, 3:9]
    for plane, before, code in zip(new.planes, old.planes, (16, 128, 128), strict=True):
        expected = np.rint(0.63 * before[part] + 0.37 * code)
        np.testing.assert_array_equal(plane[part], expected)


def test_patches_are_laid_on_in_order() -> None:
    old = make_picture("yuv444p")
    one, two = (
        Patch(Box(2, 2, 8, 8), np.full((6, 6, 3), grey, np.float32), np.ones((6, 6), np.float32))
        for grey in (0, 255)
    )
    assert old.pasted([one, two]).planes[0][5, 5] == 235
    assert old.pasted([two, one]).planes[0][5, 5] == 16


def test_nothing_to_paste_costs_nothing() -> None:
    old = make_picture()
    box, pixels = Box(1, 1, 5, 5), np.zeros((4, 4, 3), np.float32)
    assert old.pasted([]) is old
    assert old.pasted([Patch(box, pixels, np.zeros((4, 4), np.float32))]) is old
    away = Patch(Box(90, 90, 94, 94), pixels, np.ones((4, 4), np.float32))
    assert old.pasted([away]) is old


def test_pasting_what_is_there_changes_no_luma_sample_and_hardly_the_chroma() -> None:
    smooth = make_picture("yuv420p")
    for base, plane in zip((90, 120, 125), smooth.planes, strict=True):
        plane[:] = base + (np.arange(plane.shape[1]) + np.arange(plane.shape[0])[:, None]) // 3
    box = Box(5, 3, 30, 25)
    new = smooth.pasted([Patch(box, smooth.region(box), np.ones((22, 25), np.float32))])
    np.testing.assert_array_equal(new.planes[0], smooth.planes[0])
    for number in (1, 2):
        change = np.abs(new.planes[number].astype(int) - smooth.planes[number])
        assert change.max() <= 1


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_is_seen_as_sdr_and_comes_back_to_the_same_codes(transfer: int) -> None:
    old = make_picture("yuv444p", (32, 32), bits=10, matrix=9, transfer=transfer)
    old.planes[0][:] = np.linspace(64, 940, 1024).reshape(32, 32).astype(np.uint16)
    for plane in old.planes[1:]:
        plane[:] = 512
    shown = old.region(whole(old))
    order = np.argsort(old.planes[0].ravel(), kind="stable")
    assert np.all(np.diff(shown[..., 1].ravel()[order]) >= 0)
    white = old.region(whole(old))[..., 0].ravel()[np.abs(old.planes[0].ravel() - 573.0).argmin()]
    assert 150 < white < 230  # diffuse white of PQ, a bright grey of HLG: neither dark nor clipped
    new = old.pasted([Patch(whole(old), shown, np.ones((32, 32), np.float32))])
    for before, after in zip(old.planes, new.planes, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_the_hdr_curve_is_strictly_monotone(transfer: int) -> None:
    curve = get_curve(transfer)
    assert np.all(np.diff(curve.sdr_by_hdr) > 0)
    assert (curve.sdr_by_hdr[0], round(float(curve.sdr_by_hdr[-1]), 3)) == (0, 255)


@pytest.mark.parametrize("turn", TURNS)
def test_a_warp_onto_itself_shows_the_region(turn: tuple[int, int, int, int]) -> None:
    shown = make_picture("yuv420p", (48, 48), turn=turn)
    crop = shown.warped(np.float32([[1, 0, 5], [0, 1, 7]]), 24)
    region = shown.region(Box(5, 7, 29, 31))
    assert np.abs(crop.astype(float) - region).max() <= 2.0  # whole numbers on the way


def test_a_warp_is_black_outside_the_picture() -> None:
    shown = make_picture("yuv420p", (48, 48))
    shown.planes[0][:] = 180
    crop = shown.warped(np.float32([[1, 0, -30], [0, 1, -30]]), 60)
    assert crop[:28, :].max() == 0
    assert crop[32:, 32:].min() > 90
    assert shown.warped(np.float32([[1, 0, 900], [0, 1, 0]]), 8).max() == 0


def test_a_strong_reduction_does_not_alias() -> None:
    shown = make_picture("yuv444p", (320, 320))
    shown.planes[0][:] = np.where(np.arange(320) % 2, 30, 220)
    for plane in shown.planes[1:]:
        plane[:] = 128
    crop = shown.warped(np.float32([[8, 0, 4], [0, 8, 4]]), 36)
    assert np.ptp(crop[2:-2, 2:-2].astype(int)) < 40  # the stripes differ by 220


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("aspect", [Fraction(1), Fraction(16, 11), Fraction(8, 9)])
def test_a_reduced_picture_has_the_shape_it_is_shown_in(
    turn: tuple[int, int, int, int], aspect: Fraction
) -> None:
    shown = make_picture("yuv420p", (96, 64), turn=turn, aspect=aspect)
    small = shown.reduced(48)
    assert max(small.shape[:2]) == 48
    width, height = shown.size_wh
    assert abs(small.shape[1] / small.shape[0] - width / height) < 0.05
    assert shown.reduced(5000).shape == (height, width, 3)


def test_a_patch_on_stretched_samples_lands_where_it_is_seen() -> None:
    shown = make_picture("yuv444p", (60, 40), aspect=Fraction(2))
    assert shown.size_wh == (120, 40)
    box = Box(40, 10, 80, 30)
    new = shown.pasted(
        [Patch(box, np.full((20, 40, 3), 255, np.float32), np.ones((20, 40), np.float32))]
    )
    assert np.unique(new.planes[0][11:29, 21:39]).tolist() == [235]
    untouched = np.ones((40, 60), bool)
    untouched[10:30, 19:41] = False
    np.testing.assert_array_equal(new.planes[0][untouched], shown.planes[0][untouched])
    assert new.region(Box(44, 12, 76, 28)).min() > 254


def test_colours_agree_with_the_library_that_players_use(tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", 1, (96, 64), pix_fmt="yuv444p", colour=(1, 1, 1, 1))
    with av.open(str(film)) as source:
        frame = next(source.decode(video=0))
        theirs = frame.to_ndarray(format="rgb24", src_colorspace="ITU709", dst_colorspace="ITU709")
    with open_video(film) as reader:
        ours = next(reader.frames()).picture.region(Box(0, 0, 96, 64))
    assert np.abs(ours - theirs).max() < 2
    assert np.abs(ours - picture(0, (96, 64))).mean() < 4


def test_a_written_picture_leaves_the_one_it_came_from_alone(tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", 3, (64, 48))
    with open_video(film) as reader:
        frames = list(reader.frames())
        old = frames[0].picture
        assert isinstance(old, PlanesPicture)
        before = [plane.copy() for plane in old.planes]
        white = Patch(whole(old), np.full((48, 64, 3), 255, np.float32), np.ones((48, 64), "f4"))
        changed = old.pasted([white])
        first = changed.to_video_frame()
        assert np.unique(np.from_dlpack(first.planes[0])).tolist() == [235]
        again = old.to_video_frame()
        for plane, target, kept in zip(old.planes, again.planes, before, strict=True):
            np.testing.assert_array_equal(plane, kept)
            np.testing.assert_array_equal(np.from_dlpack(target), kept)


def test_an_array_picture_can_be_written_too(tmp_path: Path) -> None:
    from lendface.engine.picture import ArrayPicture
    from lendface.engine.types import Frame

    film = make_video(tmp_path / "a.mp4", 4, (64, 48), rotation=90)
    with open_video(film) as reader, open_writer(tmp_path / "b.mp4", reader) as writer:
        for frame in reader.frames():
            pixels = np.full((64, 48, 3), 40 * frame.index, np.uint8)
            writer.write(Frame(frame.index, frame.time, ArrayPicture(pixels)))
    with open_video(tmp_path / "b.mp4") as reader:
        assert reader.info.size_wh == (48, 64)
        means = [frame.picture.region(Box(0, 0, 48, 64)).mean() for frame in reader.frames()]
    np.testing.assert_allclose(means, [0, 40, 80, 120], atol=1.5)
