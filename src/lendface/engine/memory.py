"""How freed memory is kept for the next frame, and how often garbage is looked for.

All of it is the whole process's. So nothing is done here before the process is known to be ours:
the command, a worker, a process that renders parts. A program that calls the Python API keeps its
allocator, its collector and its nets as they are.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from contextlib import suppress
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of glibc's mallopt
KEPT_BYTES = 64 << 20
LARGEST_KEPT_BYTES = 32 << 20  # of one array; glibc takes no more

OBJECTS_BETWEEN_LOOKS = 20_000  # of the garbage collector; Python's own is 700

_is_ours = threading.Event()


def own_process() -> None:
    """This process does nothing but our work: it may be tuned for that, from now on."""
    _is_ours.set()


def is_own_process() -> bool:
    return _is_ours.is_set()


def prepare_to_render() -> None:
    """In a process of our own: freed memory is kept for the next frame."""
    if is_own_process():
        keep_freed_memory()


def return_freed_memory() -> None:
    """In a process of our own: what the C library keeps of freed memory goes back to the system.

    Does nothing where it is not glibc.
    """
    if is_own_process():
        gc.collect()
        trim_heap()


def trim_heap() -> None:
    """The same for what was freed already; nobody looks for more."""
    if is_own_process():
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


@cache
def keep_freed_memory() -> bool:
    """Let the process keep some of the memory that it frees; False where that cannot be told.

    A frame's arrays are megabytes large. glibc gives such memory back to the system as soon as it
    is free and takes it again for the next array, page by page: a third of the time of a face.
    """
    is_kept = _tell_malloc(M_TRIM_THRESHOLD, KEPT_BYTES)
    return _tell_malloc(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES) and is_kept


def share_freed_memory() -> bool:
    """For a process of our own, before its threads begin: what one of them has freed another one
    gets. False where that cannot be told.

    glibc gives each thread a heap of its own, and a frame is freed by another thread than took it.
    """
    return _tell_malloc(M_ARENA_MAX, 1)


def _tell_malloc(what: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(what, value))
    except (OSError, AttributeError):  # another C library
        return False


def collect_rarely() -> None:
    """For a process of our own, once its modules are there: they stay to the end, and frames are
    freed without the garbage collector. Its looks at all of that were three hundredths of a swap.
    """
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS)
