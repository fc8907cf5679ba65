"""What a job costs, by what it is and by how much work its film is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lendface.pipeline.limits import TargetFacts
from lendface.pipeline.parts import Parts
from lendface.service import ledger, prices
from lendface.service.jobs import submit
from lendface.service.prices import units_of
from lendface.service.requests import PairRef, PhotoRef, ScanJob, SwapJob
from material import COUNT, SMALL, Material
from service.crafts import upload, work_off, worker
from service.offices import new_client, open_office

FILM = TargetFacts("video", "mov,mp4", "h264", 1920, 1080, 1 << 20, 60.0, 1800, 30.0)
GIF = replace(FILM, container="gif", width=3000, height=3000, frame_count=40_000, duration_s=400)


@pytest.mark.parametrize(("film", "units"), [(FILM, 0), (GIF, 17)])
def test_a_scan_is_free_until_it_is_more_work_than_usual(film: TargetFacts, units: int) -> None:
    assert units_of(ScanJob("film"), film) == units


def test_a_swap_costs_its_seconds_whatever_its_size() -> None:
    swap = SwapJob("film", (PairRef((PhotoRef("me"),)),))
    assert (units_of(swap, FILM), units_of(swap, GIF)) == (12, 80)


def test_the_units_of_a_scan_are_set_aside_and_charged(
    parts: Parts, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "FREE_GIGAPIXELS", 0)
    monkeypatch.setattr(prices, "GIGAPIXELS_PER_UNIT", COUNT * SMALL * SMALL / 2e9)
    with open_office(tmp_path) as office, worker(office, tmp_path, parts, None) as work:
        client_id = new_client(office, quota_units=5).client_id
        scans = [ScanJob(upload(office, client_id, material.film)) for _ in range(3)]
        jobs = [submit(office, client_id, scan)["id"] for scan in scans]
        tasks = ("fetch", "probe", "scan", "finish")
        ended = [work_off(work, job, tasks) for job in jobs]
        assert [job["state"] for job in ended] == ["succeeded", "succeeded", "failed"]
        assert ended[2]["error_code"] == "quota_exceeded"
        with office.database.reading() as connection:
            left = ledger.balance(connection, client_id)
        assert (left.used, left.held) == (4, 0)
