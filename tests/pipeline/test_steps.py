"""A job in steps gives what one program gives in one go, whoever does which step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from lendface.errors import (
    CancelledError,
    NoSuchPersonError,
    NoTargetFaceError,
    ScanFileError,
    SeveralPeopleError,
    TargetChangedError,
)
from lendface.media import EncodeOptions, fresh_starts, probe, read_image
from lendface.media.chunks import Chunk
from lendface.pipeline.parts import Parts, Progress, Watch
from lendface.pipeline.steps import (
    JobPlan,
    Rendition,
    check_single_person,
    describe_result,
    join_parts,
    plan_job,
    plan_parts,
    read_pictures,
    render_part,
    scan_file_to,
)
from lendface.pipeline.swaps import (
    CastNumber,
    CastNumbers,
    Everyone,
    LooksLike,
    Pair,
    SwapRequest,
    enrol_pairs,
    swap_files,
)
from lendface.pipeline.targets import Trim
from lendface.pipeline.trackfile import load_scan
from make_media import decoded_planes, packets_by_stream, video_times
from material import Material
from people import SHARED_MEDIA, read_person, swaying, write_film, write_photo

pytestmark = pytest.mark.slow

FAST = EncodeOptions(preset="veryfast")
WHOLE = Trim()
CLIPS, PORTRAITS = SHARED_MEDIA / "clips", SHARED_MEDIA / "portraits"


@dataclass(frozen=True)
class Steps:
    """One job, its steps done one after the other; parts in the reverse order."""

    target: Path
    pairs: tuple[Pair, ...]
    folder: Path
    parts: Parts
    trim: Trim = WHOLE
    encode: EncodeOptions = FAST
    chunk_s: float = 2.0

    @cached_property
    def cast(self) -> dict[str, Any]:
        tracks = self.folder / "tracks"
        return scan_file_to(self.target, self.trim, self.parts, Watch(), tracks)

    @cached_property
    def plan(self) -> JobPlan:
        assert self.cast
        return plan_job(self.pairs, load_scan(self.folder / "tracks"), self.parts, "the target")

    @cached_property
    def chunks(self) -> list[dict[str, Any] | None]:
        assert self.cast
        times = load_scan(self.folder / "tracks").times
        made = plan_parts(self.target, self.trim, self.encode, self.chunk_s, times)
        return json.loads(json.dumps(made))  # as another machine gets it

    @property
    def rendition(self) -> Rendition:
        plan = json.loads(json.dumps(self.plan.pair_by_track))
        return Rendition(
            self.target,
            self.folder / "tracks",
            self.pairs,
            {int(track): pair for track, pair in plan.items()},
            self.trim,
            self.encode,
        )

    def rendered(self, watch: Watch | None = None) -> Sequence[Path]:
        made = []
        for number, chunk in reversed([*enumerate(self.chunks)]):
            suffix = self.target.suffix if chunk is None else ".mp4"
            made.insert(0, self.folder / f"part{number}{suffix}")
            told = render_part(self.rendition, chunk, self.parts, watch or Watch(), made[0])
            assert told == []
        return made

    def joined(self, name: str = "joined.mp4") -> Path:
        path = self.folder / name
        assert join_parts(self.rendition, self.rendered(), path, Watch()) == []
        return path

    def in_one_go(self, name: str = "once.mp4") -> Path:
        starts = fresh_starts(Chunk(**chunk) for chunk in self.chunks if chunk)
        encode = replace(self.encode, fresh_start_pts=starts)
        request = SwapRequest(
            self.pairs, self.target, self.folder / name, trim=self.trim, encode=encode
        )
        return swap_files(request, self.parts).output


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """P005 sways for nine seconds with hardly a frame in most of them; turned, with a tone."""
    pictures = swaying(read_person("P005", side_px=200), 60, reach_px=4)
    lying = [np.ascontiguousarray(np.rot90(pixels, 1)) for pixels in pictures]
    gaps = [512, 700, 256, 512, 9000 // 4] * 12
    pts = [sum(gaps[:k]) for k in range(60)]
    path = tmp_path_factory.mktemp("film") / "in.mp4"
    return write_film(path, lying, pts=pts, rotation=-90, with_tone=True)


@pytest.fixture(scope="module")
def job(
    film: Path, material: Material, parts: Parts, tmp_path_factory: pytest.TempPathFactory
) -> Steps:
    return Steps(film, (Pair((material.photo,)),), tmp_path_factory.mktemp("job"), parts, chunk_s=1)


def test_a_turned_film_of_uneven_clock_comes_out_of_its_parts_as_in_one_go(job: Steps) -> None:
    assert len(job.chunks) >= 3
    joined, once = job.joined(), job.in_one_go()
    assert packets_by_stream(joined) == packets_by_stream(once)
    assert video_times(joined) == video_times(job.target)
    assert packets_by_stream(joined)[1] == packets_by_stream(job.target)[1]
    assert replace(probe(joined), path=once) == probe(once)
    assert probe(joined).rotation == probe(job.target).rotation == 90


def test_the_parts_show_the_new_face(job: Steps) -> None:
    """Else this would compare two unchanged films."""
    assert (job.plan.pair_by_track, job.plan.warnings) == ({1: 0}, ())
    assert len(job.plan.sources) == 1
    before, after = decoded_planes(job.target), decoded_planes(job.joined())
    changed = [
        np.abs(a[0].astype(int) - b[0]).max() for (_, a), (_, b) in zip(before, after, strict=True)
    ]
    assert min(changed) > 40


def test_a_trim_with_fewer_and_smaller_frames_comes_out_as_in_one_go(
    job: Steps, tmp_path: Path
) -> None:
    encode = replace(FAST, max_fps=10, max_long_side=120)
    trimmed = replace(
        job, folder=tmp_path, trim=Trim(Fraction(3, 5), Fraction(7)), encode=encode, chunk_s=0.6
    )
    assert len(trimmed.chunks) >= 3
    joined, once = trimmed.joined(), trimmed.in_one_go()
    assert packets_by_stream(joined) == packets_by_stream(once)
    assert probe(joined).size_wh == (120, 120)
    assert 20 < len(video_times(joined)) < trimmed.cast["frames"]
    assert video_times(joined)[0] == 0


@pytest.mark.parametrize(("name", "codec"), [("out.mkv", None), ("out.webm", "av1")])
def test_other_containers_are_joined_too(name: str, codec: Any, job: Steps, tmp_path: Path) -> None:
    encode = EncodeOptions(codec, preset="12" if codec else "veryfast")
    other = replace(job, folder=tmp_path, encode=encode, trim=Trim(end_s=Fraction(3)), chunk_s=0.5)
    path = tmp_path / name
    warnings = join_parts(other.rendition, other.rendered(), path, Watch())
    assert any("round times to milliseconds" in text for text in warnings)
    told = describe_result(path)
    assert told["frames"] == other.cast["frames"] == len(video_times(path))


def test_a_picture_is_rendered_whole(material: Material, parts: Parts, tmp_path: Path) -> None:
    target = write_photo(tmp_path / "in.png", read_person("P005"))
    job = Steps(target, (Pair((material.photo,)),), tmp_path, parts)
    assert job.chunks == [None]
    assert job.cast["frames"] == 1
    (made,) = job.rendered()
    once = job.in_one_go("once.png")
    assert made.read_bytes() == once.read_bytes()
    assert made.read_bytes() != target.read_bytes()
    small = replace(job, encode=EncodeOptions(max_long_side=100))
    (made,) = small.rendered()
    assert read_image(made)[0].size_wh == (100, 100)


def test_a_smaller_picture_keeps_its_transparency(
    material: Material, parts: Parts, tmp_path: Path
) -> None:
    rgb = read_person("P005")
    alpha = np.tile(np.linspace(0, 255, 480).astype(np.uint8), (480, 1))
    done, data = cv2.imencode(".png", np.dstack([rgb[..., ::-1], alpha]))
    assert done
    (tmp_path / "in.png").write_bytes(data.tobytes())
    encode = EncodeOptions(max_long_side=96)
    job = Steps(tmp_path / "in.png", (Pair((material.photo,)),), tmp_path, parts, encode=encode)
    (made,) = job.rendered()
    kept = read_image(made)[1].alpha
    assert kept is not None
    assert kept.shape == (96, 96)
    np.testing.assert_allclose(kept[0], cv2.resize(alpha, (96, 96), 0, 0, 0, cv2.INTER_AREA)[0])


# Who gets whose face


def test_the_plan_says_which_source_each_person_gets(
    material: Material, parts: Parts, tmp_path: Path
) -> None:
    pairs = (
        Pair((material.photo,), LooksLike(material.film_person)),
        Pair((material.other_person,), CastNumber(2)),
    )
    job = Steps(material.two_people, pairs, tmp_path, parts)
    assert [person["face"] for person in job.cast["people"]] == [1, 2]
    assert job.plan.pair_by_track == {1: 0, 2: 1}
    both = replace(job, pairs=(Pair((material.photo,), CastNumbers((1, 2))),))
    assert both.plan.pair_by_track == {1: 0, 2: 0}
    with pytest.raises(NoSuchPersonError, match="there is no face 3"):
        _ = replace(job, pairs=(Pair((material.photo,), CastNumbers((1, 3))),)).plan


def test_a_face_of_a_photo_can_be_shown_by_a_point(
    material: Material, parts: Parts, tmp_path: Path
) -> None:
    """``duo`` shows P010 at left and P003 at right."""
    left, right = (200.0, 250.0), (700.0, 250.0)
    scan = Steps(material.film, (), tmp_path, parts)
    assert scan.cast
    found = load_scan(tmp_path / "tracks")

    def source_of(pair: Pair) -> np.ndarray:
        return enrol_pairs([pair], parts)[0][0].embedding

    expected = source_of(Pair((material.other_person,)))
    for pair in (
        Pair((material.duo,), faces_at_xy=(left,)),
        Pair((material.duo,), faces_at_xy=((-500.0, 100.0),)),  # the nearest
        Pair((material.duo, material.other_person), face_numbers=(1, None)),
    ):
        assert source_of(pair) @ expected > 0.4
    assert source_of(Pair((material.duo,), faces_at_xy=(right,))) @ expected < 0.3
    with_reference = Pair((material.photo,), LooksLike(material.duo, face_at_xy=left))
    with pytest.raises(NoSuchPersonError, match=r"nobody in the target looks like duo\.png"):
        plan_job([with_reference], found, parts, "the target")


def test_a_plan_warns_of_a_photo_that_cuts_the_face(
    material: Material, parts: Parts, tmp_path: Path
) -> None:
    """What a server's jobs tell in ``warnings``."""
    assert Steps(material.film, (), tmp_path, parts).cast
    whole = read_person("P003")
    low = write_photo(tmp_path / "low.png", whole[: round(0.5 * whole.shape[0])])
    plan = plan_job([Pair((low,))], load_scan(tmp_path / "tracks"), parts, "the target")
    (warning,) = plan.warnings
    assert warning.startswith("the face in low.png is cut: the photo ends before the ")


