"""The rules of the content gate, on readings that tests write themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytest

from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Frame, Picture
from lendface.errors import ContentRefusedError, MinorRefusedError, RefusedError
from lendface.trust.ages import AgeReading
from lendface.trust.gate import Finding, Thresholds, judge_reading
from lendface.trust.places import FEWEST, MOST, Places
from lendface.trust.readings import FilmReading, NudityLook, NudityReader

DRESSED = (NudityLook(0.0, (0.01,)), NudityLook(1.0, (0.02,)))
ADULT, BORDER, YOUNG = (34.0, 30.0), (19.0, 28.0), (15.0, 31.0)


def ages(*readings: tuple[float, float]) -> tuple[AgeReading, ...]:
    return tuple(AgeReading(float(at), 100.0, years) for at, years in enumerate(readings))


def film(*readings: tuple[float, float], looks: Sequence[NudityLook] = DRESSED) -> FilmReading:
    return FilmReading(tuple(looks), {1: ages(*readings)})


# Minors


def test_adults_pass() -> None:
    verdict = judge_reading(film(ADULT, BORDER, ADULT), [1])
    assert not verdict.is_refused
    verdict.check()


def test_who_looks_too_young_to_one_net_is_refused() -> None:
    verdict = judge_reading(film(YOUNG, YOUNG, ADULT), [1])
    assert [finding.rule for finding in verdict.findings] == ["minor_target"]
    with pytest.raises(MinorRefusedError):
        verdict.check()


def test_who_looks_young_to_both_nets_is_refused_though_to_neither_too_young() -> None:
    assert judge_reading(film((20.0, 21.0)), [1]).is_refused
    assert not judge_reading(film((20.0, 23.0)), [1]).is_refused


def test_one_odd_frame_decides_nothing() -> None:
    assert not judge_reading(film(ADULT, YOUNG, ADULT, (9.0, 12.0), ADULT), [1]).is_refused


def test_only_people_who_are_replaced_are_judged() -> None:
    reading = FilmReading(DRESSED, {1: ages(ADULT), 2: ages(YOUNG)})
    assert not judge_reading(reading, [1]).is_refused
    assert judge_reading(reading, [1, 2]).findings[0].face == 2


def test_who_is_too_small_to_tell_passes_and_is_counted() -> None:
    verdict = judge_reading(FilmReading(DRESSED, {}), [1, 2])
    assert (verdict.is_refused, verdict.unread) == (False, (1, 2))


def test_thresholds_are_the_operators() -> None:
    reading = film(ADULT)
    assert judge_reading(reading, [1], Thresholds(age_of_either=31)).is_refused
    assert judge_reading(reading, [1], Thresholds(age_of_both=35)).is_refused


# Nudity


def test_a_place_counts_by_what_most_of_its_frames_say() -> None:
    flash = NudityLook(3.0, (0.95, 0.1, 0.2))
    scene = NudityLook(4.0, (0.95, 0.1, 0.9))
    assert not judge_reading(film(ADULT, looks=[*DRESSED, flash]), [1]).is_refused
    (finding,) = judge_reading(film(ADULT, looks=[*DRESSED, flash, scene]), [1]).findings
    assert (finding.rule, finding.time_s, finding.scores) == ("nudity", 4.0, scene.scores)


def test_of_two_frames_both_must_agree() -> None:
    assert NudityLook(0.0, (0.9, 0.1)).score == 0.1
    assert NudityLook(0.0, (0.9,)).score == 0.9


# What is told to whom


def test_the_client_learns_nothing_of_what_was_seen() -> None:
    told = set()
    for reading in (film(YOUNG), film(ADULT, looks=[NudityLook(61.5, (0.97, 0.98, 0.99))])):
        with pytest.raises(RefusedError) as caught:
            judge_reading(reading, [1]).check()
        told.add((caught.value.code, str(caught.value)))
    ((code, sentence),) = told
    assert code == "content_refused"
    for word in ("nud", "minor", "age", "young", "61", "0.9"):
        assert word not in sentence


def test_the_operator_learns_the_rule_the_time_and_the_scores() -> None:
    reading = film(ADULT, looks=[NudityLook(3661.5, (0.97, 0.98, 0.99))])
    verdict = judge_reading(reading, [1])
    assert verdict.findings[0].explain() == "rule nudity at 1:01:01.500: 0.97, 0.98, 0.99"
    with pytest.raises(ContentRefusedError) as caught:
        verdict.check()
    assert (caught.value.rule, caught.value.time_s) == ("nudity", 3661.5)
    assert caught.value.scores == (0.97, 0.98, 0.99)
    photo = Finding("minor_source", None, (15.0, 20.0), 2)
    assert photo.explain() == "rule minor_source of face 2: 15.00, 20.00"


# Where it looks


def taken(count: int, told: int | None) -> list[int]:
    places = Places(told)
    indexes = [index for index in range(count) if places.takes(index)]
    return [index for index in indexes if places.keeps(index)]


@pytest.mark.parametrize("count", [1, 7, 8, 75, 250, 1500, 1501, 20_000])
@pytest.mark.parametrize("told", ["truth", "nothing", "a tenth"])
def test_places_are_few_spread_out_and_never_too_many(count: int, told: str) -> None:
    says = {"truth": count, "nothing": None, "a tenth": max(1, count // 10)}[told]
    places = taken(count, says)
    assert min(count, FEWEST if told == "truth" else 1) <= len(places) <= MOST
    gaps = np.diff([-1, *places, count])
    assert gaps.max() <= 2 * max(gaps[1:-1], default=count) + 1


def test_a_film_of_ten_seconds_has_a_place_every_second() -> None:
    assert taken(250, 250) == [12, 37, 62, 87, 112, 137, 162, 187, 212, 237]


@dataclass
class Grey:
    """A net for which a picture's grey is its score; it counts how often it looks."""

    seen: list[float] = field(default_factory=list)

    def score(self, picture: Picture) -> float:
        self.seen.append(float(picture.reduced(1)[0, 0, 0]) / 255)
        return self.seen[-1]


def read(scores: Sequence[float]) -> tuple[tuple[NudityLook, ...], Grey]:
    net = Grey()
    reader = NudityReader(net, len(scores))
    for index, score in enumerate(scores):
        pixels = np.full((4, 4, 3), round(score * 255), np.uint8)
        reader.see(Frame(index, Fraction(index, 25), ArrayPicture(pixels)))
    return reader.looks, net


def test_a_suspicious_frame_is_followed_by_two_more_and_others_are_not() -> None:
    scores = [0.0] * 250
    scores[62] = 1.0
    looks, net = read(scores)
    assert [len(look.scores) for look in looks] == [1, 1, 3, 1, 1, 1, 1, 1, 1, 1]
    assert len(net.seen) == 12
    assert not judge_reading(FilmReading(looks), []).is_refused


def test_a_scene_of_one_second_in_a_film_of_ten_is_found() -> None:
    scores = [0.0] * 110 + [0.95] * 25 + [0.0] * 115
    looks, _ = read(scores)
    (finding,) = judge_reading(FilmReading(looks), []).findings
    assert finding.time_s == pytest.approx(4.48)


def test_a_still_is_judged_by_its_one_look() -> None:
    looks, _ = read([0.9])
    assert judge_reading(FilmReading(looks), []).is_refused
