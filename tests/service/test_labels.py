"""The visible label in a server's results: a request may ask for it, and never leave it out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from lendface.engine.label import Label
from lendface.engine.types import Box, Pixels
from lendface.media import open_video
from lendface.pipeline.parts import Parts
from lendface.service.jobs import retry
from lendface.service.office import Office
from lendface.service.requests import LabelRef, OutputRef, SwapJob
from lendface.service.states import FAILED
from lendface.service.swapping import settle_label
from lendface.service.work import JobWork
from lendface.trust.label import LabelRule
from material import SMALL, Material
from service.crafts import Row, do_job, fetch_result, render_all, submit_swap, worker
from service.offices import end_job, new_client, open_office

pytestmark = pytest.mark.slow

ALWAYS = LabelRule(is_always=True, position="top-left", size_share=0.1)
LOSSLESS = OutputRef("mp4", preset="ultrafast", lossless=True)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path) as office:
        yield office


@pytest.fixture
def work(office: Office, tmp_path: Path, parts: Parts) -> Iterator[JobWork]:
    with worker(office, tmp_path, parts, None) as work:
        yield work


@pytest.fixture
def me(office: Office) -> str:
    return new_client(office).client_id


def ruled(work: JobWork, rule: LabelRule) -> JobWork:
    office = work.office
    return replace(work, office=replace(office, rules=replace(office.rules, label=rule)))


def frames_of(work: JobWork, job: Row, folder: Path) -> list[Pixels]:
    with open_video(fetch_result(work.office, job, folder)) as film:
        return [frame.picture.region(Box(0, 0, SMALL, SMALL)) for frame in film.frames()]


def test_it_is_in_every_frame_where_the_operator_wants_it_and_nowhere_else_in_the_picture(
    work: JobWork, me: str, material: Material, tmp_path: Path
) -> None:
    plain, labelled = (
        frames_of(
            one,
            do_job(one, submit_swap(work.office, me, *files, output=LOSSLESS)["id"]),
            tmp_path,
        )
        for one, files in (
            (work, (material.film, material.photo)),
            (ruled(work, ALWAYS), (material.film, material.photo)),
        )
    )
    box = Label("top-left", 0.1).patch((SMALL, SMALL)).box
    outside = np.ones((SMALL, SMALL), bool)
    outside[: box.y1 + 2, : box.x1 + 2] = False  # two samples share one colour
    assert len(plain) == len(labelled) > 5
    for before, after in zip(plain, labelled, strict=True):
        change = np.abs(after - before).max(axis=2)
        assert change[outside].max() == 0
        assert change[box.y0 : box.y1, box.x0 : box.x1].mean() > 20


ASKED = LabelRule(position="top-left", size_share=0.1)


@pytest.mark.parametrize(
    ("rule", "wish", "place"),
    [
        (ASKED, None, None),
        (ASKED, LabelRef(), ("top-left", 0.1)),
        (ASKED, LabelRef("bottom-left", 0.03), ("bottom-left", 0.03)),
        (ALWAYS, None, ("top-left", 0.1)),
        (ALWAYS, LabelRef("bottom-left", 0.03), ("bottom-left", 0.1)),
        (ALWAYS, LabelRef(size=0.2), ("top-left", 0.2)),
    ],
)
def test_a_request_may_ask_for_it_move_it_and_make_it_larger(
    rule: LabelRule, wish: LabelRef | None, place: tuple[str, float] | None
) -> None:
    pair: Any = {"photos": ({"upload": "me"},)}
    label = settle_label(SwapJob("film", (pair,), label=wish), rule)
    assert (label and (label["position"], label["size_share"])) == place


def test_no_word_of_a_request_is_about_leaving_it_out() -> None:
    with pytest.raises(ValidationError):
        LabelRef(size=0.001)
    with pytest.raises(ValidationError):
        SwapJob("film", (), label=False)  # pyrefly: ignore


def test_what_was_rendered_without_it_is_not_taken_once_the_operator_wants_it(
    work: JobWork, me: str, material: Material, tmp_path: Path
) -> None:
    office = work.office
    job = submit_swap(office, me, material.film, material.photo)["id"]
    render_all(work, job)
    before = {blob.key for blob in office.blobs.list(f"work/{job}")}
    end_job(office, job, FAILED, error_code="internal")
    retry(office, me, job)
    done = do_job(ruled(work, ALWAYS), job, run=2)
    after = {blob.key for blob in office.blobs.list(f"work/{job}")}
    assert (done["state"], len(after)) == ("succeeded", 2 * len(before))
