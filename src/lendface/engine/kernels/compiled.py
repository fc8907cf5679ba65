"""The decorator that compiles a kernel, and where the machine code is kept.

Numba keeps compiled code beside the source or in the user's cache folder. Where a package belongs
to root and a user has no home neither can be written, and Numba would refuse; so a folder is
chosen here: with the operator's data where they chose a folder for it, else the user's cache, else
a private one among the temporary files, else none, and then each process compiles for itself. The
folder is named after the kernels' source, so that another version of the package never meets old
code.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from . import chosen_place

WorkT = TypeVar("WorkT", bound=Callable[..., Any])
# Sums may be taken in another order and multiplied and added at once; NaN and infinity keep.
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}

KERNELS: list[Callable[[], Any]] = []  # of the modules that are imported; a call makes it ready
_config_lock = threading.Lock()
_before: dict[str, str] = {}  # Numba's setting without us, by the folder that we put there


def compiled(signature: str) -> Callable[[WorkT], WorkT]:
    """A kernel for one signature: compiled, or taken from the cache, when it is first called."""

    def decorate(work: WorkT) -> WorkT:
        lock = threading.Lock()

        @cache
        def made() -> Any:
            return compile_for(signature, work)

        def get() -> Any:
            with lock:  # once, though two threads want it at once
                return made()

        @wraps(work)
        def run(*values: Any) -> Any:
            return get()(*values)

        get.is_ready = lambda: bool(made.cache_info().currsize)  # type: ignore[attr-defined]
        KERNELS.append(get)
        return cast(WorkT, run)

    return decorate


def compile_for(signature: str, work: Callable[..., Any]) -> Callable[..., Any]:
    options: Any = {"nogil": True, "fastmath": FASTMATH, "error_model": "numpy"}
    if folder := cache_folder():
        try:
            with kept_in(folder):
                return numba.njit(signature, cache=True, **options)(work)
        except (OSError, RuntimeError):  # the disk is full, or the folder went away
            pass
    return numba.njit(signature, **options)(work)


def inlined(work: WorkT) -> WorkT:
    """A part of kernels, compiled into each that calls it."""
    return numba.njit(fastmath=FASTMATH, error_model="numpy", forceinline=True)(work)


def cache_folder() -> Path | None:
    """Where machine code is kept between processes; None where nothing may be written.

    ``NUMBA_CACHE_DIR``, which is Numba's own word, goes before.
    """
    chosen = numba.config.CACHE_DIR
    # Another thread may be compiling: then this is the folder that we chose ourselves.
    return _folder_for(_before.get(chosen, chosen), chosen_place())


@cache
def _folder_for(chosen: str, own: Path | None) -> Path | None:
    name = f"kernels-{source_hash()}"
    first = [Path(chosen)] if chosen else [own] if own else []
    is_users = chosen and (own is None or Path(chosen) != own)
    for place in first if is_users else [*first, *user_caches(), private_temporary()]:
        folder = place / "lendface" / name
        try:
            if place == own and not is_private(own):
                continue
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


def count_missing() -> int:
    """Kernels that are neither ready in this process nor kept: each has an index of its own."""
    if all(get.is_ready() for get in KERNELS):  # type: ignore[attr-defined]
        return 0
    folder = cache_folder()
    kept = sum(1 for _ in folder.rglob("*.nbi")) if folder else 0
    return max(0, len(KERNELS) - kept)


def user_caches() -> Iterator[Path]:
    if named := os.environ.get("XDG_CACHE_HOME"):
        yield Path(named)
    home = os.path.expanduser("~")
    if os.path.isdir(home):
        yield Path(home) / ".cache"


def private_temporary() -> Path:
    """A folder that only this user may write to: machine code is loaded from it.

    Where another user was there first, one that does not exist, so that nothing is kept.
    """
    folder = Path(tempfile.gettempdir()) / f"lendface-cache-{os.getuid()}"
    try:
        return folder if is_private(folder) else Path(os.devnull)
    except OSError:
        return Path(os.devnull)


def is_private(folder: Path) -> bool:
    """Whether only this user may write to a folder, which is made where it is not there.

    Raises OSError.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    seen = folder.lstat()
    is_ours = stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid()
    return is_ours and not seen.st_mode & 0o022


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Numba looks at its setting when a function is decorated."""
    with _config_lock:
        before = _before[str(folder)] = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(folder)
        try:
            yield
        finally:
            numba.config.CACHE_DIR = before


def source_hash() -> str:
    """A short hash of the kernels' source."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