def test_whoever_is_most_present_may_stand_in_where_nobody_matches(
    material: Material, parts: Parts, tmp_path: Path
) -> None:
    assert Steps(material.two_people, (), tmp_path, parts).cast
    found = load_scan(tmp_path / "tracks")
    stranger = LooksLike(material.same_person, or_most_present=True)
    plan = plan_job([Pair((material.photo,), stranger)], found, parts, "the target")
    assert plan.pair_by_track == {1: 0}
    assert plan.warnings == (
        "nobody in the target looks like p003_selfie.jpg; the most present person was taken",
    )
    others = [Pair((material.photo,), stranger), Pair((material.other_person,), CastNumber(2))]
    with pytest.raises(NoSuchPersonError):  # they may be meant for another pair
        plan_job(others, found, parts, "the target")
    never = replace(stranger, or_most_present=False)
    with pytest.raises(NoSuchPersonError):
        plan_job([Pair((material.photo,), never)], found, parts, "the target")


def test_a_film_without_people_and_one_with_several_say_so(
    material: Material, parts: Parts, tmp_path: Path
) -> None:
    nobody = Steps(material.landscape_film, (Pair((material.photo,)),), tmp_path, parts)
    assert nobody.cast["people"] == []
    with pytest.raises(NoTargetFaceError, match=r"^no usable face in the target"):
        _ = nobody.plan
    everyone = replace(nobody, target=material.two_people, pairs=(Pair((), Everyone()),))
    assert len(everyone.cast["people"]) == 2
    with pytest.raises(SeveralPeopleError):
        check_single_person(load_scan(tmp_path / "tracks"))


