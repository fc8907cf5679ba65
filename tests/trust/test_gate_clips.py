"""No adult of the shared portraits, nor of the two hardest clips, is refused.

``benchmarks/trust_rates.py`` does the same with all clips; docs/trust.md has its figures.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lendface.engine.enrol import Photo
from lendface.engine.types import SourceFace
from lendface.media import read_image
from lendface.models.nsfw import OpenNsfw
from lendface.pipeline.parts import Parts
from lendface.pipeline.scans import scan_target
from lendface.pipeline.targets import Trim, open_target
from lendface.trust.gate import judge_portrait, judge_reading
from lendface.trust.readings import FilmReader, GateNets, read_again
from people import SHARED_MEDIA

PORTRAITS = sorted((SHARED_MEDIA / "portraits").glob("*.jpg"))
HARDEST = ("s11_sign_hand_at_forehead", "s09_small_faces_classroom")  # young; too small to tell

pytestmark = [
    pytest.mark.slow,
    pytest.mark.clips,
    pytest.mark.skipif(not SHARED_MEDIA.is_dir(), reason="the shared test media are not here"),
]


@pytest.fixture(scope="module")
def nets() -> GateNets:
    return GateNets.load()


@pytest.mark.parametrize("path", PORTRAITS, ids=lambda path: path.stem)
def test_an_adults_portrait_passes(path: Path, parts: Parts, nets: GateNets) -> None:
    portrait = parts.enroller.portrait(Photo(path.name, read_image(path)[0]))
    verdict = judge_portrait(SourceFace((portrait,), portrait.embedding), nets)
    assert (verdict.findings, verdict.unread) == ((), ())
    assert OpenNsfw.load().score(portrait.picture) < 0.05


@pytest.mark.parametrize("name", HARDEST)
def test_a_clip_of_adults_passes(name: str, parts: Parts, nets: GateNets) -> None:
    target = open_target(SHARED_MEDIA / "clips" / f"{name}.mp4", Trim()).as_target()
    reader = FilmReader(nets, target.frame_count)
    scan = scan_target(target, parts, None, reader.see)
    people = [person.id for person in scan.people]
    reading = read_again(target, scan.tracks, people, reader.finish(scan.tracks), nets)
    verdict = judge_reading(reading, people)
    assert verdict.findings == ()
    assert verdict.unread == (tuple(people) if name.startswith("s09") else ())
