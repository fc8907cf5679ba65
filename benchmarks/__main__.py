"""``python -m benchmarks``: writes a table to the screen and to ``benchmarks/out``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import lendface

from .clips import SIZES, write_clip
from .measure import measure
from .report import describe_machine, write_results

OUT = Path(__file__).parent / "out"


def main() -> None:
    options = read_options()
    parts = lendface.build()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in (size for size in SIZES if size.name in options.sizes):
            for faces in options.faces:
                print(f"{size.name} with {faces} faces ...", file=sys.stderr, flush=True)
                path = write_clip(Path(folder) / f"{size.name}_{faces}.mp4", size, faces)
                rows.append(measure(path, size, faces, parts, options.repeats))
    machine = describe_machine(parts.provider)
    print(write_results(options.out, rows, machine, options.repeats))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [size.name for size in SIZES]
    parser.add_argument("--sizes", nargs="+", choices=names, default=names)
    parser.add_argument("--faces", nargs="+", type=int, choices=(0, 1, 2), default=[0, 1, 2])
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    parser.add_argument("--out", type=Path, default=OUT, help="where results.md and .json go")
    return parser.parse_args()


if __name__ == "__main__":
    main()