def test_everybody_is_shown_at_their_best(material: Material, parts: Parts, tmp_path: Path) -> None:
    job = Steps(material.two_people, (), tmp_path, parts)
    people = job.cast["people"]
    found = load_scan(tmp_path / "tracks")
    pictures = {made.face: made for made in read_pictures(job.target, WHOLE, found)}
    assert sorted(pictures) == [person["face"] for person in people] == [1, 2]
    for person, who in zip(people, ("P005", "P010"), strict=True):
        small = decoded(pictures[person["face"]].thumbnail)
        assert max(small.shape[:2]) <= 256
        assert pictures[person["face"]].thumbnail[:2] == b"\xff\xd8"
        (tmp_path / f"{who}.png").write_bytes(pictures[person["face"]].portrait)
        x0, y0, x1, y1 = person["best_box_xyxy"]
        inside = [x0 <= x <= x1 and y0 <= y <= y1 for x, y in person["landmarks_xy"]]
        assert inside == [True] * 5
    # the portrait is good enough to be a source or a reference
    pair = Pair((material.photo,), LooksLike(tmp_path / "P010.png"))
    assert plan_job([pair], found, parts, "it").pair_by_track == {2: 0}


def test_a_picture_of_a_trim_and_of_a_still_is_the_right_one(
    job: Steps, material: Material, parts: Parts, tmp_path: Path
) -> None:
    trimmed = replace(job, folder=tmp_path, trim=Trim(Fraction(2), Fraction(5)))
    assert trimmed.cast["people"][0]["best_time_s"] >= 2
    found = load_scan(tmp_path / "tracks")
    (made,) = read_pictures(job.target, trimmed.trim, found)
    assert decoded(made.thumbnail).std() > 10
    photo = write_photo(tmp_path / "in.png", read_person("P005"))
    still = Steps(photo, (), tmp_path, parts)
    assert still.cast["frames"] == 1
    (made,) = read_pictures(photo, WHOLE, load_scan(tmp_path / "tracks"))
    assert decoded(made.portrait).std() > 10


