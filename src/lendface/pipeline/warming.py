"""What a swap is going to need, made ready by another thread while its photos are read.

To load nets leaves the interpreter free for most of the time, and on a machine of two cores the
second has nothing to do until the scan begins. Kernels come last: to import what loads them takes
the interpreter, which reading photos needs and the nets of a scan do not.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain

from ..engine import kernels
from ..engine.memory import trim_heap
from ..models.session import LaterSession
from .parts import Watch

COMPILE = "compile"  # a stage of progress; what is counted are kernels, not frames


@contextmanager
def warmed(nets: Iterable[LaterSession], *, with_kernels: bool) -> Iterator[None]:
    """Load nets in their order, and then the kernels of the swapper, while the block runs.

    What fails is left for whoever needs it, who meets the same error. What was not begun when the
    block ends is left too.
    """
    is_over = threading.Event()

    def work() -> None:
        with suppress(Exception):
            for _ in chain(_load_each(nets), kernels.load_all() if with_kernels else ()):
                if is_over.is_set():
                    return

    thread = threading.Thread(target=work, name="warming")
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def compile_once(watch: Watch, *, here: bool) -> None:
    """Say that kernels are compiled, where they are not kept from an earlier time.

    ``here``, in this process, one after the other; else only say it, since others are about it.
    Raises CancelledError.
    """
    if not (missing := kernels.count_missing()):
        return
    watch.step(COMPILE, 0, missing)
    if here:
        for done, _ in enumerate(kernels.load_all(), start=1):
            watch.step(COMPILE, min(done, missing), missing)


def _load_each(nets: Iterable[LaterSession]) -> Iterator[None]:
    for net in nets:
        net.load()
        yield
    trim_heap()  # to open nets took 140 MiB more than they keep
