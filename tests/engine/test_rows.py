"""What a scan keeps of each face, in memory and outside of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faces import posed, rotation
from full_disk import largest_file
from lendface.engine.mesh.topology import Topology
from lendface.engine.rows import ROW, MemoryLog, hands_of, landmarks_of, pack_row
from lendface.engine.types import Array, Hand
from lendface.errors import DiskFullError
from lendface.pipeline import rowlog
from lendface.pipeline.rowlog import SpooledLog


def random_row(index: int) -> Array:
    random = np.random.default_rng(index)
    landmarks = random.normal(300, 80, (478, 3)).astype(np.float32)
    light = random.normal(4, 1, (16, 16, 3)).astype(np.float32)
    return pack_row(index, index % 3, 0.9, landmarks, light, ())


@pytest.mark.parametrize("scale", [0.5, 20.0, 150.0])
def test_landmarks_keep_a_small_part_of_the_faces_reach(topology: Topology, scale: float) -> None:
    face = posed(topology, rotation(30, 10, 5), scale, (1800.0, 900.0, -40.0))
    row = pack_row(7, 2, 0.75, face, np.zeros((16, 16, 3), np.float32), ())
    reach = np.ptp(face, axis=0).max() / 2
    np.testing.assert_allclose(landmarks_of(row), face, atol=reach / 30_000 + 2e-4)
    assert (int(row["frame"]), int(row["tracklet"]), float(row["score"])) == (7, 2, 0.75)


def test_light_keeps_a_thousandth(topology: Topology) -> None:
    light = np.random.default_rng(0).uniform(2, 5.6, (16, 16, 3)).astype(np.float32)
    row = pack_row(0, 0, 1.0, posed(topology), light, ())
    np.testing.assert_allclose(row["light"].astype(np.float32), light, atol=0.002)


def test_the_two_surest_hands_are_kept(topology: Topology) -> None:
    random = np.random.default_rng(5)
    hands = [Hand(random.uniform(0, 900, (21, 2)).astype(np.float32), s) for s in (0.5, 0.9, 0.7)]
    row = pack_row(0, 0, 1.0, posed(topology), np.zeros((16, 16, 3), np.float32), tuple(hands))
    kept = hands_of(row)
    assert [hand.score for hand in kept] == pytest.approx([0.9, 0.7])
    np.testing.assert_array_equal(kept[0].points_xy, hands[1].points_xy)
    nobody = pack_row(0, 0, 1.0, posed(topology), np.zeros((16, 16, 3), np.float32), ())
    assert hands_of(nobody) == ()


def test_a_spooled_log_gives_what_a_memory_log_gives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rowlog, "IN_MEMORY_BYTES", 5 * ROW.itemsize)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    memory, spooled = MemoryLog(), SpooledLog()
    for index in range(20):
        memory.append(random_row(index))
        spooled.append(random_row(index))
        assert spooled.read(index // 2).tobytes() == memory.read(index // 2).tobytes()
    assert len(spooled) == len(memory) == 20
    for index in (19, 0, 7, 7, 18):
        assert spooled.read(index).tobytes() == memory.read(index).tobytes()
        assert spooled.read(index).dtype == ROW
    assert is_on_disk(tmp_path)  # it did leave the memory ...
    assert list(tmp_path.iterdir()) == []  # ... for a file without a name
    spooled.close()
    assert not is_on_disk(tmp_path)


def is_on_disk(folder: Path) -> bool:
    """Whether this process holds a file of that folder open."""
    handles = Path("/proc/self/fd")
    if not handles.is_dir():
        pytest.skip("only Linux shows which files are open")
    return any(str(handle.resolve()).startswith(f"{folder}/") for handle in handles.iterdir())


def test_a_full_disk_is_said_when_rows_no_longer_fit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rowlog, "IN_MEMORY_BYTES", 2 * ROW.itemsize)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    log = SpooledLog()
    with largest_file(6 * ROW.itemsize), pytest.raises(DiskFullError, match="disk is full"):
        fill(log)
    del log  # which closes its file, although the last rows cannot be written


def fill(log: SpooledLog) -> None:
    for index in range(20):
        log.append(random_row(index))