def decoded(data: bytes) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return pixels


# What goes wrong


def test_cancelling_is_looked_at_on_every_frame_and_leaves_nothing(
    job: Steps, tmp_path: Path
) -> None:
    seen: list[Progress] = []

    def watch_until(count: int) -> Watch:
        seen.clear()
        return Watch(seen.append, lambda: len(seen) >= count)

    with pytest.raises(CancelledError):
        scan_file_to(job.target, WHOLE, job.parts, watch_until(4), tmp_path / "tracks")
    assert [(p.stage, p.done) for p in seen] == [("scan", k) for k in range(1, 5)]
    chunk = job.chunks[1]
    assert chunk is not None
    with pytest.raises(CancelledError):
        render_part(job.rendition, chunk, job.parts, watch_until(3), tmp_path / "part.mp4")
    assert seen[-1] == Progress("render", 3, chunk["frame_count"])
    rendered = job.rendered()
    with pytest.raises(CancelledError):
        join_parts(job.rendition, rendered, tmp_path / "out.mp4", watch_until(5))
    assert len(seen) == 5
    assert list(tmp_path.iterdir()) == []


def test_another_target_than_the_scanned_one_is_noticed(job: Steps, tmp_path: Path) -> None:
    frames = swaying(read_person("P005", side_px=200), 60, reach_px=4)
    other = write_film(tmp_path / "in.mp4", frames)  # as many frames at other times
    wrong = replace(job.rendition, target=other)
    for chunk in (job.chunks[0], job.chunks[1]):
        with pytest.raises(TargetChangedError):
            render_part(wrong, chunk, job.parts, Watch(), tmp_path / "part.mp4")
    with pytest.raises(TargetChangedError):
        render_part(wrong, None, job.parts, Watch(), tmp_path / "part.png")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_a_damaged_scan_is_an_error(job: Steps, tmp_path: Path) -> None:
    data = bytearray((job.folder / "tracks").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "tracks").write_bytes(data)
    wrong = replace(job.rendition, tracks=tmp_path / "tracks")

    def render_all() -> None:
        for number, chunk in enumerate(job.chunks):
            render_part(wrong, chunk, job.parts, Watch(), tmp_path / f"part{number}.mp4")

    with pytest.raises(ScanFileError):
        render_all()


