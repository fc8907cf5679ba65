"""Measures a swap against its targets: ``python -m benchmarks``, or ``make bench``.

Films are composed on this machine and kept in benchmarks/out. Without options it takes some
minutes; --full takes films of 20 s and five rounds, and most of an hour.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import lendface
from lendface.engine.memory import own_process

from .clips import SIZES, Clip, get_clip
from .measure import Measured, measure
from .report import (
    HISTORY,
    as_line,
    as_values,
    describe_machine,
    stages_tables,
    table,
    targets_table,
)
from .targets import ROWS, measure_memory, measure_targets

OUT = Path(__file__).parent / "out"
SHORT_S, FULL_S = 5.0, 20.0
SHORT_ROUNDS, FULL_ROUNDS = 3, 5
STAGE_FRAMES = {"360p": 120, "720p": 90, "1080p": 60}


def main() -> None:
    own_process()  # as the command does
    options = read_options()
    machine = describe_machine()
    how = {
        "seconds": options.seconds or (FULL_S if options.full else SHORT_S),
        "rounds": options.rounds or (FULL_ROUNDS if options.full else SHORT_ROUNDS),
    }
    lines, history = [", ".join(f"{name} {value}" for name, value in (machine | how).items())], []
    names = options.only or [name for name in ROWS if options.full or name != "plain"]
    if rows := [name for name in ROWS if name in names]:
        found = measure_targets(OUT, how["seconds"], rows, how["rounds"], tell)
        lines += ["", *targets_table(found)]
        history.append(as_line("targets", found, machine, how))
    if "stages" in names or (options.full and not options.only):
        measured = measure_stages(how["rounds"])
        lines += ["", *stages_tables(measured)]
        history.append(as_line("stages", as_values(measured), machine, how))
    if "length" in names or (options.full and not options.only):
        memory = measure_memory(OUT, options.memory_size, options.minutes, tell)
        lines += ["", *table(list(memory[0]), [list(row.values()) for row in memory])]
        history.append(as_line("length", memory, machine, how))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if options.keep:
        with HISTORY.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in history)
    print("\n".join(lines))


def measure_stages(rounds: int) -> list[Measured]:
    parts, rows = lendface.build(), []
    for size, faces in ((size, faces) for size in SIZES for faces in (0, 1, 2)):
        tell(f"stages: {size} with {faces} faces")
        share = 0.3 if faces == 2 else Clip.face_share
        clip = Clip(size, faces, STAGE_FRAMES[size], share)
        rows.append(measure(get_clip(OUT / "clips", clip), clip, parts, rounds))
    return rows


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [*ROWS, "stages", "length"]
    parser.add_argument("--only", nargs="+", choices=names, help="these rows and no others")
    parser.add_argument("--full", action="store_true", help="all rows, as docs/performance.md has")
    parser.add_argument("--seconds", type=float, help="length of the films")
    parser.add_argument("--rounds", type=int, help="medians are of so many")
    parser.add_argument("--minutes", nargs="+", type=int, default=[1, 10], help="for 'length'")
    parser.add_argument("--memory-size", choices=SIZES, default="1080p", help="for 'length'")
    parser.add_argument(
        "--keep", action="store_true", help="add a line to benchmarks/history.jsonl"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
