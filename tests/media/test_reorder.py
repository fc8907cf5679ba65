"""Decoding times that every muxer and player can follow."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, zip_longest

from hypothesis import given, settings
from hypothesis import strategies as st

from lendface.media.reorder import Reorder


@dataclass
class Parcel:
    pts: int
    duration: int
    is_keyframe: bool
    dts: int | None = None


@st.composite
def decoding_orders(draw: st.DrawFn) -> tuple[int, list[Parcel]]:
    """Closed groups of pictures, up to two frames out of order, at any distances."""
    depth = draw(st.integers(0, 2))
    parcels: list[Parcel] = []
    time = draw(st.integers(-5, 5000))
    for _ in range(draw(st.integers(1, 4))):
        gaps = draw(st.lists(st.integers(1, 3000), min_size=1, max_size=9))
        group = []
        for number, gap in enumerate(gaps):
            group.append(Parcel(time, gap, number == 0))
            time += gap
        rest = group[1:]
        while rest:  # a frame shown later, then those that it lets through
            ahead = min(draw(st.integers(0, depth)), len(rest) - 1)
            parcels_now = [rest[ahead], *rest[:ahead]]
            group[len(group) - len(rest) :] = parcels_now + rest[ahead + 1 :]
            rest = rest[ahead + 1 :]
        parcels += group
    return depth, parcels


@given(case=decoding_orders())
def test_decoding_times_grow_and_never_pass_the_presentation(
    case: tuple[int, list[Parcel]],
) -> None:
    depth, parcels = case
    reorder = Reorder(depth)
    for parcel in parcels:
        reorder.place(parcel)
    times = [parcel.dts for parcel in parcels]
    assert all(a < b for a, b in pairwise(times))
    assert all(parcel.dts <= parcel.pts for parcel in parcels)


def read_by_ffmpeg(parcels: list[Parcel]) -> list[Parcel]:
    """What its MP4 reader gives: it ends at the second keyframe that seems to last to the end."""
    end = max(parcel.pts + parcel.duration for parcel in parcels)
    given: list[Parcel] = []
    was_found = False
    for parcel, following in zip_longest(parcels, parcels[1:]):
        given.append(parcel)
        lasts = following.dts - parcel.dts if following else parcel.duration
        if parcel.is_keyframe and parcel.pts + lasts >= end:
            if was_found:
                break
            was_found = True
    return given


@settings(max_examples=500, deadline=None)
@given(case=decoding_orders())
def test_ffmpegs_reader_leaves_nothing_out(case: tuple[int, list[Parcel]]) -> None:
    depth, parcels = case
    reorder = Reorder(depth)
    for parcel in parcels:
        reorder.place(parcel)
    assert len(read_by_ffmpeg(parcels)) == len(parcels)


def test_an_even_rate_keeps_even_decoding_times() -> None:
    reorder = Reorder(2)
    parcels = [Parcel(40 * n, 40, n == 0) for n in (0, 4, 2, 1, 3, 8, 6, 5, 7)]
    for parcel in parcels:
        reorder.place(parcel)
    assert [parcel.dts for parcel in parcels] == [40 * n for n in range(-2, 7)]
