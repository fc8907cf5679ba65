"""A program of its own that opens a film nobody has looked at yet.

It has little memory and time, no variables, no other file and no network (``sandbox.py``), and may
crash: a file that was made to do harm ends this process and not the one that asked. It stands on
PyAV alone, so that it starts in a tenth of a second: ``python -I inspector.py QUESTION``, with the
question as JSON, prints the answer as JSON. ``inspection.py`` asks it.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # isolated, so it finds only what its Python has by itself
    sys.path.extend(path for path in json.loads(sys.argv[1])["paths"] if path not in sys.path)

import av
import av.error
import av.stream

FIRST_PACKETS = 3000  # by which each picture must have shown a frame
OPEN_FILES = 32
STILL = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails


def confine(question: dict[str, Any]) -> list[str]:
    """From here on: no file grows, memory (above what is used) and processor time end, and no other
    file and nobody else is in reach. Returns what of that the kernel enforces."""
    with open("/proc/self/statm") as file:
        in_use = int(file.read().split()[0]) * resource.getpagesize()
    memory, cpu_s = in_use + question["memory_bytes"], question["cpu_s"]
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    libraries = [str(Path(module.__file__).parent) for module in (os, av)]  # loaded when needed
    return ["limits", *load_sandbox().confine(question["path"], libraries)]


def load_sandbox() -> Any:
    """Our neighbour, without the package that we both stand in."""
    spec = spec_from_file_location("sandbox", Path(__file__).with_name("sandbox.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def inspect(question: dict[str, Any]) -> dict[str, Any]:
    """What is in the file, or under ``fault`` why that cannot be said."""
    answer: dict[str, Any] = {"streams": 0, "videos": {}}
    try:
        look_without_decoding(question, answer)
        if not is_beyond(question, answer):
            count_frames(question, answer)
    except MemoryError:
        answer["fault"] = "memory"
    except av.error.ArgumentError:
        answer["fault"] = "format"
    except (av.error.FFmpegError, OSError) as fault:
        answer["fault"] = "memory" if fault.errno == errno.ENOMEM else "unreadable"
        answer["reason"] = str(fault.strerror).lower()
    return answer


def look_without_decoding(question: dict[str, Any], answer: dict[str, Any]) -> None:
    """Sizes by headers and parsers; only then one frame of each picture, and none too large."""
    no_decoders = {"codec_whitelist": "none", "max_streams": str(question["max_streams"] + 1)}
    with open_film(question, no_decoders) as container:
        answer["streams"] = len(container.streams)
        films = [s for s in container.streams.video if s.codec_context is not None]
        videos = {s.index: {"size_wh": [s.width, s.height], "decodes": False} for s in films}
        answer["videos"] = videos
        if not films or is_beyond(question, answer):
            return
        waiting = {stream.index for stream in films}
        for index, size_wh, is_frame in first_frames(container, films, question["max_pixels"]):
            video = videos[index]
            video["size_wh"] = [max(pair) for pair in zip(video["size_wh"], size_wh, strict=True)]
            video["decodes"] |= is_frame
            if video["decodes"]:
                waiting.discard(index)
            if not waiting or is_beyond(question, answer):
                return


def first_frames(
    container: Any, films: list[Any], max_pixels: int
) -> Iterator[tuple[int, tuple[int, int], bool]]:
    """(stream, size, whether a frame came) after each packet, until enough have been tried."""
    for stream in films:
        stream.codec_context.options = {"max_pixels": str(max_pixels)}
        stream.codec_context.thread_count = 1
    for number, packet in enumerate(container.demux(films)):
        stream, frames = packet.stream, []
        # broken, or larger than allowed: then the decoder has noted the size
        with suppress(av.error.InvalidDataError, av.error.ArgumentError, EOFError):
            frames = packet.decode()
        yield stream.index, (stream.width, stream.height), bool(frames)
        if number > FIRST_PACKETS:
            return


def is_beyond(question: dict[str, Any], answer: dict[str, Any]) -> bool:
    """True when the answer is known to be a refusal, so that no more work is worth it."""
    if answer["streams"] > question["max_streams"]:
        return True
    return any(
        video["size_wh"][0] * video["size_wh"][1] > question["max_pixels"]
        or max(video["size_wh"]) > question["max_side"]
        for video in answer["videos"].values()
    )


def count_frames(question: dict[str, Any], answer: dict[str, Any]) -> None:
    """Open it as any reader does, and count the packets of each picture until a limit."""
    with open_film(question, {}) as container:
        films = [
            stream
            for stream in container.streams.video
            if stream.codec_context is not None and not stream.disposition & STILL
        ]
        answer["claimed_us"] = container.duration
        counts = {stream.index: Count(stream) for stream in films}
        for stream in container.streams:
            if stream.index not in counts:
                stream.discard = av.stream.Discard.all
        if not films:
            return
        try:
            for packet in container.demux(films):
                if not packet.is_discard and (packet.size or packet.pts is not None):
                    count = counts[packet.stream.index]
                    count.add(packet)
                    if count.is_beyond(question):
                        break
        except av.error.FFmpegError as fault:  # cut off: what is there counts
            answer["cut_off"] = str(fault.strerror).lower()
        for index, count in counts.items():
            answer["videos"].setdefault(index, {}).update(count.told())


class Count:
    """Frames of one picture and when they are shown."""

    def __init__(self, stream: Any) -> None:
        self._time_base = stream.time_base
        self.frames = self.untimed = 0
        self.first = self.last = self.end = None

    def add(self, packet: Any) -> None:
        self.frames += 1
        if packet.pts is None:
            self.untimed += 1
            return
        end = packet.pts + (packet.duration or 0)
        self.first = packet.pts if self.first is None else min(self.first, packet.pts)
        self.last = packet.pts if self.last is None else max(self.last, packet.pts)
        self.end = end if self.end is None else max(self.end, end)

    def is_beyond(self, question: dict[str, Any]) -> bool:
        if self.frames > question["max_frames"]:
            return True
        if self.first is None or self.end is None:
            return False
        return (self.end - self.first) * self._time_base > question["max_seconds"]

    def told(self) -> dict[str, Any]:
        base = self._time_base
        return {
            "frames": self.frames,
            "untimed": self.untimed,
            "ticks": [self.first, self.last, self.end],
            "time_base": [base.numerator, base.denominator],
        }


def open_film(question: dict[str, Any], more: dict[str, str]) -> Any:
    options = {**question["opening"], **more}
    return av.open(question["path"], "r", container_options=options, metadata_errors="replace")


def main() -> None:
    question = json.loads(sys.argv[1])
    protection = confine(question)
    print(json.dumps(inspect(question) | {"protection": protection}))


if __name__ == "__main__":
    main()
