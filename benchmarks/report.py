"""The results as Markdown and JSON."""

from __future__ import annotations

import json
import os
import platform
import resource
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lendface.version import __version__

from .measure import Measured
from .stages import STAGES


def describe_machine(provider: str) -> dict[str, Any]:
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "lendface": __version__,
        "python": platform.python_version(),
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "provider": provider,
        "peak_memory_mib": round(peak_kib / 1024),
    }


def processor_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def as_markdown(rows: Sequence[Measured], machine: dict[str, Any], repeats: int) -> str:
    facts = ", ".join(f"{name} {value}" for name, value in machine.items())
    return "\n".join(
        [
            f"Medians of {repeats} runs; {facts}.",
            "",
            "Frames per second:",
            "",
            *table(
                ["size", "faces", "face px", "decode", "decode + encode", "scan", "render", "swap"],
                [
                    [r.size, r.faces, f"{r.face_height_px:.0f}", r.decode_fps, r.copy_fps,
                     r.scan_fps, r.render_fps, r.swap_fps]
                    for r in rows
                ],
            ),
            "",
            "Milliseconds a frame, by stage; *prepare* is seconds, once for each film:",
            "",
            *table(
                ["size", "faces", "decode", *STAGES, "prepare"],
                [
                    [r.size, r.faces, *(f"{ms:.1f}" for ms in r.stage_ms.values()), r.prepare_s]
                    for r in rows
                ],
            ),
        ]
    )  # fmt: skip


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(str(cell) for cell in line)} |" for line in lines]


def write_results(folder: Path, rows: Sequence[Measured], machine: dict[str, Any], n: int) -> str:
    """Writes ``results.json`` and ``results.md``; returns the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    text = as_markdown(rows, machine, n)
    results = {"machine": machine, "repeats": n, "rows": [asdict(row) for row in rows]}
    (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(text + "\n", encoding="utf-8")
    return text
