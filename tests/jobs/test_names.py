"""Two processes never work under one name."""

from __future__ import annotations

from jobs.crew import Crew, done_once


def test_the_second_of_a_name_refuses_and_disturbs_nothing(crew: Crew) -> None:
    crew.order("hold", "a", "scan")
    _, render = crew.start_both()
    crew.submit("a")
    crew.until_begun("a", "scan")
    second = crew.start("render", "cpu", is_awaited=False, take_s=0.2)
    assert second.wait() == 1
    assert "a worker named render is already running" in (crew.folder / "stderr").read_text()
    assert crew.count("render", "ready") == 1
    crew.lift("hold", "a", "scan")
    crew.until_ended("a")
    done_once(crew, "a")
    assert render.is_alive
