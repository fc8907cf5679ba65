"""Where in a request something is, as vendors' clients write it."""

from __future__ import annotations

from collections.abc import Sequence

PLACES = ("body", "query", "path", "header")


def name_field(loc: Sequence[str | int]) -> str:
    """
    >>> name_field(("body", "sourceImage", 0, "path"))
    'sourceImage[0].path'
    >>> name_field(("query", "_ids")), name_field(("body",))
    ('_ids', 'the body')
    """
    parts = list(loc[1:] if loc and loc[0] in PLACES else loc)
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return name.removeprefix(".") or f"the {loc[0] if loc else 'body'}"
