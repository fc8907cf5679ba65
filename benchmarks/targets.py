"""The figures that a swap is judged by, against decode and encode of the same round."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .clips import FPS, SOURCES, Clip, get_clip, get_loop, get_photo
from .runs import LENDFACE, Run, run

PYTHON = sys.executable
FIRST_LINE = "swapping:"  # on standard error, when the first frame is done
HELD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Target:
    """One line of the table."""

    name: str
    what: str
    most: float | None  # or less is well; None: no target, for comparison
    unit: str = "x"
    least: float | None = None  # or more is well

    def is_met(self, figure: float) -> bool | None:
        if self.most is None and self.least is None:
            return None
        too_much = self.most is not None and figure > self.most
        return not too_much and (self.least is None or figure >= self.least)


TARGETS = (
    Target("swap 1080p, wall", "whole swap, 1080p, one face of 400 px", 1.6),
    Target("swap 1080p, cpu", "the same, processor time", 1.7),
    Target("swap 720p, wall", "whole swap, 720p, one face of 267 px", 1.6),
    Target("swap 720p, cpu", "the same, processor time", None),
    Target("scan 1080p, wall", "scan alone, 1080p", 0.35),
    Target("scan 1080p, cpu", "the same, processor time", None),
    Target("engine", "engine, a face and frame at 400 px, one thread", 14, "ms"),
    Target("engine, scan", "of it the scan", None, "ms"),
    Target("engine, render", "of it the render", None, "ms"),
    Target("engine, paste", "of the render, paste and blend", 2, "ms"),
    Target("engine, prepare", "textures and shapes, once a film", None, "ms"),
    Target("no face, wall", "render of frames without a face, 1080p", 1.15),
    Target("no face, cpu", "the same, processor time", None),
    Target("memory", "peak memory of the 1080p swap", 700, "MiB"),
    Target("memory, copy", "peak memory of decode + encode", None, "MiB"),
    Target("first frame", "time to the first frame, 4 s of 360p", 2, "s"),
    Target("workers", "render pass, two workers against one on one core", None, "x", 1.6),
    Target("workers, free", "the same against one worker on both cores", None, "x"),
    Target("import", "import lendface", 0.25, "s"),
    Target("help", "lendface --help", 0.25, "s"),
    Target("plain, wall", "plain Python pipeline, 1080p, same engine", None),
    Target("plain, cpu", "the same, processor time", None),
)
BY_NAME = {target.name: target for target in TARGETS}

Figures = Mapping[str, float]


@dataclass
class Bench:
    """The films, and what one round has found so far."""

    folder: Path
    seconds: float
    copies: dict[str, Run] = field(default_factory=dict)

    def clip(self, size: str, faces: int, seconds: float | None = None) -> Path:
        frames = round(FPS * (seconds or self.seconds))
        return get_clip(self.folder / "clips", Clip(size, faces, frames))

    def module(self, name: str, *values: str | Path) -> Run:
        return run([PYTHON, "-m", f"benchmarks.{name}", *values])

    def lendface(self, *values: str | Path, **how: object) -> Run:
        env = HELD | {"LENDFACE_DATA": str(self.folder / "data")}
        return run([*LENDFACE, *values], env=env, **how)  # type: ignore[arg-type]

    def swap(self, path: Path, *values: str, **how: object) -> Run:
        with tempfile.TemporaryDirectory(dir=self.folder) as made:
            output = Path(made) / "out.mp4"
            return self.lendface("swap", get_photo(SOURCES[0]), path, "-o", output, *values, **how)

    def copy(self, path: Path) -> Run:
        """Decode and encode, once in a round for each film."""
        if path.name not in self.copies:
            with tempfile.TemporaryDirectory(dir=self.folder) as made:
                self.copies[path.name] = self.module("copying", path, Path(made) / "out.mp4")
        return self.copies[path.name]

    def against_copy(self, name: str, path: Path, taken: Run) -> Figures:
        base = self.copy(path)
        return {
            f"{name}, wall": taken.wall_s / base.wall_s,
            f"{name}, cpu": taken.cpu_s / base.cpu_s,
        }


def swap_1080p(bench: Bench) -> Figures:
    path = bench.clip("1080p", 1)
    taken = bench.swap(path)
    memory = {"memory": taken.peak_mib, "memory, copy": bench.copy(path).peak_mib}
    return bench.against_copy("swap 1080p", path, taken) | memory


def swap_720p(bench: Bench) -> Figures:
    path = bench.clip("720p", 1)
    return bench.against_copy("swap 720p", path, bench.swap(path))


def scan_1080p(bench: Bench) -> Figures:
    path = bench.clip("1080p", 1)
    return bench.against_copy("scan 1080p", path, bench.lendface("scan", path, "--json"))


def no_face(bench: Bench) -> Figures:
    path = bench.clip("1080p", 0)
    with tempfile.TemporaryDirectory(dir=bench.folder) as made:
        taken = bench.module("passing", path, Path(made) / "out.mp4")
    return bench.against_copy("no face", path, taken)


def engine(bench: Bench) -> Figures:
    said = run([PYTHON, "-m", "benchmarks.engine", bench.clip("1080p", 1)], env=HELD).said
    found = json.loads(said)
    parts = {f"engine, {part}": found[f"{part}_ms"] for part in ("scan", "render", "paste")}
    return {"engine": found["engine_ms"], **parts, "engine, prepare": found["prepare_ms"]}


def first_frame(bench: Bench) -> Figures:
    taken = bench.swap(bench.clip("360p", 1, 4), until_line=FIRST_LINE)
    assert taken.line_s is not None
    return {"first frame": taken.line_s}


def workers(bench: Bench) -> Figures:
    path = bench.clip("1080p", 1)
    held = render_s(bench.swap(path, "--workers", "1", "--json", cores=[0]))
    free = render_s(bench.swap(path, "--workers", "1", "--json"))
    two = render_s(bench.swap(path, "--workers", "2", "--json"))
    return {"workers": held / two, "workers, free": free / two}


def render_s(taken: Run) -> float:
    return json.loads(taken.said)["seconds"]["render"]


def start(bench: Bench) -> Figures:
    imported = run([PYTHON, "-c", "import lendface"])
    return {"import": imported.wall_s, "help": bench.lendface("--help").wall_s}


def plain(bench: Bench) -> Figures:
    path = bench.clip("1080p", 1)
    with tempfile.TemporaryDirectory(dir=bench.folder) as made:
        output = Path(made) / "out.mp4"
        taken = bench.module("plain", get_photo(SOURCES[0]), path, output)
    return bench.against_copy("plain", path, taken)


ROWS: Mapping[str, Callable[[Bench], Figures]] = {
    "swap": swap_1080p,
    "720p": swap_720p,
    "scan": scan_1080p,
    "noface": no_face,
    "engine": engine,
    "first": first_frame,
    "workers": workers,
    "start": start,
    "plain": plain,
}


def measure_targets(
    folder: Path, seconds: float, names: list[str], repeats: int, tell: Callable[[str], None]
) -> dict[str, float]:
    """Medians over ``repeats`` rounds; each round measures every row once, one after the other."""
    found: dict[str, list[float]] = {}
    tell("warming up")  # compiled kernels are made and kept by the first swap on a machine
    warm_up = Bench(folder, seconds)
    warm_up.swap(warm_up.clip("360p", 1, 4))
    for number in range(repeats):
        bench = Bench(folder, seconds)
        for name in names:
            tell(f"round {number + 1} of {repeats}: {name}")
            try:
                figures = ROWS[name](bench)
            except subprocess.CalledProcessError as fault:
                tell(f"{name} failed: {fault.stderr.strip().splitlines()[-1:]}")
                continue
            for figure, value in figures.items():
                found.setdefault(figure, []).append(value)
    return {name: round(statistics.median(values), 3) for name, values in found.items()}


@dataclass(frozen=True)
class Memory:
    """The peak of one long swap."""

    film: str
    minutes: float
    peak_mib: float


def measure_memory(
    folder: Path, size: str, minutes: list[int], tell: Callable[[str], None]
) -> list[dict]:
    """Peaks of whole swaps of films of these lengths, made of ten seconds shown again and again."""
    bench, rows = Bench(folder, 10), []
    short = bench.clip(size, 1)
    for length in minutes:
        tell(f"memory: {size}, {length} min")
        path = get_loop(folder / "clips", short, length * 6)
        taken = bench.swap(path, "--preset", "ultrafast") if size != "1080p" else bench.swap(path)
        rows.append(asdict(Memory(size, length, round(taken.peak_mib))))
    return rows
