"""Pieces of pages that are made from the code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Markdown.

    >>> print(table(["a", ""], [[1, "x|y"]]))
    | a | |
    |---|---|
    | 1 | x\\|y |
    """
    return "\n".join([_line(heads), "|---" * len(heads) + "|", *map(_line, rows)])


def _line(cells: Iterable[object]) -> str:
    escaped = (str(cell).replace("|", "\\|") for cell in cells)
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in escaped)


def code(*words: object) -> str:
    """Words as code, comma between.

    >>> code("a", "b")
    '`a`, `b`'
    """
    return ", ".join(f"`{word}`" for word in words)