def test_a_cut_off_film_stays_in_one_part_and_says_what_is_missing(
    film: Path, material: Material, parts: Parts, tmp_path: Path
) -> None:
    frames = swaying(read_person("P005", side_px=160), 40, reach_px=4)
    whole = write_film(tmp_path / "whole.mkv", frames, time_base=Fraction(1, 1000), pts=[
        100 * k for k in range(40)])  # fmt: skip
    data = whole.read_bytes()
    target = tmp_path / "in.mkv"
    target.write_bytes(data[: len(data) * 7 // 10] + bytes(200))
    job = Steps(target, (Pair((material.photo,)),), tmp_path, parts, chunk_s=0.5)
    (text,) = job.cast["warnings"]
    assert text.startswith("the file is damaged or cut off; decoded ")
    joined = job.joined()
    assert len(video_times(joined)) == job.cast["frames"] < 40


def test_packets_that_are_not_the_scanned_frames_stay_in_one_part(job: Steps) -> None:
    times = [Fraction(k) for k in range(60)]
    (only,) = plan_parts(job.target, WHOLE, FAST, 1, times)
    assert only is not None
    assert (only["start_pts"], only["end_pts"], only["frame_count"]) == (None, None, 60)
    hardware = replace(FAST, encoder="h264_nvenc")
    assert len(plan_parts(job.target, WHOLE, hardware, 1)) == 1
    trim = Trim(Fraction(1), Fraction(4))
    (only,) = plan_parts(job.target, trim, hardware, 1)
    assert only is not None
    assert (only["start_pts"], only["end_pts"]) == (12_800, 51_200)


def test_a_result_is_told_with_its_hash(job: Steps, tmp_path: Path) -> None:
    path = job.joined("told.mp4")
    told = json.loads(json.dumps(describe_result(path)))
    data = path.read_bytes()
    assert told["sha256"] == hashlib.sha256(data).hexdigest()
    assert (told["size"], told["content_type"], told["frames"]) == (len(data), "video/mp4", 60)
    assert (told["width"], told["height"]) == (200, 200)
    photo = write_photo(tmp_path / "a.webp", read_person("P005"))
    assert describe_result(photo)["content_type"] == "image/webp"


@pytest.mark.clips
@pytest.mark.slow
@pytest.mark.skipif(not CLIPS.is_dir(), reason="the shared test clips are not here")
@pytest.mark.parametrize(
    ("clip", "portrait"),
    [
        ("s01_talk_glasses", "p09_real_m40_black"),
        ("s07_two_people_head_roll", "p07_syn_f55_easian"),
    ],
)
def test_real_clips_come_out_of_their_parts_as_in_one_go(
    clip: str, portrait: str, parts: Parts, tmp_path: Path
) -> None:
    pairs = (Pair((PORTRAITS / f"{portrait}.jpg",)),)
    trim = Trim(Fraction(1, 2), Fraction(4))
    job = Steps(CLIPS / f"{clip}.mp4", pairs, tmp_path, parts, trim=trim, chunk_s=1)
    assert len(job.chunks) > 1
    assert packets_by_stream(job.joined()) == packets_by_stream(job.in_one_go())
