"""The results as Markdown, and as lines of the history."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lendface.version import __version__

from .measure import Measured
from .stages import STAGES
from .targets import TARGETS, Target

HISTORY = Path(__file__).parent / "history.jsonl"


def describe_machine() -> dict[str, Any]:
    return {
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "lendface": __version__,
        "commit": commit(),
    }


def processor_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit() -> str:
    """Short, with a plus where files differ from it; empty outside of a checkout."""
    told = [
        subprocess.run(
            ["git", *what], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        ).stdout.strip()
        for what in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "-uno", "../src"])
    ]
    return told[0] + ("+" if told[1] else "")


def as_line(kind: str, found: Any, machine: Mapping[str, Any], how: Mapping[str, Any]) -> str:
    """One line of the history."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
    return json.dumps({"when": now, "kind": kind, **machine, **how, "found": found})


def targets_table(found: Mapping[str, float]) -> list[str]:
    rows = [
        [target.what, show(found[target.name], target.unit), limit(target), verdict(target, found)]
        for target in TARGETS
        if target.name in found
    ]
    return table(["what", "measured", "target", "met"], rows)


def show(value: float, unit: str) -> str:
    digits = 0 if unit == "MiB" else 1 if unit == "ms" else 2
    return f"{value:.{digits}f} {unit}"


def limit(target: Target) -> str:
    if target.least is not None:
        return f">= {target.least:g} {target.unit}"
    return "" if target.most is None else f"<= {target.most:g} {target.unit}"


def verdict(target: Target, found: Mapping[str, float]) -> str:
    return {True: "yes", False: "no", None: ""}[target.is_met(found[target.name])]


def stages_tables(rows: Sequence[Measured]) -> list[str]:
    """Frames per second of each way through a film, and processor time by stage."""
    return [
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
        "Processor milliseconds a frame, by stage; *codecs* are the threads of decoder and encoder"
        " in both passes, *prepare* is seconds, once for each film:",
        "",
        *table(
            ["size", "faces", *STAGES, "codecs", "all", "prepare"],
            [
                [r.size, r.faces, *(f"{ms:.1f}" for ms in r.stage_ms.values()), r.prepare_s]
                for r in rows
            ],
        ),
    ]  # fmt: skip


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(str(cell) for cell in line)} |" for line in lines]


def as_values(rows: Sequence[Measured]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]
