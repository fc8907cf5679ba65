"""A program that calls the Python API stays as it is: allocator, collector, threads, nets."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from material import Material

pytestmark = pytest.mark.slow

HOST = """
import ctypes, gc, json, locale, logging, os, signal, sys, threading, warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import av, cv2, numba, numpy, onnxruntime
import lendface
from lendface.engine import kernels
from lendface.engine.memory import is_own_process
from lendface.pipeline import room

load, told_libc = ctypes.CDLL, []

class Watched:
    def __getattr__(self, name):
        told_libc.append(name)
        return getattr(load(None), name)

ctypes.CDLL = lambda name, *rest, **more: Watched() if name is None else load(name, *rest, **more)

def state():
    root = logging.getLogger()
    return {
        "gc": [gc.get_threshold(), gc.get_freeze_count(), gc.isenabled()],
        "libc": [name for name in told_libc if name in ("mallopt", "malloc_trim")],
        "opencv": cv2.getNumThreads(),
        "nice": os.nice(0),
        "signals": [str(signal.getsignal(number)) for number in signal.valid_signals()],
        "logging": [root.level, len(root.handlers), logging.root.manager.disable],
        "floats": numpy.geterr(),
        "warnings": len(warnings.filters),
        "locale": locale.setlocale(locale.LC_ALL),
        "environment": dict(os.environ),
        "switch": sys.getswitchinterval(),
        "folder": os.getcwd(),
        "umask": [os.umask(0o22), os.umask(0o22)],
        "hooks": [str(sys.excepthook), str(threading.excepthook)],
        "numba": str(numba.config.CACHE_DIR),
    }

room.LONG_PIXELS = 0  # every film counts as a long one
photos, target, film, folder = sys.argv[1].split(","), sys.argv[2], sys.argv[3], Path(sys.argv[4])
parts = lendface.build()
picture = lendface.app._picture(target).pixels
for _ in kernels.load_all():  # numba's own imports are not what is asked about
    pass
os.umask(0o22)
gc.set_threshold(123, 4, 5)
before = state()
alone = [lendface.swap(photo, picture, parts=parts) for photo in photos]
with ThreadPoolExecutor(2) as pool:
    films = [
        pool.submit(lendface.swap, photo, film, folder / f"{number}.mp4", parts=parts)
        for number, photo in enumerate(photos)
    ]
    arrays = [pool.submit(lendface.swap, photo, picture, parts=parts) for photo in photos]
    together = [made.result() for made in arrays]
    frames = [made.result().frames for made in films]
print(json.dumps({
    "before": before,
    "after": state(),
    "same": [bool((one == other).all()) for one, other in zip(alone, together)],
    "different": bool((alone[0] != alone[1]).any()),
    "frames": frames,
    "loaded": [net.is_loaded for net in parts.later],
    "ours": is_own_process(),
}))
"""


@pytest.fixture(scope="module")
def told(material: Material, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    photos = f"{material.photo},{material.other_person}"
    folder = tmp_path_factory.mktemp("host")
    command = [sys.executable, "-c", HOST, photos, material.film_person, material.film, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_a_swap_leaves_its_host_process_as_it_was(told: dict[str, Any]) -> None:
    assert told["after"] == told["before"]
    assert told["before"]["gc"][0] == [123, 4, 5]


def test_two_swaps_at_once_do_not_take_each_others_nets(told: dict[str, Any]) -> None:
    assert told["same"] == [True, True]
    assert told["different"]
    assert told["frames"] == [10, 10]
    assert told["loaded"] == [True] * 4


def test_nobody_has_said_that_its_process_is_ours(told: dict[str, Any]) -> None:
    assert not told["ours"]


COMMAND = """
from lendface.cli_engine import Provider, load
from lendface.engine.memory import is_own_process
import gc
before = is_own_process()
load(Provider.cpu)
print(before, is_own_process(), gc.get_freeze_count() > 0)
"""


def test_the_command_tunes_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True", "True"]
