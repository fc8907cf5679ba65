"""The content gate with its real nets, on people who do not exist."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lendface.engine.enrol import Photo
from lendface.engine.picture import ArrayPicture
from lendface.engine.plan import SwapPlan, plan_everyone
from lendface.engine.types import Frame, Pixels, SourceFace
from lendface.pipeline.parts import Parts
from lendface.pipeline.scans import Scan, scan_target
from lendface.pipeline.targets import Target
from lendface.trust.ages import READINGS, best_frames
from lendface.trust.gate import Thresholds, judge_film, judge_portrait, judge_reading, medians
from lendface.trust.readings import FilmReader, FilmReading, GateNets, read_again, read_film
from people import SIDE_PX, beside, read_person, swaying

COUNT, LATE = 30, 24  # P010 is seen in the last frames only


def pictures() -> list[Pixels]:
    first, second = swaying(read_person("P005"), COUNT), swaying(read_person("P010"), COUNT)
    nobody = np.full((SIDE_PX, SIDE_PX, 3), 90, np.uint8)
    return beside(first, [nobody] * LATE + second[LATE:])


@contextmanager
def opened() -> Iterator[Iterator[Frame]]:
    frames = pictures()
    yield (Frame(i, Fraction(i, 25), ArrayPicture(p)) for i, p in enumerate(frames))


TARGET = Target("the film", opened, COUNT)


@pytest.fixture(scope="module")
def nets() -> GateNets:
    return GateNets.load()


@pytest.fixture(scope="module")
def scanned(parts: Parts, nets: GateNets) -> tuple[Scan, FilmReading]:
    """The film, read while it was scanned."""
    reader = FilmReader(nets, COUNT)
    scan = scan_target(TARGET, parts, None, reader.see)
    return scan, reader.finish(scan.tracks)


@pytest.fixture(scope="module")
def plan(scanned: tuple[Scan, FilmReading], sources: dict[str, SourceFace]) -> SwapPlan:
    return plan_everyone(scanned[0].tracks, sources["P003"])


def test_a_film_is_read_the_same_while_it_is_scanned_and_afterwards(
    scanned: tuple[Scan, FilmReading], nets: GateNets
) -> None:
    scan, before = scanned
    with TARGET.open() as frames:
        after = read_film(frames, scan.tracks, nets)
    assert [look.time_s for look in after.nudity] == [look.time_s for look in before.nudity]
    np.testing.assert_allclose(
        [look.score for look in after.nudity], [look.score for look in before.nudity], atol=0.01
    )
    assert medians(after.ages[1]) == pytest.approx(medians(before.ages[1]), abs=4)


def test_several_frames_of_each_person_are_read_and_not_too_many(
    scanned: tuple[Scan, FilmReading],
) -> None:
    assert len(scanned[1].ages[1]) == READINGS


def test_who_is_hardly_seen_is_looked_for_again(
    scanned: tuple[Scan, FilmReading], nets: GateNets
) -> None:
    scan, reading = scanned
    fewer = replace(reading, ages={**reading.ages, 2: reading.ages.get(2, ())[:1]})
    more = read_again(TARGET, scan.tracks, [1, 2], fewer, nets)
    assert more.ages[1] == reading.ages[1]
    assert len(more.ages[2]) == READINGS
    assert all(each.time_s >= LATE / 25 - 0.1 for each in more.ages[2])


def test_the_film_is_not_opened_again_for_people_who_were_read(
    scanned: tuple[Scan, FilmReading], nets: GateNets
) -> None:
    @contextmanager
    def never() -> Iterator[Iterator[Frame]]:
        raise AssertionError("opened")
        yield

    closed = Target("the film", never, COUNT)
    scan, reading = scanned
    assert read_again(closed, scan.tracks, [1], reading, nets) is reading


def test_adults_who_are_dressed_pass_in_both_ways(
    scanned: tuple[Scan, FilmReading], plan: SwapPlan, nets: GateNets
) -> None:
    scan, reading = scanned
    assert judge_reading(reading, plan.source_by_track).findings == ()
    with TARGET.open() as frames:
        verdict = judge_film(frames, scan.tracks, plan, nets)
    assert (verdict.findings, verdict.unread) == ((), ())


def test_a_strict_operator_refuses_the_same_film_for_each_rule(
    scanned: tuple[Scan, FilmReading], plan: SwapPlan
) -> None:
    strict = Thresholds(nudity=0.0, age_of_either=90.0)
    verdict = judge_reading(scanned[1], plan.source_by_track, strict)
    assert {finding.rule for finding in verdict.findings} == {"nudity", "minor_target"}
    minors = [finding for finding in verdict.findings if finding.rule == "minor_target"]
    assert [finding.face for finding in minors] == [1, 2]
    assert all(0 <= (finding.time_s or 0) < COUNT / 25 for finding in verdict.findings)


def test_faces_too_small_to_tell_have_no_frames(scanned: tuple[Scan, FilmReading]) -> None:
    scan, _ = scanned
    assert best_frames(scan.tracks, [3]) == {}
    large = best_frames(scan.tracks, [1])
    assert len(large) == READINGS


def test_each_photo_of_a_source_has_to_pass_by_itself(
    sources: dict[str, SourceFace], nets: GateNets
) -> None:
    young, old = sources["P010"], sources["P005"]
    both = SourceFace((*old.portraits, *young.portraits), old.embedding)
    limit = Thresholds(age_of_both=35.0)  # P010 is about 28 to both nets, P005 about 44
    assert not judge_portrait(old, nets, limit).is_refused
    (finding,) = judge_portrait(both, nets, limit, number=2).findings
    assert (finding.rule, finding.face, finding.time_s) == ("minor_source", 2, None)


def test_a_photo_too_small_to_tell_an_age_is_counted(parts: Parts, nets: GateNets) -> None:
    tiny = ArrayPicture(read_person("P005", side_px=70))
    source = parts.enroller.enrol([Photo("tiny", tiny)]).source
    assert judge_portrait(source, nets).unread == (1,)
