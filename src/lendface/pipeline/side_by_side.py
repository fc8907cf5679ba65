"""The second pass in several processes: parts of a film rendered side by side, and joined.

Each process renders one part after the other; whoever is done is given the next, so that a part
with many faces holds nobody up. Parts lie beside the output until they are joined: with the joined
file that is twice the size of the result on its disk.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

from ..errors import RenderProcessError
from ..media import Chunk, join_chunks, options_for
from ..media.cores import count_cores
from ..media.environment import plain
from ..media.failures import writing
from .cutting import cut_target, is_written_at_once
from .part_process import Broken, Done, Order, Part, Stepped
from .rendering import Rendering
from .scans import Scan
from .targets import ImageTarget, VideoTarget
from .trackfile import write_scan

PARTS_EACH = 3  # of a short film for each process, so that they end at about the same time
LEAST_PART_S, LONGEST_PART_S = 2.0, 60.0
PATIENCE = 1.25  # lengths of a part to wait for a keyframe
END_S = 5.0  # for a process that is told to end
PACKAGE = Path(__file__).parents[2]
RUN = "from lendface.pipeline.part_process import main; main()"


@dataclass(frozen=True)
class Crew:
    """Processes that wait for orders, each at the other end of a connection."""

    processes: list[subprocess.Popen[bytes]]
    ends: list[Connection]


@contextmanager
def gathered(target: VideoTarget | ImageTarget, workers: int) -> Iterator[Crew]:
    """Processes that get ready while the film is scanned, none where one does all the work.

    When the block ends, however it ends, they are gone.
    """
    crew = Crew([], [])
    try:
        for _ in range(workers if workers > 1 and isinstance(target, VideoTarget) else 0):
            near, far = Pipe()
            crew.ends.append(near)
            with far:
                crew.processes.append(start(far))
        yield crew
    finally:
        for end in crew.ends:
            end.close()
        for process in crew.processes:
            process.terminate()
        for process in crew.processes:
            ended(process)


def render_side_by_side(
    rendering: Rendering, target: VideoTarget | ImageTarget, output: Path, crew: Crew
) -> list[str]:
    """``Rendering.write`` by a crew, if there is work for more than one.

    Frames, times and sound are those of one process; the encoder starts anew with each part.
    Returns warnings. Raises also RenderProcessError where a process ends before its work.
    """
    if not crew.ends or isinstance(target, ImageTarget):
        return rendering.write(target, output)
    if is_written_at_once(target.info, output, rendering.encode):
        return rendering.write(target, output)
    parts = cut_for(len(crew.ends), rendering, target)
    if len(parts) < 2:
        return rendering.write(target, output)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".parts-") as name:
        folder = Path(name)
        with kept_scan(rendering.scan, folder) as scan:
            warnings = CrewWork(rendering, target, folder, scan, crew).render(parts)
        trim, paths = target.trim, [folder / f"{part.number}.mp4" for part in parts]
        warnings += join_chunks(
            paths,
            target.info,
            output,
            start_s=trim.start_s,
            end_s=trim.end_s,
            copies_audio=rendering.encode.copies_audio,
        )
    return list(dict.fromkeys(warnings))


@contextmanager
def kept_scan(scan: Scan, folder: Path) -> Iterator[Path]:
    """Where processes of this user find a scan while the block lasts: a file that no folder lists,
    so that nothing of a face is left when this process is killed."""
    with writing(), tempfile.TemporaryFile(dir=folder) as file:
        write_scan(scan, file)
        yield Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")


def cut_for(workers: int, rendering: Rendering, target: VideoTarget) -> list[Chunk]:
    """The parts of a film for so many processes."""
    times = rendering.scan.times
    seconds = float(times[-1] - times[0]) / (workers * PARTS_EACH)
    length_s = min(LONGEST_PART_S, max(LEAST_PART_S, seconds))
    return cut_target(target, rendering.encode, length_s, times, PATIENCE)


@dataclass
class CrewWork:
    """Parts of one film in the hands of a crew."""

    rendering: Rendering
    target: VideoTarget
    folder: Path
    scan: Path
    crew: Crew
    _warnings: list[str] = field(default_factory=list)

    def render(self, chunks: Sequence[Chunk]) -> list[str]:
        """Render all parts into the folder, each under its number. Returns warnings."""
        waiting, total, done = deque(chunks), self.rendering.frame_count, 0
        busy = self.crew.ends[: len(chunks)]
        order = self._order(len(busy))
        for end in busy:
            send(end, order)
            self._give(end, waiting)
        while busy:
            for end in wait(busy):
                assert isinstance(end, Connection)
                message = receive(end, self.crew.processes[self.crew.ends.index(end)])
                if isinstance(message, Stepped):
                    done += 1
                    self.rendering.watch.step("render", done, total)
                elif isinstance(message, Done):
                    self._warnings += message.warnings
                    if not self._give(end, waiting):
                        busy.remove(end)
                elif isinstance(message, Broken):
                    raise message.error()
        return self._warnings

    def _give(self, end: Connection, waiting: deque[Chunk]) -> bool:
        if not waiting:
            return False
        chunk = waiting.popleft()
        send(end, Part(chunk, self.folder / f"{chunk.number}.mp4"))
        return True

    def _order(self, size: int) -> Order:
        threads = max(1, count_cores() // size)
        encode = options_for(self.folder / "out.mp4", self.rendering.encode)
        return Order(
            target=self.target.info.path,
            scan=self.scan,
            plan=self.rendering.plan,
            swapper=self.rendering.swapper,
            encode=replace(encode, threads=encode.threads or threads),
            label=self.rendering.label,
        )


def start(far: Connection) -> subprocess.Popen[bytes]:
    """A process that renders parts; Ctrl-C in the terminal does not reach it, we end it."""
    paths = [str(PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(far.fileno())],
        pass_fds=[far.fileno()],
        env=plain() | {"PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        process_group=0,
    )


def ended(process: subprocess.Popen[bytes]) -> int:
    """How a process ended; it is killed where it does not end by itself."""
    try:
        return process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def send(end: Connection, what: Order | Part) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # the next word from there tells why
        end.send(what)


def receive(end: Connection, process: subprocess.Popen[bytes]) -> object:
    """What a process says next. Raises RenderProcessError where it is gone."""
    try:
        return end.recv()
    except (EOFError, ConnectionResetError):
        raise RenderProcessError(ended(process)) from None
