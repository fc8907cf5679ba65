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
    return ["limits", *load_neighbour("sandbox").confine(question["path"], libraries)]


def load_neighbour(name: str) -> Any:
    """A module beside this one, without the package that both stand in."""
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules.setdefault(name, module)  # dataclasses look there for the module of a class
    spec.loader.exec_module(module)
    return module


clock = load_neighbour("clock")


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
        if not films:
            return
        survey = clock.Survey(container, films[0].index)
        counted = {stream.index for stream in films}
        timed = [stream for stream in container.streams if stream.index in survey.streams]
        try:
            for packet in container.demux(timed):
                if not packet.is_discard:
                    survey.add(packet)
                    if packet.stream_index in counted and is_too_long(packet, survey, question):
                        break
        except av.error.FFmpegError as fault:  # cut off: what is there counts
            answer["cut_off"] = str(fault.strerror).lower()
        tell_counts(survey, films, answer)


def is_too_long(packet: Any, survey: Any, question: dict[str, Any]) -> bool:
    """True when the picture is known to be refused; a jump of the clock is not counted as time."""
    picture = survey.streams[packet.stream_index]
    return picture.count > question["max_frames"] or picture.newest > question["max_seconds"]


def tell_counts(survey: Any, films: list[Any], answer: dict[str, Any]) -> None:
    """Frames of each picture and when they are shown, on the clock on which they are swapped."""
    timeline = survey.timeline()
    for stream in films:
        seen, base = survey.streams[stream.index], stream.time_base
        span = timeline.spans.get(stream.index)
        told = {
            "frames": seen.count,
            "untimed": seen.untimed,
            "ticks": [None] * 3 if span is None else [round(time / base) for time in span],
            "time_base": [base.numerator, base.denominator],
        }
        answer["videos"].setdefault(stream.index, {}).update(told)


def open_film(question: dict[str, Any], more: dict[str, str]) -> Any:
    options = {**question["opening"], **more}
    return av.open(
        question["path"],
        "r",
        format=question["format"],
        container_options=options,
        metadata_errors="replace",
    )


def main() -> None:
    question = json.loads(sys.argv[1])
    protection = confine(question)
    print(json.dumps(inspect(question) | {"protection": protection}))


if __name__ == "__main__":
    main()
