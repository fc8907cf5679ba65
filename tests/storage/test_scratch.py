"""A worker's temporary files: copies made once, kept while used, never more than allowed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from full_disk import largest_file
from lendface.errors import DiskFullError, ExecutorTakenError, ScratchFullError
from lendface.storage.disk import opened, write_all
from lendface.storage.scratch import IDLE_S, MARK, Scratch


class Filler:
    """Writes ``size`` bytes and remembers how often."""

    def __init__(self, size: int = 10) -> None:
        self.size, self.times = size, 0

    def __call__(self, path: Path) -> None:
        self.times += 1
        path.write_bytes(b"x" * self.size)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "scratch" / "worker-1"


@pytest.fixture
def scratch(root: Path) -> Scratch:
    return Scratch(root, 30)


def kept(root: Path) -> int:
    return len(list((root / "copies").iterdir()))


# New files


def test_a_new_file_is_empty_private_and_gone_at_the_end(scratch: Scratch, root: Path) -> None:
    with scratch.new_file(".mp4") as path, scratch.new_file(".mp4") as other:
        assert path != other
        assert path.suffix == ".mp4"
        assert path.read_bytes() == b""
        assert path.stat().st_mode & 0o777 == 0o600
        assert root.stat().st_mode & 0o777 == 0o700
    assert not path.exists()


def test_a_new_file_may_be_moved_away_or_left_by_an_error(scratch: Scratch, tmp_path: Path) -> None:
    with scratch.new_file() as path:
        path.rename(tmp_path / "moved")
    with pytest.raises(KeyError), scratch.new_file() as path:
        raise KeyError
    assert not path.exists()


def test_what_a_dead_worker_left_goes_at_the_start(scratch: Scratch, root: Path) -> None:
    with ExitStack() as never_closed:
        never_closed.enter_context(scratch.new_file())
        with scratch.copy("a", 10, Filler()):
            pass
        (root / "of the operator").touch()
        never_closed.pop_all()
    os.close(scratch._held)  # as when it is killed
    again = Scratch(root, 30)
    names = sorted(path.name for path in root.iterdir() if path.name != MARK)
    assert names == ["copies", "files", "of the operator"]
    assert list((root / "files").iterdir()) == []
    assert kept(root) == 0
    again.close()


def test_nothing_is_left_where_a_worker_ends_in_good_order(scratch: Scratch, root: Path) -> None:
    (root / "of the operator").touch()
    with scratch.new_file(), scratch.copy("a", 10, Filler()):
        pass
    scratch.close()
    assert [path.name for path in root.iterdir() if path.name != MARK] == ["of the operator"]


def test_what_a_killed_worker_left_goes_while_another_works(scratch: Scratch, root: Path) -> None:
    killed = Scratch(root.with_name("worker-2"), 30)
    with killed.copy("a", 10, Filler()) as abandoned:
        pass
    strangers = root.with_name("of the operator") / "copies"
    strangers.mkdir(parents=True)
    (strangers / "a").touch()
    with scratch.copy("a", 10, Filler()) as own:
        scratch.clear_abandoned()
        assert [own.exists(), abandoned.exists()] == [True, True]  # both live
        os.close(killed._held)
        scratch.clear_abandoned()
        assert [own.exists(), abandoned.exists()] == [True, False]
    assert (strangers / "a").exists()
    assert sorted(path.name for path in root.parent.iterdir()) == [
        "of the operator",
        "worker-1",
        "worker-2",
    ]
    Scratch(root.with_name("worker-2"), 30).close()  # which may come back


# Nameless files


def test_a_nameless_file_is_in_no_folder_and_gone_at_the_end(scratch: Scratch, root: Path) -> None:
    with scratch.nameless_file() as path:
        path.write_bytes(b"a face")
        with path.open("rb") as later:
            assert path.read_bytes() == b"a face"
            assert [each for each in root.rglob("*") if each.is_file() and each.name != MARK] == []
            still_open = os.fstat(later.fileno())
    assert still_open.st_nlink == 0
    assert not path.exists()


def test_a_second_worker_of_the_name_is_refused_and_takes_nothing_away(
    scratch: Scratch, root: Path
) -> None:
    with scratch.new_file() as path, scratch.copy("a", 10, Filler()) as copy:
        with pytest.raises(ExecutorTakenError, match="a worker named worker-1 is already running"):
            Scratch(root, 30)
        assert path.exists()
        assert copy.exists()


# Copies


def test_a_copy_is_made_once_and_keeps_its_ending(scratch: Scratch) -> None:
    fill = Filler()
    for _ in range(3):
        with scratch.copy('"tag" up/film.mp4', 10, fill) as path:
            assert path.read_bytes() == b"x" * 10
            assert path.suffix == ".mp4"
    assert fill.times == 1


def test_copies_not_used_for_longest_go_first(scratch: Scratch, root: Path) -> None:
    fillers = {name: Filler() for name in "abcd"}

    def use(names: str) -> list[int]:
        for name in names:
            with scratch.copy(name, 10, fillers[name]):
                pass
        return [filler.times for filler in fillers.values()]

    assert use("abc") == [1, 1, 1, 0]
    assert use("ad") == [1, 1, 1, 1]  # b made room
    assert kept(root) == 3
    assert use("acd") == [1, 1, 1, 1]
    assert use("b") == [1, 2, 1, 1]  # a made room
    assert use("cdb") == [1, 2, 1, 1]


def test_a_copy_in_use_is_never_taken_away(scratch: Scratch, root: Path) -> None:
    with scratch.copy("a", 20, Filler(20)) as path:
        with scratch.copy("b", 10, Filler(10)):
            pass
        with pytest.raises(ScratchFullError, match="11 bytes"), scratch.copy("c", 11, Filler(11)):
            pass
        assert path.exists()
        assert kept(root) == 2  # what is refused costs nobody his copy
    with scratch.copy("c", 11, Filler(11)):
        assert not path.exists()


def test_a_copy_that_two_use_stays_until_both_are_done(scratch: Scratch) -> None:
    with scratch.copy("a", 30, Filler(30)) as path:
        with scratch.copy("a", 30, Filler(30)):
            pass
        with pytest.raises(ScratchFullError), scratch.copy("b", 1, Filler(1)):
            pass
        assert path.exists()


def test_copies_are_forgotten_by_the_key_of_their_blob(scratch: Scratch) -> None:
    with scratch.copy("1 a", 10, Filler(), of="a") as a, scratch.copy("1 b", 10, Filler(), of="b"):
        assert scratch.kept() == {"a", "b"}
        scratch.forget(["a"])
        assert a.exists()  # in use
        with scratch.copy("1 a", 10, Filler(), of="a"):
            pass
        assert a.exists()
    assert not a.exists()
    assert scratch.kept() == {"b"}
    scratch.forget(["b", "c"])
    assert scratch.kept() == set()


def test_copies_that_nobody_used_for_a_while_go(root: Path) -> None:
    now_s = 1000.0
    scratch = Scratch(root, 30, lambda: now_s)
    with scratch.copy("a", 10, Filler(), of="a"), scratch.copy("b", 10, Filler(), of="b"):
        now_s += 2 * IDLE_S
        scratch.forget_idle()
        assert scratch.kept() == {"a", "b"}
    now_s += IDLE_S - 1
    with scratch.copy("b", 10, Filler(), of="b"):
        pass
    scratch.forget_idle()
    assert scratch.kept() == {"a", "b"}
    now_s += 1
    scratch.forget_idle()
    assert scratch.kept() == {"b"}
    scratch.close()


def test_what_never_fits_is_said(scratch: Scratch) -> None:
    fill = Filler(31)
    with (
        pytest.raises(ScratchFullError, match=r"31 bytes .* may have 30"),
        scratch.copy("a", 31, fill),
    ):
        pass
    assert fill.times == 0


def test_a_copy_that_failed_leaves_nothing_and_is_tried_again(scratch: Scratch, root: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise ConnectionResetError

    for _ in range(5):  # nor does it count
        with pytest.raises(ConnectionResetError), scratch.copy("a", 30, fail):
            pass
    assert kept(root) == 0
    with scratch.copy("a", 30, Filler(30)) as path:
        assert path.read_bytes() == b"x" * 30


def test_a_full_disk_is_told(scratch: Scratch, root: Path) -> None:
    def fill(path: Path) -> None:
        with opened(path, os.O_WRONLY | os.O_CREAT) as descriptor:
            write_all(descriptor, b"x" * 20)

    with pytest.raises(DiskFullError), largest_file(5), scratch.copy("a", 20, fill):
        pass
    assert kept(root) == 0


# Many threads


def test_threads_that_want_the_same_copy_make_it_once_and_never_see_half(scratch: Scratch) -> None:
    began, go_on = threading.Event(), threading.Event()
    times = 0

    def fill(path: Path) -> None:
        nonlocal times
        times += 1
        path.write_bytes(b"half")
        began.set()
        assert go_on.wait(60)
        path.write_bytes(b"whole")

    def read(_: int) -> bytes:
        with scratch.copy("a", 5, fill) as path:
            return path.read_bytes()

    with ThreadPoolExecutor(4) as pool:
        reading = [pool.submit(read, number) for number in range(4)]
        assert began.wait(60)
        assert not any(future.done() for future in reading)
        go_on.set()
        assert [future.result(60) for future in reading] == [b"whole"] * 4
    assert times == 1


def test_a_waiting_thread_makes_the_copy_that_another_could_not(scratch: Scratch) -> None:
    began, go_on = threading.Event(), threading.Event()

    def fail(path: Path) -> None:
        began.set()
        assert go_on.wait(60)
        raise ConnectionResetError

    def read(fill: Callable[[Path], None]) -> bytes:
        with scratch.copy("a", 10, fill) as path:
            return path.read_bytes()

    with ThreadPoolExecutor(2) as pool:
        failing = pool.submit(read, fail)
        assert began.wait(60)
        waiting = pool.submit(read, Filler())
        go_on.set()
        with pytest.raises(ConnectionResetError):
            failing.result(60)
        assert waiting.result(60) == b"x" * 10


def test_many_threads_never_keep_more_than_allowed(scratch: Scratch, root: Path) -> None:
    together = threading.Barrier(4)

    def use(seed: int) -> None:
        together.wait(60)
        for step in range(100):
            name = str((seed * 7 + step * 3) % 5)
            try:
                with scratch.copy(name, 10, Filler()) as path:
                    assert path.read_bytes() == b"x" * 10
                    assert kept(root) <= 3
            except ScratchFullError:
                pass  # the other three hold all that there is

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(4)))
